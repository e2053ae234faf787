//! Damaged and odd files for every reader of this crate: no panic, and nothing lost in silence.
//!
//! Valid files are changed at random; each target says what must hold whatever the file is. A few
//! seconds in CI; `FUZZ_SECONDS=600 cargo test -p aelectra-data --test fuzz` for longer. A failure
//! names its round: `FUZZ_ROUND=N` repeats it alone, `FUZZ_FROM=N` goes on from it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use aelectra_data::DataError;
use aelectra_data::corpus::CorpusOptions;
use aelectra_data::ner::{Documents, NerDataset, NerSentence, ReadOptions, Scheme, read_ner};
use aelectra_data::pretrain::{PrepareOptions, ShardSet, Split, prepare};
use aelectra_data::run::EventReader;
use aelectra_data::vocab::{TokenizerOptions, WordPieceTokenizer};

mod mutate;

use mutate::{changed, pick, rounds};

#[test]
fn labelled_files() {
    let seeds: [&[u8]; 9] = [
        b"Ib NNP B-PER\nBo NNP I-PER\nler VB O\n\n-DOCSTART- -X- O\n\nRy NNP B-LOC\n",
        b"# sent_id = 1\n# text = Ib ler\n1\tIb\t_\tPROPN\t_\t_\t0\troot\t_\tname=B-PER\n2\tler\t_\tVERB\t_\t_\t1\tdep\t_\tname=O\n\n",
        br#"{"tokens":["Ib","ler"],"ner_tags":["B-PER","O"]}
{"tokens":["Ry"],"ner_tags":["B-LOC"]}
"#,
        br#"[{"text":"Ib ler i Ry","ents":[{"start":0,"end":2,"label":"PERSON"},{"start":9,"end":11,"label":"GPE"}]}]"#,
        "Ib\tO\tB-PER\nlé😀\tO\tO\n\nI\u{a0}Ry\tS-LOC\tO\n".as_bytes(),
        b"Ib PERSON\nler 0\n",
        b"\xef\xbb\xbfNr;Ord;Etiket\r\n1;Ib;B-PER\r\n;\";\";O\r\n;;\r\n2;\"\"\"\";O\r\n",
        b"bl\xe5,O\n\xc5rhus,B-LOC\n",
        br#"[["Ib ler i Ry", {"entities": [[0, 2, "PER"]]}], ["Ib", {"entities": []}]]"#,
    ];
    let dir = tempfile::tempdir().unwrap();
    rounds("labelled files", |rng| {
        let (seed, other) = (pick(rng, &seeds), pick(rng, &seeds));
        let bytes = changed(rng, seed, other);
        let name = pick(
            rng,
            &[
                "x.conll", "x.conllu", "x.jsonl", "x.json", "x.tsv", "x.csv", "x",
            ],
        );
        let path = dir.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let options = ReadOptions {
            scheme: [
                None,
                Some(Scheme::Iob2),
                Some(Scheme::Iob1),
                Some(Scheme::Bioes),
            ][rng.below(4)],
            column: [None, Some(1), Some(2), Some(9)][rng.below(4)],
            ..ReadOptions::default()
        };
        check_sentences(read_ner(&path, &options), name);
    });
}

/// Sentences as every reader of labels must give them, or an error that names the file.
fn check_sentences(read: Result<NerDataset, DataError>, name: &str) {
    match read {
        Ok(data) => {
            assert!(!data.sentences.is_empty(), "an empty result is an error");
            for NerSentence { tokens, tags, .. } in &data.sentences {
                assert_eq!(tokens.len(), tags.len());
                assert!(!tokens.is_empty() && tokens.iter().all(|token| !token.is_empty()));
                assert!(tags.iter().all(|tag| Scheme::Iob2.knows(tag)), "{tags:?}");
            }
        }
        Err(error) => assert!(
            error.to_string().contains(name),
            "the file is named: {error}"
        ),
    }
}

/// Changed as they are, and in what is packed in them, which their sum would tell.
#[test]
fn documents_of_spacy() {
    let seeds: [&[u8]; 3] = [
        include_bytes!("../data/annotated.spacy"),
        include_bytes!("../data/plain.spacy"),
        include_bytes!("../data/groups_beside.spacy"),
    ];
    let maps = seeds.map(|seed| {
        let mut map = Vec::new();
        flate2::read::ZlibDecoder::new(seed)
            .read_to_end(&mut map)
            .unwrap();
        map
    });
    let maps: [&[u8]; 3] = [&maps[0], &maps[1], &maps[2]];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.spacy");
    rounds("documents of spaCy", |rng| {
        let bytes = match rng.below(4) {
            0 => {
                let (seed, other) = (pick(rng, &seeds), pick(rng, &seeds));
                changed(rng, seed, other)
            }
            _ => {
                let (seed, other) = (pick(rng, &maps), pick(rng, &maps));
                let map = changed(rng, seed, other);
                let mut packer =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(&map).unwrap();
                packer.finish().unwrap()
            }
        };
        fs::write(&path, bytes).unwrap();
        check_sentences(read_ner(&path, &ReadOptions::default()), "x.spacy");
    });
}

#[test]
fn documents_of_a_text() {
    let seeds: [&[u8]; 2] = [
        "Bo går.\r\n\r\nHan ler\u{feff}.\n\n\nÅse".as_bytes(),
        b"a\n \nb\n",
    ];
    rounds("documents", |rng| {
        let bytes = changed(rng, seeds[0], seeds[1]);
        let read: Result<Vec<String>, _> = Documents::new(&bytes[..], Path::new("x")).collect();
        // Every visible line is in one document, in order; or the text is no UTF-8 and says so.
        match (read, std::str::from_utf8(&bytes)) {
            (Ok(documents), Ok(text)) => {
                let lines = text
                    .split_inclusive('\n')
                    .filter(|line| !line.trim().is_empty());
                assert_eq!(documents.concat(), lines.collect::<String>());
            }
            (Err(_), Err(_)) => {}
            // Or it begins as another kind of file does, and is told so.
            (Err(error), Ok(text)) => assert!(
                error.to_string().contains("expected running text"),
                "{error} {text:?}"
            ),
            (read, text) => panic!("{read:?} {text:?}"),
        }
    });
}

fn tokenizer() -> WordPieceTokenizer {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(String::from);
    let letters = ('a'..='z').chain("æøåÅ.,{}[]\":".chars());
    let pieces = letters.flat_map(|c| [c.to_string(), format!("##{c}")]);
    let tokens = special.into_iter().chain(pieces).collect();
    WordPieceTokenizer::from_tokens(tokens, TokenizerOptions::default()).unwrap()
}

fn shards_of(corpus: &Path, out: &Path) -> Result<ShardSet, DataError> {
    let options = PrepareOptions {
        corpus: CorpusOptions {
            inputs: vec![corpus.to_path_buf()],
            threads: 1,
            ..CorpusOptions::default()
        },
        out: out.to_path_buf(),
        max_length: 32,
        ..PrepareOptions::default()
    };
    prepare(&tokenizer(), &options, &|_| {})?;
    ShardSet::open(out)
}

#[test]
fn corpora() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"en to tre\n\nfire fem\n").unwrap();
    let packed = packed.finish().unwrap();
    let seeds: [&[u8]; 6] = [
        "en to tre.\n\nfire fem\r\nåse\n".as_bytes(),
        b"{\"text\":\"en to\",\"id\":1}\n{\"text\":\"tre \\ud83d\\ude00\",\"x\":NaN}\n",
        b"[{\"text\":\"en to\"},{\"text\":\"tre\"}]",
        b"<doc id=\"1\" title=\"en\">\nen to\n</doc>\n<doc id=\"2\">\ntre\n</doc>\n",
        b"\xff\xfee\0n\0 \0t\0o\0",
        &packed,
    ];
    let dir = tempfile::tempdir().unwrap();
    rounds("corpora", |rng| {
        let (seed, other) = (pick(rng, &seeds), pick(rng, &seeds));
        let bytes = changed(rng, seed, other);
        let name = pick(rng, &["x.txt", "x.jsonl", "x.json.gz", "x", "x.json"]);
        let path = dir.path().join(name);
        fs::write(&path, &bytes).unwrap();
        let out = dir.path().join("shards");
        let made = shards_of(&path, &out);
        if let Ok(set) = made {
            for split in [Split::Train, Split::Validation] {
                for index in 0..set.len(split) {
                    let ids = set.example(split, index).unwrap().input_ids;
                    assert!(ids.iter().all(|&id| (id as usize) < set.vocab_size()));
                }
            }
        }
        let _ = fs::remove_dir_all(&out);
        fs::remove_file(&path).unwrap();
    });
}

#[test]
fn shards() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("x.txt");
    fs::write(&text, "en to tre fire fem\n\n".repeat(200)).unwrap();
    let good = dir.path().join("good");
    let whole = shards_of(&text, &good).unwrap();
    let files: Vec<_> = fs::read_dir(&good)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end != "json" && end != "lock")
        })
        .filter(|path| path.is_file() && !fs::read(path).unwrap().is_empty())
        .collect();
    assert!(!files.is_empty());
    rounds("shards", |rng| {
        let file = &files[rng.below(files.len())];
        let bytes = fs::read(file).unwrap();
        let damaged = changed(rng, &bytes, b"x");
        if damaged == bytes {
            return;
        }
        fs::write(file, &damaged).unwrap();
        let opened = ShardSet::open(&good);
        fs::write(file, &bytes).unwrap();
        let Err(error) = opened else {
            panic!("{} is damaged and was opened", file.display());
        };
        assert!(error.hint().is_some(), "{error}");
    });
    assert_eq!(
        ShardSet::open(&good).unwrap().len(Split::Train),
        whole.len(Split::Train)
    );
}

#[test]
fn tokenizer_files() {
    let dir = tempfile::tempdir().unwrap();
    tokenizer().save(dir.path()).unwrap();
    let names = [
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.txt",
    ];
    let good: Vec<Vec<u8>> = names
        .iter()
        .map(|name| fs::read(dir.path().join(name)).unwrap())
        .collect();
    let copy = tempfile::tempdir().unwrap();
    rounds("tokenizer files", |rng| {
        let at = rng.below(4);
        let path = dir.path().join(names[at]);
        match rng.below(8) {
            0 => fs::remove_file(&path).unwrap(),
            _ => fs::write(&path, changed(rng, &good[at], &good[1])).unwrap(),
        }
        if let Ok(read) = WordPieceTokenizer::from_dir(dir.path()) {
            for text in ["en Åse, to\u{ad}tre {x}", "", "\u{feff}ø 😀 \u{1b}"] {
                let ids = read.encode_ids(text);
                assert!(
                    ids.iter().all(|&id| (id as usize) < read.vocab_size()),
                    "{ids:?}"
                );
            }
            // What can be read can be written and read again, and is the same.
            read.save(copy.path()).unwrap();
            let again = WordPieceTokenizer::from_dir(copy.path()).unwrap();
            assert_eq!(
                again.encode_ids("en Åse, totre"),
                read.encode_ids("en Åse, totre")
            );
        }
        for (name, good) in names.iter().zip(&good) {
            fs::write(dir.path().join(name), good).unwrap();
        }
    });
}

#[test]
fn events() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/golden/events.jsonl");
    let good = fs::read(golden).unwrap();
    let good = &good[..good.len().min(20_000)];
    let whole = good.split_inclusive(|&byte| byte == b'\n').count();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.jsonl");
    rounds("events", |rng| {
        let bytes = changed(rng, good, good);
        fs::write(&path, &bytes).unwrap();
        let mut reader = EventReader::new(&path);
        let events = reader.poll().unwrap();
        assert!(reader.offset() <= bytes.len() as u64);
        // Nothing vanishes: what is no event is counted.
        let lines = bytes.split(|&byte| byte == b'\n');
        let lines = lines.filter(|line| !line.trim_ascii().is_empty()).count() as u64;
        let seen = events.len() as u64 + reader.bad_lines();
        assert!(
            seen + 1 >= lines && seen <= lines,
            "{seen} of {lines} lines ({whole} good)"
        );
    });
}
