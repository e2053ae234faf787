//! Compressed files, by their first bytes and one member after another.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use lzma_rust2::XzReader;
use serde::{Deserialize, Serialize};

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, also of several members.
    Gzip,
    /// Zstandard, also of several frames.
    Zstd,
    /// bzip2, also of several streams.
    Bzip2,
    /// xz, also of several streams.
    Xz,
}

/// The longest of the byte sequences that members start with.
const MAGIC_BYTES: usize = 6;

impl Compression {
    /// What the first bytes of a file say.
    pub(crate) fn of(head: &[u8]) -> Self {
        let known = [Self::Gzip, Self::Zstd, Self::Bzip2, Self::Xz];
        let found = known.into_iter().find(|known| known.starts(head));
        found.unwrap_or(Self::None)
    }

    /// Whether a member of this kind starts here.
    fn starts(self, head: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::Gzip => head.starts_with(&[0x1f, 0x8b, 8]),
            Self::Zstd => {
                // A frame, or one of sixteen kinds of frames to skip.
                head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
                    || matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
            }
            Self::Bzip2 => matches!(head, [b'B', b'Z', b'h', b'1'..=b'9', 0x31 | 0x17, ..]),
            Self::Xz => head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]),
        }
    }

    /// Its name as people say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }
}

/// How far back compressed data may refer, which is memory that its first bytes ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// 128 MiB: what Zstandard's highest level and its long mode ask for by default; the highest level of xz asks for
    /// 64 MiB.
    Usual,
    /// What the commands write at their longest, as large corpora are packed.
    Longest,
}

impl Window {
    /// Of a Zstandard frame, as a power of two: at the longest `ZSTD_WINDOWLOG_MAX` in zstd.h, on 32 bits one less.
    fn zstd_log(self) -> u32 {
        match self {
            Self::Usual => 27,
            Self::Longest if usize::BITS < 64 => 30,
            Self::Longest => 31,
        }
    }

    /// Of an xz stream, in KiB and with 1 MiB for the decoder: at the longest 1.5 GiB, all that the command can write
    /// (`LZMA_DICT_SIZE_MAX` of its encoder).
    fn xz_kib(self) -> u32 {
        let mebibytes = match self {
            Self::Usual => 128,
            Self::Longest => 1536,
        };
        (mebibytes + 1) << 10
    }
}

/// Bytes found after the compressed data of a file; known when the file was read to its end.
pub(crate) type Trailing = Rc<Cell<u64>>;

/// The content of a compressed file: all its members. Zero bytes after a member are padding, as
/// tapes and block copies leave it; anything else is counted in [`Trailing`] and left out, as
/// `gzip` does.
pub(crate) struct Decompressor<R: BufRead> {
    compression: Compression,
    window: Window,
    member: Member<Peek<R>>,
    trailing: Trailing,
}

enum Member<R: BufRead> {
    Gzip(Box<flate2::bufread::GzDecoder<R>>),
    Zstd(zstd::stream::read::Decoder<'static, R>),
    Bzip2(Box<bzip2::bufread::BzDecoder<R>>),
    Xz(Box<XzReader<R>>),
    End,
}

impl<R: BufRead> Member<R> {
    fn new(compression: Compression, window: Window, input: R) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::End,
            Compression::Gzip => Self::Gzip(Box::new(flate2::bufread::GzDecoder::new(input))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(window.zstd_log())?;
                Self::Zstd(decoder.single_frame())
            }
            Compression::Bzip2 => Self::Bzip2(Box::new(bzip2::bufread::BzDecoder::new(input))),
            Compression::Xz => {
                let reader = XzReader::new_mem_limit(input, false, window.xz_kib());
                Self::Xz(Box::new(reader))
            }
        })
    }

    fn into_input(self) -> Option<R> {
        Some(match self {
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
            Self::Bzip2(decoder) => decoder.into_inner(),
            Self::Xz(decoder) => decoder.into_inner(),
            Self::End => return None,
        })
    }
}

impl<R: BufRead> Decompressor<R> {
    pub(crate) fn new(
        compression: Compression,
        window: Window,
        input: R,
        trailing: Trailing,
    ) -> io::Result<Self> {
        Ok(Self {
            compression,
            window,
            member: Member::new(compression, window, Peek::new(input))?,
            trailing,
        })
    }

    /// What stands where a member ended.
    fn after(&self, mut rest: Peek<R>) -> io::Result<Member<Peek<R>>> {
        loop {
            let head = rest.peek()?;
            if self.compression.starts(head) {
                return Member::new(self.compression, self.window, rest);
            }
            match head.first() {
                None => return Ok(Member::End),
                Some(0) => rest.consume(1),
                Some(_) => {
                    self.trailing.set(io::copy(&mut rest, &mut io::sink())?);
                    return Ok(Member::End);
                }
            }
        }
    }
}

impl<R: BufRead> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let count = match &mut self.member {
                Member::Gzip(decoder) => decoder.read(buffer)?,
                Member::Zstd(decoder) => decoder.read(buffer)?,
                Member::Bzip2(decoder) => decoder.read(buffer)?,
                Member::Xz(decoder) => decoder.read(buffer)?,
                Member::End => 0,
            };
            if count > 0 {
                return Ok(count);
            }
            let Some(rest) = std::mem::replace(&mut self.member, Member::End).into_input() else {
                return Ok(0);
            };
            self.member = self.after(rest)?;
        }
    }
}

/// A reader whose next bytes can be looked at, also across the end of its buffer.
struct Peek<R> {
    head: Vec<u8>,
    inner: R,
}

impl<R: BufRead> Peek<R> {
    fn new(inner: R) -> Self {
        let head = Vec::with_capacity(MAGIC_BYTES);
        Self { head, inner }
    }

    /// The next bytes: fewer than [`MAGIC_BYTES`] only at the end.
    fn peek(&mut self) -> io::Result<&[u8]> {
        let missing = MAGIC_BYTES.saturating_sub(self.head.len());
        let mut more = self.inner.by_ref().take(missing as u64);
        more.read_to_end(&mut self.head)?;
        Ok(&self.head)
    }
}

impl<R: BufRead> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.head.is_empty() {
            true => self.inner.fill_buf(),
            false => Ok(&self.head),
        }
    }

    fn consume(&mut self, count: usize) {
        match self.head.is_empty() {
            true => self.inner.consume(count),
            false => drop(self.head.drain(..count)),
        }
    }
}

impl<R: BufRead> Read for Peek<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XZ: &[u8] = include_bytes!("../../tests/data/lines.xz");

    fn unpacked(packed: &[u8], window: Window) -> io::Result<Vec<u8>> {
        let compression = Compression::of(packed);
        let mut content = Vec::new();
        Decompressor::new(compression, window, packed, Trailing::default())?
            .read_to_end(&mut content)?;
        Ok(content)
    }

    /// A frame of the word `hej` with a window of this power of two.
    fn zstd_frame(log: u8) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3];
        // A last block of three bytes as they are.
        frame.extend([(3 << 3) | 1, 0, 0]);
        frame.extend(b"hej");
        frame
    }

    /// The same lines with another size of the dictionary, in the numbers of the format: 28 is 64 MiB, two more twice that.
    fn xz_stream(dictionary: u8) -> Vec<u8> {
        let mut stream = XZ.to_vec();
        // The header of the block: its size, flags, the filter, the size of its properties, these, padding; a checksum.
        assert_eq!(stream[12..16], [2, 0, 0x21, 1]);
        stream[16] = dictionary;
        let mut crc = flate2::Crc::new();
        crc.update(&stream[12..20]);
        stream[20..24].copy_from_slice(&crc.sum().to_le_bytes());
        stream
    }

    #[test]
    fn windows_are_bounded() {
        use Window::{Longest, Usual};
        for (packed, usual, long) in [
            (zstd_frame(10), true, true),
            (zstd_frame(27), true, true),
            (zstd_frame(28), false, true),
            (zstd_frame(30), false, true),
            (XZ.to_vec(), true, true),
            (xz_stream(28), true, true),
            (xz_stream(30), true, true),
            (xz_stream(31), false, true),
            // 1.5, 2 and 4 GiB.
            (xz_stream(37), false, true),
            (xz_stream(38), false, false),
            (xz_stream(40), false, false),
        ] {
            for (window, is_read) in [(Usual, usual), (Longest, long)] {
                let read = unpacked(&packed, window);
                assert_eq!(read.is_ok(), is_read, "{window:?}: {packed:?}: {read:?}");
            }
        }
        assert_eq!(unpacked(&zstd_frame(27), Usual).expect("read"), b"hej");
        let lines = unpacked(&xz_stream(30), Usual).expect("read");
        assert!(lines.starts_with(b"{\"text\":\"Et hus\"}\n"));
    }
}
