//! Text that is not UTF-8, decoded while it is read.

use std::io::{self, BufRead, Read};

use serde::{Deserialize, Serialize};

/// How the characters of a file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16, little end first.
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
    /// Windows-1252, which holds ISO 8859-1; characters in UTF-8 among it are kept.
    Windows1252,
}

impl Encoding {
    /// Its name as people say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Windows1252 => "Windows-1252",
        }
    }

    pub(crate) fn is_utf8(&self) -> bool {
        *self == Self::Utf8
    }

    /// The encoding of a file that begins with `head`; `complete` if there is no more of it.
    pub(crate) fn of(head: &[u8], complete: bool) -> Self {
        // UTF-32 begins with the mark of UTF-16; its NULs make it binary data.
        if head.starts_with(&[0xff, 0xfe]) && !head.starts_with(&[0xff, 0xfe, 0, 0]) {
            return Self::Utf16Le;
        }
        if head.starts_with(&[0xfe, 0xff]) {
            return Self::Utf16Be;
        }
        utf16_without_mark(head).unwrap_or_else(|| {
            if is_windows_1252(head, complete) {
                Self::Windows1252
            } else {
                Self::Utf8
            }
        })
    }
}

/// UTF-16 of a European text has a NUL in every other byte, which no UTF-8 text has.
fn utf16_without_mark(head: &[u8]) -> Option<Encoding> {
    let pairs = head.len() / 2;
    let nuls = |first: usize| {
        let bytes = head.iter().skip(first).step_by(2);
        bytes.filter(|&&byte| byte == 0).count()
    };
    let (even, odd) = (nuls(0), nuls(1));
    let (most, none) = (pairs - pairs / 10, pairs / 100);
    match (even, odd) {
        _ if pairs < 8 => None,
        (even, odd) if odd >= most && even <= none => Some(Encoding::Utf16Le),
        (even, odd) if even >= most && odd <= none => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// Whether a text has Western letters as single bytes, and no character in UTF-8.
fn is_windows_1252(head: &[u8], complete: bool) -> bool {
    /// In part of a file so many: a few stray bytes say nothing about the rest.
    const ENOUGH: usize = 10;
    let (mut letters, mut others) = (0, 0);
    let mut chunks = head.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        if !chunk.valid().is_ascii() {
            return false;
        }
        if chunks.peek().is_none() && !complete {
            // Perhaps the first half of a character.
            break;
        }
        for &byte in chunk.invalid() {
            // × and ÷ are no letters.
            match byte {
                // No language of the West writes ÿ often, and binary data do.
                0xff => return false,
                0xc0.. if byte != 0xd7 && byte != 0xf7 => letters += 1,
                _ => others += 1,
            }
        }
    }
    // Quotes, dashes and signs are rarer than letters.
    letters >= if complete { 1 } else { ENOUGH } && others * 3 <= letters && !head.contains(&0)
}

/// The characters of bytes 0x80 to 0x9f in Windows-1252; the unassigned five as the controls that
/// they are in ISO 8859-1 (<https://encoding.spec.whatwg.org/index-windows-1252.txt>).
#[rustfmt::skip]
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// A reader of UTF-8 over one of something else.
pub(crate) struct Transcoder<R> {
    inner: R,
    encoding: Encoding,
    /// Carriage returns end lines.
    carriage_returns: bool,
    /// Bytes that are not a whole character yet.
    rest: Vec<u8>,
    out: Vec<u8>,
    at: usize,
}

/// Bytes decoded at a time.
const STEP: usize = 64 << 10;

impl<R: Read> Transcoder<R> {
    pub(crate) fn new(inner: R, encoding: Encoding, carriage_returns: bool) -> Self {
        Self {
            inner,
            encoding,
            carriage_returns,
            rest: Vec::new(),
            out: Vec::new(),
            at: 0,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        // Until something is decoded, or nothing is left.
        while self.out.is_empty() {
            let read = (&mut self.inner)
                .take(STEP as u64)
                .read_to_end(&mut self.rest)?;
            let end = read == 0;
            if end && self.rest.is_empty() {
                return Ok(());
            }
            let used = decode(&self.rest, self.encoding, end, &mut self.out);
            self.rest.drain(..used);
        }
        if self.carriage_returns {
            for byte in &mut self.out {
                if *byte == b'\r' {
                    *byte = b'\n';
                }
            }
        }
        Ok(())
    }
}

/// Appends the characters of `bytes` and returns how many bytes they took: all at the `end`.
pub(crate) fn decode(bytes: &[u8], encoding: Encoding, end: bool, out: &mut Vec<u8>) -> usize {
    match encoding {
        Encoding::Utf8 => {
            out.extend_from_slice(bytes);
            bytes.len()
        }
        Encoding::Utf16Le => decode_utf16(bytes, u16::from_le_bytes, end, out),
        Encoding::Utf16Be => decode_utf16(bytes, u16::from_be_bytes, end, out),
        Encoding::Windows1252 => {
            let mut used = bytes.len();
            let mut chunks = bytes.utf8_chunks().peekable();
            while let Some(chunk) = chunks.next() {
                out.extend_from_slice(chunk.valid().as_bytes());
                let invalid = chunk.invalid();
                if chunks.peek().is_none() && !end {
                    used -= invalid.len();
                    break;
                }
                for &byte in invalid {
                    push(windows_1252(byte), out);
                }
            }
            used
        }
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, end: bool, out: &mut Vec<u8>) -> usize {
    let pairs = bytes.chunks_exact(2);
    let odd = pairs.remainder().len();
    let units: Vec<u16> = pairs.map(|pair| unit([pair[0], pair[1]])).collect();
    let mut kept = units.len();
    // The first half of a pair waits for the second.
    if !end
        && units
            .last()
            .is_some_and(|last| (0xd800..0xdc00).contains(last))
    {
        kept -= 1;
    }
    for c in char::decode_utf16(units[..kept].iter().copied()) {
        push(c.unwrap_or(char::REPLACEMENT_CHARACTER), out);
    }
    if end && odd > 0 {
        push(char::REPLACEMENT_CHARACTER, out);
        return bytes.len();
    }
    2 * kept
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

impl<R: Read> BufRead for Transcoder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.out.len() {
            self.refill()?;
        }
        Ok(&self.out[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn encodings_are_told_apart() {
        let text = "Blåbærgrød på Århus havn, sagde hun.";
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        for (bytes, expected) in [
            (text.as_bytes().to_vec(), Encoding::Utf8),
            (utf16(text, u16::to_le_bytes), Encoding::Utf16Le),
            (utf16(text, u16::to_be_bytes), Encoding::Utf16Be),
            (latin.clone(), Encoding::Windows1252),
            (b"stray \xff byte".to_vec(), Encoding::Utf8),
            ([text.as_bytes(), &latin].concat(), Encoding::Utf8),
            (vec![0; 100], Encoding::Utf8),
        ] {
            assert_eq!(Encoding::of(&bytes, true), expected, "{bytes:?}");
        }
        assert_eq!(
            Encoding::of(&latin, false),
            Encoding::Utf8,
            "too little to say"
        );
        assert_eq!(Encoding::of(&latin.repeat(9), false), Encoding::Windows1252);
    }

    #[test]
    fn characters_stay_whole_across_any_boundary() {
        /// Gives one byte at a time.
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.len().min(buffer.len()).min(1);
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        let text = "å😀\r\nø".repeat(STEP / 5);
        let latin = "å“\nøé".repeat(9);
        let latin_bytes: Vec<u8> = latin
            .chars()
            .map(|c| if c == '“' { 0x93 } else { c as u8 })
            .collect();
        for (bytes, encoding, expected) in [
            (utf16(&text, u16::to_le_bytes), Encoding::Utf16Le, &text),
            (utf16(&text, u16::to_be_bytes), Encoding::Utf16Be, &text),
            (latin_bytes, Encoding::Windows1252, &latin),
            (text.clone().into_bytes(), Encoding::Windows1252, &text),
        ] {
            let mut out = String::new();
            let mut reader = Transcoder::new(Slow(&bytes), encoding, false);
            reader.read_to_string(&mut out).expect("UTF-8");
            assert!(out == *expected, "{encoding:?}");
        }
    }
}
