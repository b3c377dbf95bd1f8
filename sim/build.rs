//! Puts a fingerprint of the simulated sources into the crate, and what the page that shows a run is made of.
//!
//! A decision log means the same only in the program that made it. The fingerprint is in each log,
//! so that whoever replays one in another program is told.

#[path = "build/page.rs"]
mod page;
#[path = "build/steps.rs"]
mod steps;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What a decision can depend on, seen from this crate's directory.
const SOURCES: [&str; 4] = ["../runtime/src", "../block/src", "../jobs/src", "src"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        let root = here.join(source);
        // Outside its workspace the crate stands alone, and what it depends on has a version.
        if root.is_dir() {
            list(&root, source, &mut files)?;
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for (name, path) in &files {
        let contents = fs::read(path)?;
        hash = fnv64(hash, name.as_bytes());
        // With the length no two trees read alike, wherever one file ends.
        hash = fnv64(hash, &(contents.len() as u64).to_le_bytes());
        hash = fnv64(hash, &contents);
    }
    println!("cargo::rustc-env=BLOCKJOB_SIM_BUILD={hash:016x}");
    write_tables(&here, &files)
}

/// Writes the tables that `src/view/` includes.
fn write_tables(here: &Path, files: &[(String, PathBuf)]) -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let jobs = files.iter().filter_map(|(name, path)| {
        let name = name.strip_prefix("../")?;
        name.starts_with("jobs/")
            .then(|| (name.to_owned(), path.as_path()))
    });
    fs::write(
        out.join("steps.rs"),
        steps::table(&jobs.collect::<Vec<_>>())?,
    )?;
    println!("cargo::rerun-if-changed=build");
    fs::write(out.join("page.rs"), page::table(&here.join("page"))?)
}

/// Adds the Rust files below `folder`, each with a name that is the same on every machine.
fn list(folder: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(last) = path.file_name().and_then(|last| last.to_str()) else {
            continue;
        };
        let name = format!("{name}/{last}");
        if path.is_dir() {
            list(&path, &name, files)?;
        } else if last.ends_with(".rs") {
            files.push((name, path));
        }
    }
    Ok(())
}

fn fnv64(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
