//! Bytes: packed files, and text in other encodings.

use aelectra_data::ner::{ReadOptions, read_ner};

use super::reading::{refusal, shown, written};

#[test]
fn packed_files_and_those_of_other_encodings() {
    use std::io::Write;
    let text = "\u{feff}Bo\tB-PER\r\n\r\nRy\tB-LOC\r\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).expect("packs");
    let gzip = gzip.finish().expect("packs");
    let zstd = zstd::encode_all(text.as_bytes(), 1).expect("packs");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(text.as_bytes()).expect("packs");
    let bzip2 = bzip2.finish().expect("packs");
    // The same text, by `xz`.
    let xz = include_bytes!("../data/labels.tsv.xz").to_vec();
    for (name, bytes) in [
        ("x.tsv.gz", &gzip),
        ("x.iob2.zst", &zstd),
        ("x.iob2.bz2", &bzip2),
        ("x.iob2.xz", &xz),
        ("x.tsv", &gzip),
    ] {
        let (_dir, path) = written(name, bytes);
        let dataset = read_ner(&path, &ReadOptions::default()).expect(name);
        assert_eq!(shown(&dataset), "Bo/B-PER | Ry/B-LOC", "{name}");
    }
    let (_dir, path) = written("x.tsv.gz", &gzip[..gzip.len() - 9]);
    assert!(refusal(read_ner(&path, &ReadOptions::default())).contains("complete"));
    let (_dir, path) = written("x.tsv.gz", &[&gzip[..], b"more"].concat());
    assert!(refusal(read_ner(&path, &ReadOptions::default())).contains("4 bytes follow"));
    for (bytes, said) in [
        (&b"PK\x03\x04"[..], "unpack"),
        (b"\xff\xfeB\0o\0\t", ":1: expected UTF-16 text"),
        (b"bl\xc3\xa5\tO\nbl\xe5\tO\n", ":2: expected UTF-8 text"),
    ] {
        let (_dir, path) = written("x.tsv", bytes);
        let error = refusal(read_ner(&path, &ReadOptions::default()));
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// Of what a file asks for before it has shown anything, which a few bytes can.
#[test]
fn files_packed_with_a_long_window_are_refused_as_that() {
    // A frame with a window of 128 MiB, as the highest level has, or of 256, and its text in one block as it is.
    let frame = |log: u8| {
        let text = b"Bo\tB-PER\n";
        let head = [0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3];
        [&head[..], &[((text.len() as u8) << 3) | 1, 0, 0], text].concat()
    };
    let (_dir, path) = written("x.tsv.zst", &frame(27));
    let dataset = read_ner(&path, &ReadOptions::default()).expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER");
    let mut xz = include_bytes!("../data/labels.tsv.xz").to_vec();
    // The size of the dictionary and the checksum of its header: 4 GiB.
    xz[16] = 40;
    let mut crc = flate2::Crc::new();
    crc.update(&xz[12..20]);
    xz[20..24].copy_from_slice(&crc.sum().to_le_bytes());
    for (name, bytes) in [("x.tsv.zst", frame(28)), ("x.tsv.xz", xz)] {
        let (_dir, path) = written(name, &bytes);
        let error = refusal(read_ner(&path, &ReadOptions::default()));
        assert!(
            error.contains(name) && error.contains("a window of at most 128 MiB"),
            "{error}"
        );
    }
}

/// Every format in each encoding; places count characters of the text, whatever its bytes are.
#[test]
fn files_of_other_encodings_are_decoded_and_told() {
    let conllu = "1\tÅrhus\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC\n2\tblå\t_\t_\t_\t_\t_\t_\t_\tname=O\n";
    let json = r#"{"text": "blå Århus", "entities": [{"start": 4, "end": 9, "label": "LOC", "text": "Århus"}]}"#;
    let array = format!("[{json}]");
    let there = "blå/O Århus/B-LOC";
    for (name, text, expected) in [
        ("x.tsv", "blå\tO\r\nÅrhus\tB-LOC\r\n", there),
        ("x.csv", "Ord;Etiket\r\nblå;O\r\nÅrhus;B-LOC\r\n", there),
        ("x.conllu", conllu, "Århus/B-LOC blå/O"),
        ("x.jsonl", json, there),
        ("x.json", array.as_str(), there),
    ] {
        let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
            units.flat_map(bytes).collect()
        };
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        for (bytes, encoding) in [
            (text.as_bytes().to_vec(), None),
            (latin, Some("Windows-1252")),
            (utf16(u16::to_le_bytes), Some("UTF-16")),
            (utf16(u16::to_be_bytes), Some("UTF-16")),
        ] {
            let (_dir, path) = written(name, &bytes);
            let dataset = read_ner(&path, &ReadOptions::default()).expect(name);
            assert_eq!(shown(&dataset), expected, "{name} {encoding:?}");
            let told = dataset.warnings();
            let told: Vec<&String> = told.iter().filter(|w| w.contains("is read as")).collect();
            match encoding {
                None => assert!(told.is_empty(), "{told:?}"),
                Some(encoding) => {
                    assert_eq!(told.len(), 1, "{told:?}");
                    let note = format!("{name}`: the text is read as {encoding}");
                    assert!(told[0].ends_with(&note), "{told:?}");
                }
            }
        }
    }
}
