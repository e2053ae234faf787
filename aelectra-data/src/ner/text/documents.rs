//! The documents of running text: blank lines part them.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use crate::corpus::running_text;
use crate::{DataError, Result};

/// Bytes of a document, at most. One is tagged as a whole, and its words with their tags take over ten times its size; a file
/// without a blank line, such as a log of years, would end the process for want of memory, and again whenever it is run again. The
/// Bible has some 5 MB.
const LONGEST: usize = 64 << 20;

/// Reads a text document by document, each with its lines as they are. A document is the unit that offsets count in, and is never
/// cut: one of more than 64 MiB is refused.
#[derive(Debug)]
pub struct Documents<R> {
    reader: R,
    path: PathBuf,
    line: usize,
    ended: bool,
    longest: usize,
}

impl<R: BufRead> Documents<R> {
    /// Of a file, or of standard input as `-`.
    pub fn new(reader: R, path: &Path) -> Self {
        Self {
            reader,
            path: path.to_path_buf(),
            line: 0,
            ended: false,
            longest: LONGEST,
        }
    }

    /// Refuses what is no running text: tagged as if it were, markup and records would look like words.
    fn refuse_other_kinds(&mut self) -> Result<()> {
        let head = self.reader.fill_buf();
        let head = head.map_err(DataError::io("read", &self.path))?;
        match running_text::other_kind(head, &self.path) {
            Some((what, hint)) => {
                Err(DataError::parse(&self.path, 1, "running text", what).with_hint(hint))
            }
            None => Ok(()),
        }
    }

    fn too_long(&self) -> DataError {
        let expected = format!("a document of at most {} MiB", self.longest >> 20);
        let found = "no blank line, which ends one, until here";
        DataError::parse(&self.path, self.line, expected, found)
            .with_hint("put blank lines between its parts, or cut it into several files")
    }

    /// The next line with its end, empty at the end of the text.
    fn line(&mut self) -> Result<String> {
        if self.line == 0 {
            self.refuse_other_kinds()?;
        }
        let mut line = Vec::new();
        // One byte more than there may be tells that it is too long.
        let mut reader = self.reader.by_ref().take(self.longest as u64 + 1);
        let read = reader.read_until(b'\n', &mut line);
        read.map_err(DataError::io("read", &self.path))?;
        self.line += 1;
        if line.len() > self.longest {
            return Err(self.too_long());
        }
        String::from_utf8(line).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let line = error.into_bytes();
            let utf16 = self.line == 1 && matches!(line[..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
            let (found, hint) = if utf16 {
                (
                    "UTF-16".to_owned(),
                    "convert the file, e.g. with `iconv -f UTF-16 -t UTF-8`",
                )
            } else {
                let found = format!("byte {:#04x}", line[at]);
                (
                    found,
                    "convert the file, e.g. with `iconv -f WINDOWS-1252 -t UTF-8`",
                )
            };
            DataError::parse(&self.path, self.line, "UTF-8 text", found).with_hint(hint)
        })
    }
}

impl<R: BufRead> Iterator for Documents<R> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut document = String::new();
        while !self.ended {
            let line = match self.line() {
                Ok(line) => line,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            self.ended = line.is_empty();
            if !line.trim().is_empty() {
                if document.len() + line.len() > self.longest {
                    self.ended = true;
                    return Some(Err(self.too_long()));
                }
                document.push_str(&line);
            } else if !document.is_empty() {
                break;
            }
        }
        (!document.is_empty()).then_some(Ok(document))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Result<String>> {
        Documents::new(bytes, Path::new("x.txt")).collect()
    }

    #[test]
    fn blank_lines_part_documents() {
        let text = "\n \nBo går.\r\nHan ler.\n\u{a0}\n\n\u{feff}Ry ligger\n\t\nuden slut";
        let found: Vec<String> = read(text.as_bytes())
            .into_iter()
            .map(|d| d.expect("UTF-8"))
            .collect();
        assert_eq!(
            found,
            ["Bo går.\r\nHan ler.\n", "\u{feff}Ry ligger\n", "uden slut"]
        );
        assert!(read(b"").is_empty() && read(b" \n\n").is_empty());
    }

    #[test]
    fn a_line_of_any_length_is_read() {
        let long = "æ ".repeat(6 << 20);
        let found = read(long.as_bytes());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].as_ref().expect("UTF-8").len(), long.len());
    }

    #[test]
    fn a_document_without_an_end_is_refused() {
        let read = |text: &str| {
            let mut documents = Documents::new(text.as_bytes(), Path::new("x.log"));
            documents.longest = 8;
            documents.collect::<Vec<Result<String>>>()
        };
        // Up to the limit each is whole, also as one line without an end.
        for text in [
            "abc\ndef\n\nabcdefg\n",
            "abcdefgh",
            "\n\nabcdefg\n\n\n",
            "a\n    \nabcdefgh",
        ] {
            assert!(read(text).iter().all(Result::is_ok), "{text:?}");
        }
        for (text, line, whole) in [
            ("ab\n\nabc\ndef\ng\n\nx", 5, 1),
            ("abcdefghi", 1, 0),
            // Not a letter that was cut.
            ("ab\n\nabcdefgæ", 3, 1),
        ] {
            let mut found = read(text);
            let error = found.pop().expect("one").expect_err("too long").to_string();
            assert!(
                error.contains(&format!("`x.log`:{line}: expected a document of at most")),
                "{error}"
            );
            assert_eq!(found.iter().filter(|found| found.is_ok()).count(), whole);
            assert_eq!(found.len(), whole, "nothing follows");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_what_it_is() {
        let zip = [&b"PK\x03\x04"[..], &[0x89, 0, 1, 0x14]].concat();
        for (name, bytes, what) in [
            (
                "a.jsonl",
                &b"{\"id\": 7, \"text\": \"Bo bor i Ry.\"}\n"[..],
                "JSON",
            ),
            ("a.json", b"[\n {\"text\": \"Bo\"}]", "JSON"),
            (
                "a.html",
                b"<!DOCTYPE html>\n<p>Bo bor i Ry.</p>",
                "an HTML page",
            ),
            ("a.csv", b"1;Bo bor i Ry.\n", "CSV"),
            ("a.rtf", b"{\\rtf1\\ansi Bo}", "an RTF document"),
            ("a.pdf", b"%PDF-1.4 Bo", "a PDF document"),
            ("a.docx", &zip, "zip"),
            ("a.spacy", b"\x78\x9c\x95\xd0", "`.spacy`"),
            ("a.txt.gz", b"\x1f\x8b\x08\0\0\0", "gzip"),
        ] {
            let mut found = Documents::new(bytes, Path::new(name));
            let error = found.next().expect(name).expect_err(name);
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.hint().is_some_and(|hint| !hint.contains("iconv")));
            assert!(found.next().is_none(), "nothing follows");
        }
        for text in [
            "{Bo} bor i Ry.",
            "[1] Bo bor i Ry.",
            "Bo\0",
            "Navn, text og mere, sagde Bo.",
            "<p>Bo bor i Ry.",
        ] {
            assert!(read(text.as_bytes())[0].is_ok(), "{text}");
        }
    }

    #[test]
    fn other_encodings_name_their_line() {
        let mut found = read(b"ja\n\nnej \xe6\n\nmere\n").into_iter();
        assert!(found.next().is_some_and(|d| d.is_ok()));
        let error = found.next().expect("the second").expect_err("Latin-1");
        assert!(
            error
                .to_string()
                .contains("`x.txt`:3: expected UTF-8 text, found byte 0xe6")
        );
        assert!(found.next().is_none());
        let utf16: Vec<u8> = "\u{feff}æ"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let error = read(&utf16).remove(0).expect_err("UTF-16");
        assert!(error.to_string().contains("UTF-16"));
        assert!(error.hint().is_some_and(|hint| hint.contains("-f UTF-16")));
    }
}
