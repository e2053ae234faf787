//! A tokenizer directory that is replaced by a new one.

use std::fs;
use std::path::Path;

use crate::error::{DataError, Result};
use crate::files::if_there;
use crate::run::RunDir;
use crate::vocab::WordPieceTokenizer;

/// Where the new files are written before the old ones go.
const NEW: &str = ".new-tokenizer";

/// The files, in the order in which they are put in place. Readers want one of the last two: until
/// then there is no tokenizer, rather than one of old and new files.
const FILES: [&str; 4] = [
    "special_tokens_map.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "vocab.txt",
];

/// Whether [`replace_tokenizer`] may write here. The pieces of a model, and of a run's checkpoints, are the
/// numbers of its tokenizer's lines: with another tokenizer beside it, it would read every word wrongly
/// and say nothing.
///
/// # Errors
/// When the directory holds a model, or is a run's, or contains a file with a tokenizer's name that is not a tokenizer's.
pub fn refuse_model(dir: &Path) -> Result<()> {
    const MODEL: [&str; 3] = ["config.json", "model.safetensors", "pytorch_model.bin"];
    match MODEL
        .iter()
        .map(|file| dir.join(file))
        .find(|path| path.exists())
    {
        Some(found) => Err(DataError::invalid(format!(
            "`{}` belongs to a model, which another tokenizer beside it would make useless",
            found.display()
        ))
        .with_hint("give `--out` a directory of its own")),
        None => refuse_run(dir).and_then(|()| refuse_what_is_none(dir)),
    }
}

/// Another tokenizer may be replaced, and somebody's list of words may not.
fn refuse_what_is_none(dir: &Path) -> Result<()> {
    let mut files = FILES[2..].iter().map(|file| dir.join(file));
    match files.find(|path| path.exists()) {
        Some(found) if WordPieceTokenizer::from_dir(dir).is_err() => {
            Err(DataError::invalid(format!(
                "`{}` is there, would be replaced, and is no tokenizer's",
                found.display()
            ))
            .with_hint("give `--out` a directory of its own"))
        }
        _ => Ok(()),
    }
}

/// The tokenizer of a run is what its checkpoints were trained with.
fn refuse_run(dir: &Path) -> Result<()> {
    let whole = dir.canonicalize().ok();
    let own = whole
        .as_deref()
        .filter(|dir| dir.ends_with(RunDir::TOKENIZER));
    let parent = own.and_then(Path::parent);
    match parent.filter(|parent| RunDir::open(parent).is_ok()) {
        Some(run) => Err(DataError::invalid(format!(
            "`{}` belongs to the run `{}`",
            dir.display(),
            run.display()
        ))
        .with_hint("give `--out` a directory outside of runs")),
        None => Ok(()),
    }
}

/// Saves a tokenizer where there may be another, so that whoever reads the directory, also after a
/// crash or on a full disk, finds the old one, the new one or none, and never a mixture.
///
/// # Errors
/// When a file cannot be written, renamed or removed.
pub fn replace_tokenizer(tokenizer: &WordPieceTokenizer, dir: &Path) -> Result<()> {
    let new = dir.join(NEW);
    tokenizer.save(&new)?;
    for file in FILES.iter().rev() {
        let old = dir.join(file);
        if_there(fs::remove_file(&old)).map_err(DataError::io("remove", &old))?;
    }
    for file in FILES {
        let to = dir.join(file);
        fs::rename(new.join(file), &to).map_err(DataError::io("write", &to))?;
    }
    // What is left in it is what a killed process was writing.
    fs::remove_dir_all(&new).map_err(DataError::io("remove", &new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::TokenizerOptions;

    fn tokenizer(tokens: &str, options: TokenizerOptions) -> WordPieceTokenizer {
        let tokens = format!("[PAD] [UNK] [CLS] [SEP] [MASK] {tokens}");
        let tokens = tokens.split(' ').map(str::to_owned).collect();
        WordPieceTokenizer::from_tokens(tokens, options).expect("a vocabulary")
    }

    #[test]
    fn a_model_keeps_its_tokenizer() {
        let dir = tempfile::tempdir().expect("a directory");
        refuse_model(dir.path()).expect("an empty directory");
        fs::write(dir.path().join("vocab.txt"), "et\nto\n").expect("writes");
        let error = refuse_model(dir.path()).expect_err("a list of words");
        assert!(error.to_string().contains("vocab.txt"), "{error}");
        let own = tokenizer("a b", TokenizerOptions::default());
        own.save(dir.path()).expect("writes");
        refuse_model(dir.path()).expect("a tokenizer");
        fs::write(dir.path().join("config.json"), "{}").expect("writes");
        let error = refuse_model(dir.path()).expect_err("a model");
        assert!(error.to_string().contains("config.json"), "{error}");
        assert!(error.hint().is_some());

        let run = tempfile::tempdir().expect("a directory");
        let own = run.path().join("tokenizer");
        fs::create_dir(&own).expect("makes");
        refuse_model(&own).expect("no run");
        fs::write(run.path().join("events.jsonl"), "").expect("writes");
        let error = refuse_model(&own).expect_err("a run's");
        assert!(error.to_string().contains("belongs to the run"), "{error}");
    }

    #[test]
    fn old_files_go_before_new_ones_come() {
        let dir = tempfile::tempdir().expect("a directory");
        let out = dir.path().join("tokenizer");
        let old = tokenizer("a b", TokenizerOptions::uncased());
        replace_tokenizer(&old, &out).expect("writes");
        let new = tokenizer("c d", TokenizerOptions::default());
        replace_tokenizer(&new, &out).expect("replaces");
        let read = WordPieceTokenizer::from_dir(&out).expect("reads");
        assert_eq!(read.fingerprint(), new.fingerprint());
        assert!(read.warnings().is_empty(), "{:?}", read.warnings());
        assert_eq!(fs::read_dir(&out).expect("lists").count(), FILES.len());

        // As if killed at each moment of the second half: none, until one is whole.
        for placed in 0..FILES.len() {
            let torn = dir.path().join(format!("torn-{placed}"));
            fs::create_dir(&torn).expect("makes");
            for file in &FILES[..placed] {
                fs::copy(out.join(file), torn.join(file)).expect("copies");
            }
            match WordPieceTokenizer::from_dir(&torn) {
                Ok(read) => assert_eq!((placed, read.tokens()), (3, new.tokens())),
                Err(_) => assert!(placed < 3, "{placed}"),
            }
        }
    }
}
