//! Writing a model so that `transformers` loads it without a warning.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::Path;

use burn::module::Module;
use safetensors::tensor::{Dtype, TensorView};

use crate::checkpoint::names::checkpoint_name;
use crate::checkpoint::source::CHECKSUM_KEY;
use crate::config::ElectraConfig;
use crate::error::{ModelError, Result};
use crate::parameters;

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
    let mut tensors = BTreeMap::new();
    parameters::for_each(module, |path, data| -> Result<()> {
        let shape = data.shape().to_vec();
        let values: Vec<f32> = data.iter::<f32>().collect();
        tensors.insert(checkpoint_name(path, config.model_type), (shape, values));
        Ok(())
    })?;
    save_tensors(&dir.join("model.safetensors"), &tensors)?;
    let config = ElectraConfig {
        architectures: vec![architecture.to_owned()],
        ..config.clone()
    };
    let mut json = serde_json::to_string_pretty(&config)
        .map_err(|error| ModelError::invalid(format!("cannot write the configuration: {error}")))?;
    json.push('\n');
    write_atomically(&dir.join("config.json"), json.as_bytes())
}

/// Writes named f32 tensors (shape, values) as one safetensors file with a checksum.
///
/// # Errors
/// When the file cannot be written.
pub fn save_tensors(path: &Path, tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> Result<()> {
    let bytes: BTreeMap<&str, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, values))| {
            (
                name.as_str(),
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            )
        })
        .collect();
    let mut hasher = crc32fast::Hasher::new();
    let mut views = Vec::with_capacity(tensors.len());
    for (name, (shape, _)) in tensors {
        let data = &bytes[name.as_str()];
        hasher.update(data);
        let view = TensorView::new(Dtype::F32, shape.clone(), data)
            .map_err(|error| ModelError::invalid(format!("tensor `{name}`: {error}")))?;
        views.push((name.as_str(), view));
    }
    let metadata = HashMap::from([
        ("format".to_owned(), "pt".to_owned()),
        (
            CHECKSUM_KEY.to_owned(),
            format!("{:08x}", hasher.finalize()),
        ),
    ]);
    let serialized = safetensors::serialize(views, Some(metadata))
        .map_err(|error| ModelError::invalid(format!("cannot serialize tensors: {error}")))?;
    write_atomically(path, &serialized)
}

/// Writes under a temporary name, flushes to disk and renames.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = path.with_extension("partial");
    let mut file = File::create(&temporary).map_err(ModelError::io("create", &temporary))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(ModelError::io("write", &temporary))?;
    std::fs::rename(&temporary, path).map_err(ModelError::io("rename", path))
}
