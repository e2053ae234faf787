//! Tensors of a checkpoint by name, whatever file they lie in.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};
use memmap2::Mmap;
use pytorch_reader::{DType as PickleType, PytorchReader};
use safetensors::tensor::{Dtype, Metadata};

use crate::error::{ModelError, Result};

/// Metadata key of the checksum this crate writes: CRC-32 of all tensors' bytes in name order.
pub const CHECKSUM_KEY: &str = "aelectra_crc32";

/// Bytes up to which a pickled tensor may have more than its file: what `expand` makes of a few, as of the positions of a text.
const EXPANDED: u64 = 1 << 20;

/// An opened checkpoint. Safetensors files are mapped into memory; a tensor is read when asked for.
#[derive(Debug)]
pub struct TensorSource {
    path: PathBuf,
    /// Where `path` is an index, the files it names.
    parts: Vec<PathBuf>,
    tensors: BTreeMap<String, Entry>,
    files: Vec<Mmap>,
}

#[derive(Debug)]
struct Entry {
    shape: Vec<usize>,
    data: EntryData,
}

#[derive(Debug)]
enum EntryData {
    Mapped {
        file: usize,
        start: usize,
        end: usize,
        dtype: Dtype,
    },
    Pickled {
        tensor: pytorch_reader::Tensor,
        file_bytes: u64,
    },
}

impl TensorSource {
    /// Opens the weights of a model directory: `model.safetensors`, else the files named by
    /// `model.safetensors.index.json`, else `pytorch_model.bin`.
    ///
    /// # Errors
    /// When there are no weights (the message lists what was looked for), or they are damaged.
    pub fn open_dir(dir: &Path) -> Result<Self> {
        let single = dir.join("model.safetensors");
        let index = dir.join("model.safetensors.index.json");
        let pickle = dir.join("pytorch_model.bin");
        if single.is_file() {
            Self::open_safetensors(&single)
        } else if index.is_file() {
            Self::open_sharded(&index)
        } else if pickle.is_file() {
            Self::open_pickle(&pickle)
        } else {
            let tensorflow = ["tf_model.h5", "model.ckpt.index", "checkpoint"]
                .iter()
                .any(|name| dir.join(name).is_file());
            let error = ModelError::format(
                dir,
                "no weights: looked for model.safetensors, model.safetensors.index.json and \
                 pytorch_model.bin",
            );
            Err(if tensorflow {
                error.with_hint(
                    "TensorFlow checkpoints are not read; convert them once with transformers 4 \
                     (`convert_electra_original_tf_checkpoint_to_pytorch.py`, or \
                     `from_pretrained(..., from_tf=True)` and `save_pretrained`)",
                )
            } else {
                error.with_hint("give the directory of a model in Hugging Face layout")
            })
        }
    }

    /// Opens one safetensors file.
    ///
    /// # Errors
    /// When it cannot be read, is cut short, or its bytes do not have the checksum it states.
    pub fn open_safetensors(path: &Path) -> Result<Self> {
        let mut source = Self {
            path: path.to_path_buf(),
            parts: Vec::new(),
            tensors: BTreeMap::new(),
            files: Vec::new(),
        };
        source.add_file(path)?;
        Ok(source)
    }

    fn open_sharded(index: &Path) -> Result<Self> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let text = std::fs::read_to_string(index).map_err(ModelError::io("read", index))?;
        let parsed: Index = serde_json::from_str(&text)
            .map_err(|error| ModelError::format(index, format!("not a weight index: {error}")))?;
        let mut source = Self {
            path: index.to_path_buf(),
            parts: Vec::new(),
            tensors: BTreeMap::new(),
            files: Vec::new(),
        };
        let shards: std::collections::BTreeSet<&String> = parsed.weight_map.values().collect();
        for shard in shards {
            let mut parts = Path::new(shard).components();
            if !matches!(
                (parts.next(), parts.next()),
                (Some(Component::Normal(_)), None)
            ) {
                return Err(ModelError::format(
                    index,
                    format!("`{shard}` is not a plain file name"),
                ));
            }
            let part = index.with_file_name(shard);
            source.add_file(&part)?;
            source.parts.push(part);
        }
        if let Some(name) = parsed
            .weight_map
            .keys()
            .find(|name| !source.tensors.contains_key(*name))
        {
            return Err(ModelError::format(
                index,
                format!("`{name}` is in none of the shards"),
            ));
        }
        Ok(source)
    }

    fn add_file(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(ModelError::io("open", path))?;
        // SAFETY: the map is only read, and every offset into it comes from `Metadata`, which
        // checks them against the length of the map. What cannot be ensured is that no other program
        // writes to the file, or truncates it (SIGBUS), while it is mapped: this crate and the hub's
        // clients write under another name and rename, and others are asked to in the guide.
        let map = unsafe { Mmap::map(&file) }.map_err(ModelError::io("map", path))?;
        let damaged = |message: String| {
            ModelError::format(path, message)
                .with_hint("the file is damaged or cut short; get it again")
        };
        let (header, metadata) = safetensors::SafeTensors::read_metadata(&map)
            .map_err(|error| damaged(format!("not a whole safetensors file: {error}")))?;
        let data_start = header + 8;
        let data_len = map.len() - data_start;
        let mut checked: BTreeMap<String, Entry> = BTreeMap::new();
        for (name, info) in metadata.tensors() {
            let (start, end) = info.data_offsets;
            if end > data_len || start > end {
                return Err(damaged(format!(
                    "`{name}` ends at byte {end} of {data_len}"
                )));
            }
            checked.insert(
                name,
                Entry {
                    shape: info.shape.clone(),
                    data: EntryData::Mapped {
                        file: self.files.len(),
                        start: data_start + start,
                        end: data_start + end,
                        dtype: info.dtype,
                    },
                },
            );
        }
        verify_checksum(&metadata, &map, &checked).map_err(damaged)?;
        self.files.push(map);
        self.tensors.append(&mut checked);
        Ok(())
    }

    fn open_pickle(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(ModelError::io("open", path))?;
        let file_bytes = metadata.len();
        let reader = PytorchReader::new(path)
            .map_err(|error| ModelError::format(path, format!("cannot be parsed: {error}")))?;
        let tensors = reader
            .into_tensors()
            .into_iter()
            .map(|(name, tensor)| {
                let shape = tensor.shape().to_vec();
                (
                    name,
                    Entry {
                        shape,
                        data: EntryData::Pickled { tensor, file_bytes },
                    },
                )
            })
            .collect();
        Ok(Self {
            path: path.to_path_buf(),
            parts: Vec::new(),
            tensors,
            files: Vec::new(),
        })
    }

    /// The file, or the index of several.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All files: the one, or the index and the files it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let parts = self.parts.iter().map(PathBuf::as_path);
        std::iter::once(self.path()).chain(parts)
    }

    /// Names and shapes, by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors
            .iter()
            .map(|(name, entry)| (name.as_str(), entry.shape.as_slice()))
    }

    /// The element types in the file, as it names them, each once.
    #[must_use]
    pub fn dtypes(&self) -> Vec<String> {
        let types: std::collections::BTreeSet<String> = self
            .tensors
            .values()
            .map(|entry| match &entry.data {
                EntryData::Mapped { dtype, .. } => format!("{dtype:?}"),
                EntryData::Pickled { tensor, .. } => format!("{:?}", tensor.dtype()),
            })
            .collect();
        types.into_iter().collect()
    }

    /// The values of a tensor as f32, whatever float type they are stored in.
    ///
    /// # Errors
    /// When there is no such tensor, it holds no floats, is larger than the file, or cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<f32>> {
        let entry = self.tensors.get(name).ok_or_else(|| {
            ModelError::format(&self.path, format!("there is no tensor `{name}`"))
        })?;
        let unsupported = |dtype: String| {
            ModelError::format(&self.path, format!("`{name}` is stored as {dtype}"))
                .with_hint("weights are read from F32, F16, BF16 and F64")
        };
        match &entry.data {
            EntryData::Mapped {
                file,
                start,
                end,
                dtype,
            } => {
                let bytes = &self.files[*file][*start..*end];
                let kind = match dtype {
                    Dtype::F32 => FloatKind::F32,
                    Dtype::F16 => FloatKind::F16,
                    Dtype::BF16 => FloatKind::Bf16,
                    Dtype::F64 => FloatKind::F64,
                    other => return Err(unsupported(format!("{other:?}"))),
                };
                Ok(kind.decode(bytes))
            }
            EntryData::Pickled { tensor, file_bytes } => {
                let kind = match tensor.dtype() {
                    PickleType::F32 => FloatKind::F32,
                    PickleType::F16 => FloatKind::F16,
                    PickleType::BF16 => FloatKind::Bf16,
                    PickleType::F64 => FloatKind::F64,
                    other => return Err(unsupported(format!("{other:?}"))),
                };
                // The file says how often values repeat, and a few kilobytes would ask for gigabytes.
                let bytes = tensor.byte_len() as u64;
                if bytes > EXPANDED.max(*file_bytes) {
                    let message =
                        format!("`{name}` has {bytes} bytes, more than the file ({file_bytes})");
                    return Err(ModelError::format(&self.path, message).with_hint(
                        "its values repeat others: save it after `.contiguous()`, or the model as safetensors",
                    ));
                }
                let bytes = tensor.read().map_err(ModelError::io("read", &self.path))?;
                Ok(kind.decode(&bytes))
            }
        }
    }
}

#[derive(Clone, Copy)]
enum FloatKind {
    F64,
    F32,
    F16,
    Bf16,
}

impl FloatKind {
    /// Little-endian bytes to f32.
    fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
            Self::F64 => bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b) as f32)
                .collect(),
            Self::F16 => bytes
                .as_chunks::<2>()
                .0
                .iter()
                .map(|b| f16::from_le_bytes(*b).to_f32())
                .collect(),
            Self::Bf16 => bytes
                .as_chunks::<2>()
                .0
                .iter()
                .map(|b| bf16::from_le_bytes(*b).to_f32())
                .collect(),
        }
    }
}

fn verify_checksum(
    metadata: &Metadata,
    map: &[u8],
    entries: &BTreeMap<String, Entry>,
) -> std::result::Result<(), String> {
    let Some(stated) = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(CHECKSUM_KEY))
    else {
        return Ok(());
    };
    let mut hasher = crc32fast::Hasher::new();
    for entry in entries.values() {
        if let EntryData::Mapped { start, end, .. } = entry.data {
            hasher.update(&map[start..end]);
        }
    }
    let found = format!("{:08x}", hasher.finalize());
    if *stated == found {
        Ok(())
    } else {
        Err(format!(
            "the weights have checksum {found}, the file says {stated}"
        ))
    }
}
