//! Tells the program which commit it is built from, which its runs record: what `AELECTRA_GIT_COMMIT` says, or else
//! what git does, with `-dirty` where something is not committed. In release builds only, so that a commit does not build
//! all tests anew.

use std::env;
use std::path::Path;
use std::process::Command;

/// What the program is made of.
const SOURCES: [&str; 11] = [
    "build.rs",
    "src",
    "Cargo.toml",
    "../aelectra-data/src",
    "../aelectra-data/Cargo.toml",
    "../aelectra-model/src",
    "../aelectra-model/Cargo.toml",
    "../aelectra-tui/src",
    "../assets",
    "../Cargo.toml",
    "../Cargo.lock",
];

fn main() {
    println!("cargo::rerun-if-env-changed=AELECTRA_GIT_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("AELECTRA_GIT_COMMIT").is_some()
        || env::var("PROFILE").as_deref() != Ok("release")
    {
        return;
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // It grows with every commit and checkout; cargo would run this always for a file that is not there.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && Path::new(&log).is_file()
    {
        println!("cargo::rerun-if-changed={log}");
    }
    if let Some(mut commit) = git(&["rev-parse", "HEAD"]) {
        let changed = git(&[&["status", "--porcelain", "--"][..], &SOURCES].concat());
        if changed.is_none_or(|files| !files.is_empty()) {
            commit += "-dirty";
        }
        println!("cargo::rustc-env=AELECTRA_GIT_COMMIT={commit}");
    }
}

/// What git prints, if it is there and this is its work tree.
fn git(arguments: &[&str]) -> Option<String> {
    let told = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(told.stdout).ok()?;
    told.status.success().then(|| text.trim().to_owned())
}
