//! The directory of shards while they are made: what of it is finished, what belongs to another run, and what to
//! neither, which is not touched.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::super::manifest::{ChunkRecord, Plan, ShardManifest};
use super::super::shard::Split;
use crate::error::{DataError, Result};
use crate::files::{if_there, replace_json, unfinished};
use crate::run::RunDir;

/// Where the records of finished chunks lie until all are.
pub(super) const PARTS: &str = "parts";

/// The file of a chunk's record.
pub(super) fn part_file(index: u64) -> String {
    format!("{index:06}.json")
}

/// The file of a chunk's examples of one split.
pub(super) fn shard_file(split: Split, index: u64) -> String {
    format!("{}-{index:06}.shard", split.name())
}

/// Removes what only an unfinished directory has.
pub(super) fn remove_plan(out: &Path) -> Result<()> {
    remove_parts(out)?;
    let plan_file = out.join(Plan::FILE);
    if_there(fs::remove_file(&plan_file)).map_err(DataError::io("remove", &plan_file))?;
    Ok(())
}

/// Removes the records of chunks, and their directory if nothing else is in it.
fn remove_parts(out: &Path) -> Result<()> {
    let parts = out.join(PARTS);
    for name in names(&parts)? {
        if is_part(&name) || unfinished(&name).is_some_and(is_part) {
            let path = parts.join(name);
            fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
        }
    }
    // What somebody else put there stays.
    let _ = fs::remove_dir(&parts);
    Ok(())
}

/// What a directory holds of an earlier run.
#[derive(Default)]
struct Earlier {
    plan: Option<Plan>,
    finished: BTreeMap<u64, ChunkRecord>,
}

/// The finished chunks of the directory, after making sure that they belong to the plan.
pub(super) fn open_directory(
    out: &Path,
    plan: &Plan,
    restart: bool,
) -> Result<BTreeMap<u64, ChunkRecord>> {
    fs::create_dir_all(out).map_err(DataError::io("create", out))?;
    let earlier = earlier(out, restart)?;
    if let Some(existing) = &earlier.plan {
        let differences = existing.differences(plan);
        // A plan without a finished chunk can be discarded, as where an input turned out to be damaged: nothing is lost.
        let has_shards = names(out)?.iter().any(|name| is_shard(name));
        let is_begun = has_shards || !earlier.finished.is_empty();
        if !differences.is_empty() && !restart && is_begun {
            return Err(DataError::invalid(format!(
                "`{}` already holds shards prepared with other settings: {}",
                out.display(),
                differences.join("; ")
            ))
            .with_hint("use another --out, or --restart to prepare these shards again"));
        }
    }
    let mut finished = earlier.finished;
    if restart || earlier.plan.is_none() {
        // A restart also where the plan is the same: what a source holds is seen only when it is read. And of parts
        // without a plan nobody knows which one they are of.
        finished.clear();
    }
    clear_leftovers(out, &finished)?;
    if finished.is_empty() {
        // Parts of another plan would be taken for a changed corpus by the run after this one.
        remove_parts(out)?;
    }
    let parts = out.join(PARTS);
    fs::create_dir_all(&parts).map_err(DataError::io("create", &parts))?;
    if finished.is_empty() || !out.join(ShardManifest::FILE).exists() {
        replace_json(&out.join(Plan::FILE), plan)?;
    }
    Ok(finished)
}

/// The bytes of a chunk that earlier shards in the directory were made with, finished or not.
pub(super) fn chunk_bytes_before(out: &Path) -> Option<usize> {
    let finished = ShardManifest::read(out).map(|manifest| manifest.plan);
    let begun = || read_json::<Plan>(&out.join(Plan::FILE)).ok().flatten();
    Some(finished.ok().or_else(begun)?.corpus.chunk_bytes)
}

/// What the directory holds of an earlier run.
///
/// # Errors
/// When files with names of ours are not known to be of such a run: they would be replaced or removed.
fn earlier(out: &Path, restart: bool) -> Result<Earlier> {
    let manifest_file = out.join(ShardManifest::FILE);
    let plan_file = out.join(Plan::FILE);
    let plan = match plan_file.exists() {
        true => read_json::<Value>(&plan_file)?,
        false => None,
    };
    if plan.as_ref().is_some_and(|told| !is_a_plan(told)) {
        return Err(foreign(&plan_file, "is no plan of shards"));
    }
    if manifest_file.exists() {
        return match ShardManifest::read(out) {
            Ok(manifest) => {
                let chunks = manifest.chunks.into_iter();
                Ok(Earlier {
                    finished: chunks.map(|chunk| (chunk.index, chunk)).collect(),
                    plan: Some(manifest.plan),
                })
            }
            // Damaged, or of another version of this program: what a restart is for.
            Err(_) if restart && is_of_shards(out, &manifest_file)? => Ok(Earlier::default()),
            Err(error) => Err(error),
        };
    }
    if plan_file.exists() {
        let Some(told) = plan else {
            return match restart && is_of_shards(out, &plan_file)? {
                true => Ok(Earlier::default()),
                false => Err(foreign(&plan_file, "is no plan of shards")),
            };
        };
        let mut earlier = Earlier {
            plan: serde_json::from_value(told).ok(),
            ..Earlier::default()
        };
        let parts = out.join(PARTS);
        for name in names(&parts)?.iter().filter(|name| is_part(name)) {
            if let Some(record) = read_json::<ChunkRecord>(&parts.join(name))? {
                earlier.finished.insert(record.index, record);
            }
        }
        return Ok(earlier);
    }
    // A plan is the first file that is written and the last that is removed.
    let shards: Vec<String> = names(out)?.into_iter().filter(|n| is_shard(n)).collect();
    if let Some(shard) = shards.first().filter(|_| !restart) {
        return Err(foreign(
            &out.join(shard),
            "is a shard of which no manifest tells",
        ));
    }
    Ok(Earlier::default())
}

fn foreign(path: &Path, what: &str) -> DataError {
    DataError::invalid(format!("`{}` {what}", path.display())).with_hint(
        "give `--out` a directory of its own, or --restart where it holds damaged shards",
    )
}

/// Whether a `plan.json` is one of this program, of whatever version.
fn is_a_plan(told: &Value) -> bool {
    ["version", "tokenizer", "packing"]
        .iter()
        .all(|key| told.get(key).is_some())
}

/// Whether a manifest or plan that cannot be read is one of shards: there are some beside it, and no training, whose
/// manifest has the same name.
fn is_of_shards(out: &Path, manifest: &Path) -> Result<bool> {
    let told = read_json::<Value>(manifest)?;
    let has_task = told.is_some_and(|manifest| manifest.get("task").is_some());
    let has_shards = names(out)?.iter().any(|name| is_shard(name));
    Ok(has_shards && !has_task && RunDir::open(out).is_err())
}

/// Removes shards that belong to no finished chunk, and half-written files.
fn clear_leftovers(out: &Path, finished: &BTreeMap<u64, ChunkRecord>) -> Result<()> {
    let keep: HashSet<&str> = finished
        .values()
        .flat_map(|chunk| &chunk.shards)
        .map(|shard| shard.file.as_str())
        .collect();
    let is_ours = |name: &str| is_shard(name) || [ShardManifest::FILE, Plan::FILE].contains(&name);
    for name in names(out)? {
        let stale = unfinished(&name).is_some_and(is_ours)
            || (is_shard(&name) && !keep.contains(&*name))
            || (finished.is_empty() && name == ShardManifest::FILE);
        let path = out.join(name);
        if stale && path.is_file() {
            fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// The names in a directory, in order; none if it is not there.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in if_there(fs::read_dir(dir))
        .map_err(DataError::io("read", dir))?
        .into_iter()
        .flatten()
    {
        let entry = entry.map_err(DataError::io("read", dir))?;
        // No name that we write is anything but UTF-8.
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

fn is_part(name: &str) -> bool {
    let number = name.strip_suffix(".json").and_then(|it| it.parse().ok());
    number.is_some_and(|index| name == part_file(index))
}

fn is_shard(name: &str) -> bool {
    let number = name
        .strip_suffix(".shard")
        .and_then(|name| name.rsplit_once('-')?.1.parse().ok());
    number.is_some_and(|index| {
        let mut splits = Split::ALL.into_iter();
        splits.any(|split| name == shard_file(split, index))
    })
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
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    Ok(serde_json::from_slice(&bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ours() {
        for ours in ["train-000000.shard", "validation-1234567.shard"] {
            assert!(is_shard(ours), "{ours}");
        }
        for theirs in [
            "train-old.shard",
            "train-1.shard",
            "train-000001.shards",
            "test-000001.shard",
        ] {
            assert!(!is_shard(theirs), "{theirs}");
        }
        assert!(is_part("000012.json") && !is_part("12.json") && !is_part("chapter.json"));
    }
}
