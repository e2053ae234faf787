//! The directory of shards while they are made: what of it is finished, what belongs to another run.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use super::super::manifest::{ChunkRecord, Plan, ShardManifest};
use super::super::shard::Split;
use crate::error::{DataError, Result};
use crate::files::{if_there, replace_json};
use crate::run::RunDir;

/// Where the records of finished chunks lie until all are.
pub(super) const PARTS: &str = "parts";

/// Removes what only an unfinished directory has.
pub(super) fn remove_plan(out: &Path) -> Result<()> {
    let parts = out.join(PARTS);
    if_there(fs::remove_dir_all(&parts)).map_err(DataError::io("remove", &parts))?;
    let plan_file = out.join(Plan::FILE);
    if_there(fs::remove_file(&plan_file)).map_err(DataError::io("remove", &plan_file))?;
    Ok(())
}

/// The finished chunks of the directory, after making sure that they belong to the plan.
pub(super) fn open_directory(
    out: &Path,
    plan: &Plan,
    restart: bool,
) -> Result<BTreeMap<u64, ChunkRecord>> {
    fs::create_dir_all(out).map_err(DataError::io("create", out))?;
    let parts = out.join(PARTS);
    let manifest_file = out.join(ShardManifest::FILE);
    let plan_file = out.join(Plan::FILE);
    let mut finished = BTreeMap::new();
    let mut existing = None;
    if manifest_file.exists() {
        match ShardManifest::read(out) {
            Ok(manifest) => {
                let chunks = manifest.chunks.into_iter();
                finished = chunks.map(|chunk| (chunk.index, chunk)).collect();
                existing = Some(manifest.plan);
            }
            // Damaged, or of another version of this program: what a restart is for.
            Err(_) if restart && is_of_shards(out, &manifest_file)? => {}
            Err(error) => return Err(error),
        }
    } else if plan_file.exists() {
        existing = read_json::<Plan>(&plan_file)?;
        let entries = if_there(fs::read_dir(&parts)).map_err(DataError::io("read", &parts))?;
        for entry in entries.into_iter().flatten() {
            let path = entry.map_err(DataError::io("read", &parts))?.path();
            if path.extension().is_some_and(|end| end == "json")
                && let Some(record) = read_json::<ChunkRecord>(&path)?
            {
                finished.insert(record.index, record);
            }
        }
    }
    if let Some(existing) = &existing {
        let differences = existing.differences(plan);
        if !differences.is_empty() && !restart {
            return Err(DataError::invalid(format!(
                "`{}` already holds shards prepared with other settings: {}",
                out.display(),
                differences.join("; ")
            ))
            .with_hint("use another --out, or --restart to prepare these shards again"));
        }
    }
    if existing.is_none() {
        // Of parts without a plan nobody knows which one they are of.
        finished.clear();
    }
    if restart {
        // Also where the plan is the same: what a source holds is seen only when it is read.
        finished.clear();
    }
    clear_leftovers(out, &finished)?;
    if finished.is_empty() && parts.exists() {
        // Parts of another plan would be taken for a changed corpus by the run after this one.
        fs::remove_dir_all(&parts).map_err(DataError::io("remove", &parts))?;
    }
    fs::create_dir_all(&parts).map_err(DataError::io("create", &parts))?;
    if finished.is_empty() || !manifest_file.exists() {
        replace_json(&plan_file, plan)?;
    }
    Ok(finished)
}

/// Whether a manifest that cannot be read is one of shards: there are some beside it, and no training, whose
/// manifest has the same name.
fn is_of_shards(out: &Path, manifest: &Path) -> Result<bool> {
    let bytes = fs::read(manifest).map_err(DataError::io("read", manifest))?;
    let told: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let has_task = told.is_some_and(|manifest| manifest.get("task").is_some());
    let mut files = fs::read_dir(out)
        .map_err(DataError::io("read", out))?
        .flatten();
    let has_shards = files.any(|file| file.path().extension().is_some_and(|end| end == "shard"));
    Ok(has_shards && !has_task && RunDir::open(out).is_err())
}

/// Removes shards that belong to no finished chunk, and half-written files.
fn clear_leftovers(out: &Path, finished: &BTreeMap<u64, ChunkRecord>) -> Result<()> {
    let keep: HashSet<&str> = finished
        .values()
        .flat_map(|chunk| &chunk.shards)
        .map(|shard| shard.file.as_str())
        .collect();
    for entry in fs::read_dir(out).map_err(DataError::io("read", out))? {
        let path = entry.map_err(DataError::io("read", out))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_shard = |name: &str| {
            let mut splits = Split::ALL.iter();
            splits.any(|split| name.starts_with(&format!("{}-", split.name())))
        };
        // What `replace_file` leaves when it is killed.
        let half_written = name.strip_prefix('.').is_some_and(|name| {
            let ours = is_shard(name)
                || [ShardManifest::FILE, Plan::FILE]
                    .iter()
                    .any(|f| name.starts_with(f));
            ours && name.ends_with(".tmp")
        });
        let stale = half_written
            || (is_shard(&name) && name.ends_with(".shard") && !keep.contains(&*name))
            || (finished.is_empty() && name == ShardManifest::FILE);
        if stale && path.is_file() {
            fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// The refusal to go on with shards of another corpus.
pub(super) fn changed(out: &Path, how: &str) -> DataError {
    DataError::invalid(format!(
        "the corpus is not the one that the shards in `{}` were made from: {how}",
        out.display()
    ))
    .with_hint("use another --out, or --restart to prepare these shards again")
}

/// A JSON file, or `None` when it is not what is expected: then its work is done again.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
    Ok(serde_json::from_str(&text).ok())
}
