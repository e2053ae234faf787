//! Writing a model so that `transformers` loads it without a warning.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use burn::module::Module;
use serde_json::json;

use crate::checkpoint::names::checkpoint_name;
use crate::checkpoint::source::CHECKSUM_KEY;
use crate::config::ElectraConfig;
use crate::error::{ModelError, Result};
use crate::parameters;

/// Shape and values by name.
pub type NamedTensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Writes `config.json` and `model.safetensors` into `dir`, which is made if it is not there.
///
/// `architecture` is the class of `transformers` that loads it. Tied tensors are stored once, and
/// each file appears whole or not at all.
///
/// # Errors
/// When a file cannot be written.
pub fn save_model<M: Module>(
    dir: &Path,
    config: &ElectraConfig,
    architecture: &str,
    module: &M,
) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(ModelError::io("create", dir))?;
    let mut tensors = NamedTensors::new();
    parameters::for_each(module, |path, data| -> Result<()> {
        let shape = data.shape().to_vec();
        let values: Vec<f32> = data.iter::<f32>().collect();
        tensors.insert(checkpoint_name(path, config.model_type), (shape, values));
        Ok(())
    })?;
    save_tensors(&dir.join("model.safetensors"), &tensors)?;
    let mut config = ElectraConfig {
        architectures: vec![architecture.to_owned()],
        ..config.clone()
    };
    // The element type of the file it was read from; `transformers` would round the weights to it.
    for key in ["dtype", "torch_dtype"] {
        if let Some(dtype) = config.other.get_mut(key) {
            *dtype = "float32".into();
        }
    }
    let mut json = serde_json::to_string_pretty(&config)
        .map_err(|error| ModelError::invalid(format!("cannot write the configuration: {error}")))?;
    json.push('\n');
    write_atomically(&dir.join("config.json"), |file| {
        file.write_all(json.as_bytes())
    })
}

/// Writes named f32 tensors (shape, values) as one safetensors file with a checksum. The same
/// tensors always give the same bytes.
///
/// # Errors
/// When the number of values of a tensor is not that of its shape, or the file cannot be written.
pub fn save_tensors(path: &Path, tensors: &NamedTensors) -> Result<()> {
    let header = safetensors_header(tensors)?;
    write_atomically(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for (_, values) in tensors.values() {
            for value in values {
                file.write_all(&value.to_le_bytes())?;
            }
        }
        Ok(())
    })
}

/// The JSON header of a safetensors file, padded with spaces so that the data is aligned.
///
/// Made here because the safetensors crate keeps metadata in a hash map, whose order, and with it
/// the bytes of the file, would differ from run to run.
fn safetensors_header(tensors: &NamedTensors) -> Result<String> {
    let mut entries = serde_json::Map::new();
    let mut hasher = crc32fast::Hasher::new();
    let mut start = 0;
    for (name, (shape, values)) in tensors {
        let expected: usize = shape.iter().product();
        if values.len() != expected {
            return Err(ModelError::invalid(format!(
                "tensor `{name}` has {} values, its shape {shape:?} needs {expected}",
                values.len()
            )));
        }
        for value in values {
            hasher.update(&value.to_le_bytes());
        }
        let end = start + 4 * values.len();
        entries.insert(
            name.clone(),
            json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}),
        );
        start = end;
    }
    let checksum = format!("{:08x}", hasher.finalize());
    let mut header = serde_json::Map::new();
    header.insert(
        "__metadata__".to_owned(),
        json!({"format": "pt", CHECKSUM_KEY: checksum}),
    );
    header.append(&mut entries);
    let mut header = serde_json::Value::from(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    Ok(header)
}

/// Writes under a hidden name of this process, flushes to disk and renames; nothing is left of what fails.
fn write_atomically(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let write = || {
        // Of a killed process that had this one's number, or a link that somebody put there.
        let _ = std::fs::remove_file(&temporary);
        let mut file = BufWriter::new(File::create_new(&temporary)?);
        content(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&temporary, path)?;
        sync_directory_of(path)
    };
    write().map_err(|error| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
        ModelError::io("write", path)(error)
    })
}

/// A new name survives a power cut only once its directory is on disk too.
fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) && !parent.as_os_str().is_empty() => {
            File::open(parent)?.sync_all()
        }
        _ => Ok(()),
    }
}
