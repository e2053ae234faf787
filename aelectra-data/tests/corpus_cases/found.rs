//! Which files of a directory are a corpus, and what is told of the others.

use std::fs;

use aelectra_data::corpus::discover;

use super::{Inputs, LINES, TWO, bzip2, corpus, gzip};

#[test]
fn directories_say_what_they_leave_out() {
    let inputs = Inputs::new();
    inputs.file("a.txt", "Et hus");
    inputs.file("b.csv", "id,text\n1,Hej\n");
    inputs.file("c.zip", b"PK\x03\x04rest");
    inputs.file("d.bin", [0u8, 1, 2, 3, 255].repeat(100));
    inputs.file("e.md", "# Ikke tekst");
    inputs.file("f.jsonl", "{\"id\": 1, \"url\": \"x\"}\n");
    inputs.file("g.txt", "");
    inputs.file(".hidden.txt", "skjult");
    let (documents, report) = inputs.read(&inputs.all());
    assert_eq!(documents, ["Et hus"]);
    let notes = report.notes.join("\n");
    assert_eq!(report.notes.len(), 1, "one line: {notes}");
    for wanted in [
        "6 files left out",
        "a table with columns (CSV): ",
        "b.csv",
        "a zip archive",
        "binary data",
        "unknown extensions",
        "without a field `text`, with `id`, `url`",
        "empty",
    ] {
        assert!(notes.contains(wanted), "no {wanted:?} in {notes}");
    }
}

/// A file of which not even the beginning can be unpacked is not an empty one.
#[test]
fn a_directory_with_a_damaged_file_is_refused() {
    let inputs = Inputs::new();
    inputs.file("a.txt", "Et hus");
    let bz = bzip2("En by med mange huse. ".repeat(50).as_bytes());
    for (name, data) in [
        ("b.txt.bz2", bz[..bz.len() / 2].to_vec()),
        ("b.txt.gz", gzip(b"Et andet hus")[..12].to_vec()),
    ] {
        let path = inputs.file(name, data);
        let message = inputs.refused(&inputs.all());
        assert!(
            message.contains(name) && message.contains("damaged"),
            "{message}"
        );
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_this_program_made_is_no_corpus() {
    let inputs = Inputs::new();
    inputs.file("a.txt", "Et hus");
    for name in ["tokenizer", "runs/first/tokenizer"] {
        inputs.file(&format!("{name}/vocab.txt"), "[PAD]\n[UNK]\nhus\n");
        inputs.file(&format!("{name}/tokenizer_config.json"), "{}");
    }
    inputs.file("runs/first/manifest.json", r#"{"task": "pretrain"}"#);
    // Called as a run's, and none.
    inputs.file("news/events.jsonl", "{\"text\": \"En fest\"}\n");
    inputs.file("runs/first/sample/prose.txt", "Et lavet hus");
    for input in ["", "**/*", "**"] {
        let (documents, report) = inputs.read(&inputs.all().join(input));
        assert_eq!(documents, ["Et hus", "En fest"], "{input}");
        let notes = report.notes.join("\n");
        for wanted in [
            "2 files left out",
            "tokenizers and models",
            "tokenizer",
            "runs: ",
            "first",
        ] {
            assert!(notes.contains(wanted), "{input}: no {wanted:?} in {notes}");
        }
    }
    // Who names it means it.
    let (documents, _) = inputs.read(&inputs.all().join("runs/first/sample"));
    assert_eq!(documents, ["Et lavet hus"]);
}

#[cfg(unix)]
#[test]
fn links_that_lead_back_and_links_to_nothing() {
    use std::os::unix::fs::symlink;
    let inputs = Inputs::new();
    inputs.file("sub/a.txt", "Et hus");
    symlink(inputs.all(), inputs.path("sub/back")).unwrap();
    symlink("nowhere", inputs.path("gone.txt")).unwrap();
    let (documents, report) = inputs.read(&inputs.all());
    assert_eq!(documents, ["Et hus"]);
    assert!(
        report.notes[0].contains("links to nothing"),
        "{:?}",
        report.notes
    );
}

/// A pipe with a name, as a shell makes it for `<(zcat FILE)`, is read once and like standard input.
#[cfg(unix)]
#[test]
fn pipes_with_a_name_are_read_once() {
    let inputs = Inputs::new();
    let pipe = inputs.path("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::write(pipe, gzip(LINES.as_bytes())))
    };
    assert_eq!(inputs.read(&pipe).0, TWO);
    writer.join().unwrap().unwrap();
    // In a directory it is left out, not waited for.
    inputs.file("a.txt", "Et hus");
    let (documents, report) = inputs.read(&inputs.all());
    assert_eq!(documents, ["Et hus"]);
    assert!(
        report.notes[0].contains("no regular files"),
        "{:?}",
        report.notes
    );
}

/// A checksum file, or any text without an extension, beside records with text once made these "metadata".
#[test]
fn records_with_text_are_read_whatever_lies_beside_them() {
    let inputs = Inputs::new();
    inputs.file("avis.jsonl", "{\"text\": \"en avis\"}\n");
    inputs.file("SHA256SUMS", "0a1b  avis.jsonl\n");
    inputs.file("md5sum.txt", "0a1b  avis.jsonl\n");
    inputs.file("INDHOLD", "hvad her er\n");
    inputs.file("sektion/meta.jsonl", "{\"doc_id\": \"a\"}\n");
    inputs.file("sektion/a", "en tekst\n");
    let corpus = corpus(&inputs.all());
    let notes = discover(&corpus).unwrap().notes.join("\n");
    let (documents, _) = inputs.prepare(corpus).unwrap();
    assert_eq!(documents, ["hvad her er", "en avis", "en tekst"]);
    assert!(
        notes.contains("notices: ") && notes.contains("SHA256SUMS"),
        "{notes}"
    );
    assert!(notes.contains("metadata beside texts: ") && notes.contains("meta.jsonl"));
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf_8_is_told_and_stops_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let inputs = Inputs::new();
    inputs.file("a.txt", "en tekst\n");
    let odd = std::ffi::OsStr::from_bytes(b"\xe6.txt");
    fs::write(inputs.all().join(odd), "en anden\n").unwrap();
    let notes = discover(&corpus(&inputs.all())).unwrap().notes.join("\n");
    assert!(notes.contains("names that are not UTF-8"), "{notes}");
    assert_eq!(
        inputs.prepare(corpus(&inputs.all())).unwrap().0,
        ["en tekst"]
    );
    let error = discover(&corpus(&inputs.all().join(odd))).unwrap_err();
    assert!(error.hint().unwrap().contains("rename"), "{error}");
}
