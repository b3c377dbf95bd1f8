//! Making the crate that a learner works in.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use blockjob_labs::{Lab, all};

use super::progress::Progress;
use crate::failure::Failure;
use crate::say;

/// Where this program was built from.
const BUILT_FROM: &str = env!("CARGO_MANIFEST_DIR");

/// What the crate is called.
const NAME: &str = "my-blockjob-labs";

/// What the labs use of the repository: the crate and its folder.
const CRATES: [(&str, &str); 4] = [
    ("blockjob-block", "block"),
    ("blockjob-jobs", "jobs"),
    ("blockjob-runtime", "runtime"),
    ("blockjob-sim", "sim"),
];

/// What else the labs use, in the versions of the repository.
const OTHERS: [(&str, &str); 2] = [("bytes", "1"), ("futures-lite", "2")];

/// `blockjob lab start`.
pub(super) fn start(dir: &Path, blockjob: Option<&Path>) -> Result<ExitCode, Failure> {
    let sources = sources(blockjob)?;
    if dir.exists() && !dir.is_dir() {
        return Err(Failure::bad_input(format!(
            "'{}' is not a folder: name one that is empty or does not exist",
            dir.display()
        )));
    }
    if Progress::is_lost(dir) {
        Progress::new(&sources.display().to_string()).save(dir)?;
        say::out("Nothing is passed any more, as far as it is known; your files are as they were.");
        return Ok(ExitCode::SUCCESS);
    }
    let is_used = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        return Err(Failure::bad_input(format!(
            "'{}' is not empty: name a folder that is empty or does not exist",
            dir.display()
        )));
    }
    write(dir, "Cargo.toml", &manifest(&sources))?;
    write(dir, "Cargo.lock", &lock(&sources)?)?;
    write(dir, ".gitignore", "/target\n")?;
    for lab in all() {
        write(dir, &file_of(lab), lab.start)?;
        write(dir, &task_of(lab), &task(lab, &sources))?;
    }
    Progress::new(&sources.display().to_string()).save(dir)?;
    let first = &all()[0];
    say::out(&format!(
        "{} labs are in '{dir}'. The first one:\n\n  cd {dir}\n  less {task}\n  blockjob lab run\n\n\
         The first run builds the engine, which takes some minutes. Then edit {file} and run again, or\n\
         have it run by itself: blockjob lab watch{alias}",
        all().len(),
        dir = dir.display(),
        task = task_of(first),
        file = file_of(first),
        alias = alias(),
    ));
    Ok(ExitCode::SUCCESS)
}

/// How the shell is told where this program is, if it would not find it.
fn alias() -> String {
    let paths = env::var_os("PATH").unwrap_or_default();
    let is_found = env::split_paths(&paths).any(|folder| folder.join("blockjob").is_file());
    match env::current_exe() {
        Ok(program) if !is_found => format!(
            "\n\nThe shell does not find this program by its name. Tell it:\n\n  alias blockjob='{}'",
            program.display()
        ),
        _ => String::new(),
    }
}

/// The task of a lab, and where the files are that it names.
fn task(lab: &Lab, sources: &Path) -> String {
    format!(
        "{}\nThe files that are named here are in `{}`; yours is in `src`.\n",
        lab.readme,
        sources.display()
    )
}

/// Where the learner's file of a lab is in the crate.
pub(super) fn file_of(lab: &Lab) -> String {
    format!("src/lab{:02}.rs", lab.number)
}

/// Where the task of a lab is in the crate.
pub(super) fn task_of(lab: &Lab) -> String {
    format!("tasks/{}.md", lab.folder)
}

fn sources(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = named.unwrap_or(Path::new(BUILT_FROM));
    let found = path.join("sim/Cargo.toml").is_file() && path.join("Cargo.lock").is_file();
    if !found {
        return Err(Failure::bad_input(format!(
            "'{}' is not the sources of blockjob: say where they are with --blockjob PATH",
            path.display()
        )));
    }
    fs::canonicalize(path)
        .map_err(|error| Failure::failed(format!("'{}': {error}", path.display())))
}

fn manifest(sources: &Path) -> String {
    let mut text = format!(
        "[package]\nname = \"{NAME}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\
         autobins = false\n\n[dependencies]\n"
    );
    for (name, folder) in CRATES {
        let path = sources.join(folder).display().to_string();
        // Debug quotes it as TOML does.
        let features = match name {
            "blockjob-sim" => ", features = [\"museum\"]",
            _ => "",
        };
        writeln!(text, "{name} = {{ path = {path:?}{features} }}").expect("a string takes it");
    }
    for (name, version) in OTHERS {
        writeln!(text, "{name} = \"{version}\"").expect("a string takes it");
    }
    text.push_str("\n[profile.dev]\ndebug = \"line-tables-only\"\n");
    for lab in all() {
        let (number, path) = (lab.number, file_of(lab));
        write!(
            text,
            "\n[[bin]]\nname = \"lab{number:02}\"\npath = {path:?}\n"
        )
        .expect("a string takes it");
    }
    // It may lie inside of another workspace.
    text.push_str("\n[workspace]\n");
    text
}

/// The versions of the repository, and the crate itself: so nothing has to be asked of a registry.
fn lock(sources: &Path) -> Result<String, Failure> {
    let path = sources.join("Cargo.lock");
    let mut text = fs::read_to_string(&path)
        .map_err(|error| Failure::failed(format!("'{}': {error}", path.display())))?;
    let mut names: Vec<_> = CRATES.iter().map(|(name, _)| *name).collect();
    names.extend(OTHERS.iter().map(|(name, _)| *name));
    names.sort_unstable();
    let names: Vec<_> = names.iter().map(|name| format!(" {name:?},\n")).collect();
    write!(
        text,
        "\n[[package]]\nname = \"{NAME}\"\nversion = \"0.0.0\"\ndependencies = [\n{}]\n",
        names.concat()
    )
    .expect("a string takes it");
    Ok(text)
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = dir.join(name);
    let written = match path.parent() {
        Some(parent) => fs::create_dir_all(parent),
        None => Ok(()),
    };
    written
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| Failure::failed(format!("cannot write '{}': {error}", path.display())))
}
