//! DaNE, the Danish named-entity data set: where it is, what is in it, and checking a copy.
//!
//! Nothing here touches the network. The command line downloads [`DANE`]'s `url` and hands the
//! file to [`unpack`]; without a network [`instructions`] says what to place where, and [`check`]
//! looks at what was placed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::read::{ReadOptions, read_ner_text};
use crate::files::{hex, replace_file};
use crate::{DataError, Result};

/// A data set that is published as one ZIP archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaneSource {
    /// The archive.
    pub url: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its MD5 sum, as the publisher's own loader checks it.
    pub md5: &'static str,
    /// The licence of text and annotation.
    pub licence: &'static str,
    /// The licence's text.
    pub licence_url: &'static str,
    /// What to cite.
    pub citation: &'static str,
    /// The files inside.
    pub splits: [DaneSplit; 3],
}

/// A file of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaneSplit {
    /// Its name, in the archive and on disk.
    pub file: &'static str,
    /// Its sentences.
    pub sentences: usize,
    /// Its tokens.
    pub tokens: usize,
}

/// DaNE as the Alexandra Institute publishes it (address, size and sum from alexandrainst/danlp;
/// counts from its documentation).
pub const DANE: DaneSource = DaneSource {
    url: "https://danlp.alexandra.dk/304bd159d5de/datasets/ddt.zip",
    bytes: 1_209_710,
    md5: "b087c3a525f1cdc868b3f0a2e437a04d",
    licence: "CC BY-SA 4.0",
    licence_url: "https://creativecommons.org/licenses/by-sa/4.0/",
    citation: "Hvingelby et al. (2020), DaNE: A Named Entity Resource for Danish, LREC; \
               on UD Danish-DDT (Johannsen et al. 2015)",
    splits: [
        DaneSplit {
            file: "ddt.train.conllu",
            sentences: 4383,
            tokens: 80_378,
        },
        DaneSplit {
            file: "ddt.dev.conllu",
            sentences: 564,
            tokens: 10_332,
        },
        DaneSplit {
            file: "ddt.test.conllu",
            sentences: 565,
            tokens: 10_023,
        },
    ],
};

/// A checked copy: the report of `aelectra data dane`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaneFiles {
    /// Train, dev and test.
    pub files: Vec<PathBuf>,
    /// SHA-256 of each file, by name.
    pub sha256: BTreeMap<String, String>,
    /// The licence.
    pub licence: String,
}

/// What to do by hand where there is no network.
#[must_use]
pub fn instructions(source: &DaneSource, out: &Path) -> String {
    let mut text = format!(
        "Download {} ({} bytes, MD5 {}) on another machine and place it here as\n  {}\n\
         or unpack it so that these files are there:\n",
        source.url,
        source.bytes,
        source.md5,
        out.join("ddt.zip").display()
    );
    for split in source.splits {
        let path = out.join(split.file);
        let (sentences, tokens) = (split.sentences, split.tokens);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {} ({sentences} sentences, {tokens} tokens)",
            path.display()
        );
    }
    let _ = write!(
        text,
        "Then run the command again. Licence: {} ({}). Cite: {}.",
        source.licence, source.licence_url, source.citation
    );
    text
}

/// Checks an archive, unpacks its three files into `out` and checks them.
///
/// # Errors
/// If the archive's size or MD5 sum is not the published one, a file is missing inside, it cannot
/// be written, or [`check`] fails.
pub fn unpack(source: &DaneSource, archive: &Path, out: &Path) -> Result<DaneFiles> {
    let bytes = std::fs::read(archive).map_err(DataError::io("read", archive))?;
    let damaged = |message: String| {
        DataError::corrupt(archive, message).with_hint("delete it and run the command again")
    };
    if bytes.len() as u64 != source.bytes {
        let (found, expected) = (bytes.len(), source.bytes);
        return Err(damaged(format!(
            "it has {found} bytes, the published file {expected}"
        )));
    }
    let sum = hex(&Md5::digest(&bytes));
    if sum != source.md5 {
        let expected = source.md5;
        return Err(damaged(format!(
            "its MD5 sum is {sum}, the published file's {expected}"
        )));
    }
    let broken = |error: zip::result::ZipError| damaged(error.to_string());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(broken)?;
    std::fs::create_dir_all(out).map_err(DataError::io("create", out))?;
    for split in source.splits {
        let name = zip
            .file_names()
            .flatten()
            .find(|name| name.rsplit('/').next() == Some(split.file))
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| damaged(format!("there is no `{}` in it", split.file)))?;
        let mut content = Vec::new();
        let mut entry = zip.by_name(&name).map_err(broken)?;
        entry
            .read_to_end(&mut content)
            .map_err(|error| damaged(error.to_string()))?;
        replace_file(&out.join(split.file), &content)?;
    }
    check(source, out)
}

/// Checks that `dir` holds the three files with as many sentences and tokens as published, all
/// with entity tags.
///
/// # Errors
/// If a file is missing, does not read, or has other counts.
pub fn check(source: &DaneSource, dir: &Path) -> Result<DaneFiles> {
    let mut found = DaneFiles {
        files: Vec::new(),
        sha256: BTreeMap::new(),
        licence: source.licence.to_owned(),
    };
    for split in source.splits {
        let path = dir.join(split.file);
        let bytes = std::fs::read(&path).map_err(DataError::io("read", &path))?;
        let text = super::bytes::decode(&path, &bytes)?.text;
        let dataset = read_ner_text(&path, &text, &ReadOptions::default())?;
        let counts = (dataset.sentences.len(), dataset.tokens());
        if counts != (split.sentences, split.tokens) {
            let expected = format!("{} sentences with {} tokens", split.sentences, split.tokens);
            let actual = format!("{} with {}", counts.0, counts.1);
            return Err(DataError::parse(&path, 0, expected, actual).with_hint(
                "this is not the published split; delete it and run the command again",
            ));
        }
        found
            .sha256
            .insert(split.file.to_owned(), hex(&Sha256::digest(&bytes)));
        found.files.push(path);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ROW: &str = "1\tRy\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC\n\n";

    /// An archive with one sentence in train and dev, two in test, and its source.
    fn archive(dir: &Path, files: &[(&str, usize)]) -> (PathBuf, DaneSource) {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, sentences) in files {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(format!("ddt/{name}"), options)
                .expect("starts");
            zip.write_all(ROW.repeat(*sentences).as_bytes())
                .expect("writes");
        }
        let bytes = zip.finish().expect("finishes").into_inner();
        let path = dir.join("ddt.zip");
        std::fs::write(&path, &bytes).expect("writes");
        let counts = |sentences| DaneSplit {
            file: "",
            sentences,
            tokens: sentences,
        };
        let mut source = DaneSource {
            bytes: bytes.len() as u64,
            md5: Box::leak(hex(&Md5::digest(&bytes)).into_boxed_str()),
            splits: [counts(1), counts(1), counts(2)],
            ..DANE
        };
        for (split, named) in source.splits.iter_mut().zip(DANE.splits) {
            split.file = named.file;
        }
        (path, source)
    }

    const FILES: [(&str, usize); 3] = [
        ("ddt.train.conllu", 1),
        ("ddt.dev.conllu", 1),
        ("ddt.test.conllu", 2),
    ];

    #[test]
    fn unpacks_and_checks() {
        let dir = tempfile::tempdir().expect("a directory");
        let (zip, source) = archive(dir.path(), &FILES);
        let out = dir.path().join("dane");
        let found = unpack(&source, &zip, &out).expect("unpacks");
        assert_eq!(found.files.len(), 3);
        assert_eq!(
            found.sha256["ddt.dev.conllu"],
            found.sha256["ddt.train.conllu"]
        );
        assert_eq!(found.sha256["ddt.test.conllu"].len(), 64);
        assert_eq!(check(&source, &out).expect("is there"), found);
        assert_eq!(
            std::fs::read_dir(&out).expect("lists").count(),
            3,
            "nothing partial left"
        );
        let error = check(&DANE, &out)
            .expect_err("too few sentences")
            .to_string();
        assert!(error.contains("expected 4383 sentences"), "{error}");
    }

    #[test]
    fn refuses_other_archives() {
        let dir = tempfile::tempdir().expect("a directory");
        let (zip, source) = archive(dir.path(), &FILES);
        let out = dir.path().join("dane");
        let refused = |source: &DaneSource, zip: &Path| {
            unpack(source, zip, &out)
                .expect_err("must be refused")
                .to_string()
        };
        assert!(refused(&DANE, &zip).contains("bytes, the published file 1209710"));
        let other_sum = DaneSource {
            md5: DANE.md5,
            ..source
        };
        assert!(refused(&other_sum, &zip).contains(DANE.md5));
        let (zip, source) = archive(dir.path(), &FILES[..2]);
        assert!(refused(&source, &zip).contains("no `ddt.test.conllu`"));
        assert!(check(&DANE, &dir.path().join("nowhere")).is_err());
    }

    #[test]
    fn instructions_say_it_all() {
        let text = instructions(&DANE, Path::new("data/dane"));
        for part in [
            DANE.url,
            DANE.md5,
            "1209710 bytes",
            "CC BY-SA 4.0",
            "ddt.test.conllu (565",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
