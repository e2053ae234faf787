//! Damaged checkpoints: an error, or exactly the weights that were saved. Never other weights,
//! never a panic.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aelectra_model::checkpoint::{ModelDir, TensorSource, save_model};
use aelectra_model::{ElectraForPreTraining, Result, parameters};
use burn::tensor::{Device, TensorData};
use common::{copy_model, golden, open};

/// Parameters by path, as bits.
fn bits(model: &ElectraForPreTraining) -> BTreeMap<String, Vec<u32>> {
    let mut all = BTreeMap::new();
    parameters::for_each(model, |path, data| {
        let values = data.iter::<f32>().map(f32::to_bits).collect();
        all.insert(path.to_owned(), values);
        Ok::<(), std::convert::Infallible>(())
    })
    .expect("reading cannot fail");
    all
}

/// A small discriminator exported by this crate, in a directory of its own.
struct Exported {
    root: tempfile::TempDir,
    weights: PathBuf,
    bytes: Vec<u8>,
    bits: BTreeMap<String, Vec<u32>>,
    device: Device,
}

impl Exported {
    fn new() -> Self {
        let device = aelectra_model::device::for_tests();
        let root = tempfile::tempdir().expect("a temporary directory");
        let dir = open("odd/gamma-beta");
        let (model, _) = dir.for_pretraining(&device).expect("loads");
        save_model(root.path(), &dir.config, "ElectraForPreTraining", &model).expect("saved");
        let weights = root.path().join("model.safetensors");
        let bytes = std::fs::read(&weights).expect("read");
        Self {
            bits: bits(&model),
            root,
            weights,
            bytes,
            device,
        }
    }

    /// The length of the JSON header, which begins at byte 8.
    fn header(&self) -> usize {
        let length: [u8; 8] = self.bytes[..8].try_into().expect("eight bytes");
        usize::try_from(u64::from_le_bytes(length)).expect("a length")
    }

    fn load(&self, bytes: &[u8]) -> Result<ElectraForPreTraining> {
        std::fs::write(&self.weights, bytes).expect("written");
        let (model, _) = ModelDir::open(self.root.path())?.for_pretraining(&self.device)?;
        Ok(model)
    }
}

/// One such number in the row of a word, and nothing is found in any sentence with it.
#[test]
fn weights_that_are_not_finite_are_named() {
    let exported = Exported::new();
    let dir = ModelDir::open(exported.root.path()).expect("a model");
    for odd in [f32::NAN, f32::INFINITY] {
        let (model, _) = dir.for_pretraining(&exported.device).expect("loads");
        let model = parameters::replace(model, |path, shape| {
            let mut values = vec![0.5; shape.iter().product()];
            values[0] = odd;
            let is_wanted = path.ends_with("word_embeddings.weight");
            is_wanted.then(|| TensorData::new(values, shape.to_vec()))
        });
        let broken = tempfile::tempdir().expect("a temporary directory");
        save_model(broken.path(), &dir.config, "ElectraForPreTraining", &model).expect("saved");
        let read =
            ModelDir::open(broken.path()).and_then(|dir| dir.for_pretraining(&exported.device));
        let told = read.expect_err("not finite").to_string();
        assert!(
            told.contains("word_embeddings.weight") && told.contains("not finite"),
            "{told}"
        );
    }
}

#[test]
fn files_cut_short_are_errors() {
    let exported = Exported::new();
    let (all, header) = (exported.bytes.len(), exported.header());
    let mut cuts = vec![0, 1, 4, 7, 8, 9, header, header + 7, header + 8, header + 9];
    cuts.extend([all / 2, all - 4, all - 1]);
    cuts.extend((0..all).step_by(97));
    for cut in cuts {
        let error = exported
            .load(&exported.bytes[..cut])
            .expect_err(&format!("{cut} of {all} bytes are no model"));
        let text = error.to_string();
        assert!(text.contains("model.safetensors"), "{text}");
        assert!(error.hint().is_some(), "{cut}: {text}");
    }
    for extra in [1, 4, 100] {
        let mut longer = exported.bytes.clone();
        longer.resize(all + extra, 0);
        assert!(exported.load(&longer).is_err(), "{extra} bytes too many");
    }
    assert_eq!(
        bits(&exported.load(&exported.bytes).expect("the whole file")),
        exported.bits
    );
}

/// A bit of every byte of length and header (the lowest, which turns a digit into its neighbour, of
/// even bytes, one that goes round of odd ones), and of every third byte of the data.
#[test]
fn flipped_bits_never_give_other_weights() {
    let exported = Exported::new();
    let data = 8 + exported.header();
    let header_bits = (0..data).map(|at| (at, if at % 2 == 0 { 0 } else { (at / 2 % 8) as u8 }));
    let data_bits = (data..exported.bytes.len())
        .step_by(3)
        .map(|at| (at, (at * 5 % 8) as u8));
    let (mut refused, mut harmless) = (0, 0);
    for (at, bit) in header_bits.chain(data_bits) {
        let mut bytes = exported.bytes.clone();
        bytes[at] ^= 1 << bit;
        match exported.load(&bytes) {
            Err(_) => refused += 1,
            Ok(model) => {
                assert!(at < data, "bit {bit} of data byte {at} went unnoticed");
                assert_eq!(bits(&model), exported.bits, "bit {bit} of byte {at}");
                harmless += 1;
            }
        }
    }
    // Only the metadata's text ("format": "pt", the name of the checksum) may change unnoticed.
    assert!(
        refused > 20 * harmless,
        "{refused} refused, {harmless} loaded"
    );
}

/// A flipped bit is caught by the checksum, which says so.
#[test]
fn a_changed_weight_is_named_as_such() {
    let exported = Exported::new();
    let mut bytes = exported.bytes.clone();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = exported.load(&bytes).expect_err("one bit differs");
    assert!(error.to_string().contains("checksum"), "{error}");
    assert!(error.hint().expect("a hint").contains("damaged"));
}

/// Pickles carry no checksum of their own: cut ones are errors, and nothing panics.
#[test]
fn damaged_pickles_do_not_panic() {
    let device = aelectra_model::device::for_tests();
    for case in ["odd/bin-zip", "odd/bin-legacy", "odd/aelaectra-released"] {
        let root = tempfile::tempdir().expect("a temporary directory");
        copy_model(case, root.path());
        let path = root.path().join("pytorch_model.bin");
        let whole = std::fs::read(&path).expect("read");
        let load = |bytes: &[u8]| -> Result<()> {
            std::fs::write(&path, bytes).expect("written");
            ModelDir::open(root.path())?.encoder(&device).map(|_| ())
        };
        for cut in (0..whole.len()).step_by(211) {
            assert!(load(&whole[..cut]).is_err(), "{case}: {cut} bytes");
        }
        for at in (0..whole.len()).step_by(17) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            // Loading or refusing are both right; panicking is not.
            let _ = load(&bytes);
        }
        load(&whole).expect("the whole file");
    }
}

/// A view of one number as a matrix, which pickles can hold: it would be made as large as it says.
#[test]
fn pickled_tensors_are_no_larger_than_their_file() {
    let root = tempfile::tempdir().expect("a temporary directory");
    copy_model("odd/bin-legacy", root.path());
    let path = root.path().join("pytorch_model.bin");
    let whole = std::fs::read(&path).expect("read");
    // The offset and the sizes 32 and 4 of the table of words, the number of the tuple, the strides 4 and 1.
    let old = b"K\0K K\x04\x86q\tK\x04K\x01\x86";
    let at = whole.windows(old.len()).position(|bytes| bytes == old);
    let at = at.expect("a tensor of this size");
    let name = "electra.embeddings.word_embeddings.weight";
    let read = |sizes: [u16; 2]| {
        let [rows, columns] = sizes.map(u16::to_le_bytes);
        let new = [&b"K\0M"[..], &rows, b"M", &columns, b"\x86q\tK\0K\0\x86"].concat();
        let bytes = [&whole[..at], &new[..], &whole[at + old.len()..]].concat();
        std::fs::write(&path, bytes).expect("written");
        TensorSource::open_dir(root.path())?.read(name)
    };
    let values = read([300, 200]).expect("less than a megabyte");
    assert!(values.len() == 60_000 && values.iter().all(|value| *value == values[0]));
    let error = read([50_000, 50_000]).expect_err("10 GB");
    let told = error.to_string();
    assert!(
        told.contains(name) && told.contains("more than the file"),
        "{told}"
    );
    assert!(error.hint().expect("a hint").contains("safetensors"));
}

#[test]
fn shards_must_be_complete_and_plain() {
    let device = aelectra_model::device::for_tests();
    let fresh = || {
        let root = tempfile::tempdir().expect("a temporary directory");
        copy_model("odd/sharded", root.path());
        root
    };
    let index = |root: &Path| root.join("model.safetensors.index.json");

    let root = fresh();
    std::fs::remove_file(root.path().join("model-00002-of-00004.safetensors")).expect("removed");
    let error = ModelDir::open(root.path()).expect_err("a shard is missing");
    assert!(error.to_string().contains("00002"), "{error}");

    let root = fresh();
    let text = std::fs::read_to_string(index(root.path())).expect("read");
    let text = text.replace("discriminator_predictions.dense.bias", "something.else");
    std::fs::write(index(root.path()), text).expect("written");
    let error = ModelDir::open(root.path()).expect_err("the index names what is not there");
    assert!(error.to_string().contains("something.else"), "{error}");

    for outside in ["../secret.safetensors", "/etc/passwd", "..", ""] {
        let root = fresh();
        let text = std::fs::read_to_string(index(root.path())).expect("read");
        let text = text.replace("model-00001-of-00004.safetensors", outside);
        std::fs::write(index(root.path()), text).expect("written");
        let error = ModelDir::open(root.path()).expect_err("not a file beside the index");
        assert!(
            error.to_string().contains("plain file name"),
            "{outside}: {error}"
        );
    }

    for text in ["", "{}", "{\"weight_map\": 3}", "{\"weight_map\": {}}"] {
        let root = fresh();
        std::fs::write(index(root.path()), text).expect("written");
        let loaded = ModelDir::open(root.path()).and_then(|dir| dir.encoder(&device));
        assert!(loaded.is_err(), "{text:?}");
    }
}

/// Weights stored as integers are refused with the name of the tensor.
#[test]
fn integers_are_no_weights() {
    let root = tempfile::tempdir().expect("a temporary directory");
    copy_model("odd/gamma-beta", root.path());
    let path = root.path().join("model.safetensors");
    let bytes = std::fs::read(golden("odd/gamma-beta/model.safetensors")).expect("read");
    let position = bytes
        .windows(5)
        .position(|window| window == b"\"F32\"")
        .expect("a dtype");
    let mut changed = bytes;
    changed[position + 1] = b'I';
    std::fs::write(&path, changed).expect("written");
    let error = ModelDir::open(root.path())
        .and_then(|dir| dir.for_pretraining(&aelectra_model::device::for_tests()))
        .expect_err("integers");
    assert!(error.to_string().contains("is stored as I32"), "{error}");
    assert!(error.hint().expect("a hint").contains("BF16"));
}
