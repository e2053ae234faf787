//! Files that are no corpus, by their first bytes: what they are and how to get the text out.

/// A kind of file that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// With an article.
    pub(crate) what: &'static str,
    pub(crate) hint: &'static str,
}

impl Foreign {
    /// Whether it is only known not to be text.
    pub(crate) fn is_binary(self) -> bool {
        self == BINARY
    }

    /// Whether it is text all the same, so that who insists may have it read.
    pub(crate) fn is_markup(self) -> bool {
        [CSV, TSV, WIKI, HTML, XML].contains(&self)
    }
}

const fn kind(what: &'static str, hint: &'static str) -> Foreign {
    Foreign { what, hint }
}

const UNPACK: &str = "unpack it and give the files in it";
const UNPACK_OR_SAVE: &str =
    "unpack it and give the files in it; save an office document as plain text";
const EXTRACT: &str =
    "extract the text first: plain text, or JSON Lines with a field `text` for each document";

const CSV: Foreign = kind(
    "a table with columns (CSV)",
    "convert it to JSON Lines, a record with a field `text` for each row, as with `import pandas; \
     pandas.read_csv(IN).to_json(OUT, orient=\"records\", lines=True)`",
);
const TSV: Foreign = kind(
    "a table with columns (TSV)",
    "convert it to JSON Lines, a record with a field `text` for each row, as with `import pandas; \
     pandas.read_csv(IN, sep=\"\\t\").to_json(OUT, orient=\"records\", lines=True)`",
);
const WIKI: Foreign = kind(
    "a MediaWiki dump",
    "extract its text with WikiExtractor, whose files are read as they are",
);
const HTML: Foreign = kind("an HTML page", EXTRACT);
const XML: Foreign = kind("an XML document", EXTRACT);
/// The bytes that spaCy's files begin with, as all zlib data of the usual level.
const DOC_BIN: Foreign = kind(
    "zlib data, as spaCy's `.spacy` files are",
    "write the texts of a `.spacy` file with `for doc in DocBin().from_disk(IN).get_docs(spacy.blank(\"da\").vocab): \
     print(doc.text, end=\"\\n\\n\")`",
);
const BINARY: Foreign = kind("binary data", "give text in UTF-8, JSON Lines or Parquet");
const UTF32: Foreign = kind(
    "text in UTF-32",
    "convert it with `iconv -f UTF-32 -t UTF-8`",
);

#[rustfmt::skip]
const MAGIC: [(usize, &[u8], Foreign); 25] = [
    (0, b"PK\x03\x04", kind("a zip archive (or an office document)", UNPACK_OR_SAVE)),
    (0, b"PK\x05\x06", kind("an empty zip archive", UNPACK)),
    (257, b"ustar", kind("a tar archive", UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", kind("a 7-Zip archive", UNPACK)),
    (0, b"Rar!\x1a\x07", kind("a RAR archive", UNPACK)),
    (0, b"\x1f\x8b\x08", kind("a file that was compressed twice", UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", kind("a file that was compressed twice", UNPACK)),
    (0, b"\xfd7zXZ\0", kind("a file that was compressed twice", UNPACK)),
    (0, b"\x04\x22\x4d\x18", kind("an LZ4 file", UNPACK)),
    (0, b"\x1f\x9d", kind("a file of `compress`", UNPACK)),
    (0, b"LZIP", kind("an lzip file", UNPACK)),
    (0, b"%PDF-", kind("a PDF document", EXTRACT)),
    (0, b"{\\rtf", kind("an RTF document", EXTRACT)),
    (0, b"\xd0\xcf\x11\xe0", kind("an office document", EXTRACT)),
    (0, b"WARC/", kind("a WARC file", EXTRACT)),
    (0, b"ARROW1", kind("an Arrow file", "convert it to Parquet or JSON Lines")),
    (0, b"\xff\xff\xff\xff", kind("an Arrow stream", "convert it to Parquet or JSON Lines")),
    (0, b"SQLite format 3", kind("an SQLite database", EXTRACT)),
    (0, b"\x89HDF", kind("an HDF5 file", EXTRACT)),
    (0, b"\x93NUMPY", kind("a NumPy array", EXTRACT)),
    (0, b"\x78\x9c", DOC_BIN),
    (0, b"\x89PNG", kind("an image", "leave it out")),
    (0, b"\xff\xd8\xff", kind("an image", "leave it out")),
    (0, b"\xff\xfe\0\0", UTF32),
    (0, b"\0\0\xfe\xff", UTF32),
];

/// What a file is whose content, decompressed, begins with `head` and whose name, without the end
/// that says how it is compressed, has this extension; `None` if it may be text.
pub(crate) fn foreign(head: &[u8], extension: Option<&str>, field: &str) -> Option<Foreign> {
    let starts = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|h| h.starts_with(magic));
    if let Some((.., found)) = MAGIC.iter().find(|(at, magic, _)| starts(*at, magic)) {
        return Some(*found);
    }
    if is_binary(head) {
        return Some(BINARY);
    }
    match extension {
        Some("csv") => return Some(CSV),
        Some("tsv" | "tab") => return Some(TSV),
        _ => {}
    }
    let start = head.trim_ascii_start();
    let lower = start[..start.len().min(64)].to_ascii_lowercase();
    let markup = [
        (&b"<mediawiki"[..], WIKI),
        (b"<!doctype html", HTML),
        (b"<html", HTML),
    ];
    if let Some((_, found)) = markup.iter().find(|(tag, _)| lower.starts_with(tag)) {
        return Some(*found);
    }
    if lower.starts_with(b"<?xml") {
        let dump = start.windows(10).take(500).any(|tag| tag == b"<mediawiki");
        return Some(if dump { WIKI } else { XML });
    }
    table(start, field)
}

/// A table by its first line: names, one of which is that of the text field.
fn table(head: &[u8], field: &str) -> Option<Foreign> {
    let line = head.split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    for (separator, found) in [('\t', TSV), (',', CSV), (';', CSV)] {
        let names: Vec<&str> = line
            .split(separator)
            .map(|name| name.trim_matches('"'))
            .collect();
        let plain = |name: &&str| {
            let mut chars = name.chars();
            chars.all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) && name.len() <= 40
        };
        if names.len() > 1 && names.contains(&field) && names.iter().all(plain) {
            return Some(found);
        }
    }
    None
}

/// Whether a head has more control characters than any text.
fn is_binary(head: &[u8]) -> bool {
    let controls = head.iter().filter(|&&byte| {
        // Tab, line feed, vertical tab, form feed, carriage return, and escape are written in texts.
        byte < 0x20 && !matches!(byte, b'\t'..=b'\r' | 0x1b) || byte == 0x7f
    });
    controls.count() * 20 > head.len()
}
