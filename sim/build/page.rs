//! The files of the page that shows a run, as they are listed in `page/files.txt`.

use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// The table of the page's files as Rust: each with its name below `page/` and its text. The template comes
/// first; what is listed and is not there is left out, and a test says so.
///
/// # Errors
///
/// If a file cannot be read.
pub(crate) fn table(page: &Path) -> io::Result<String> {
    let list = page.join("files.txt");
    println!("cargo::rerun-if-changed={}", list.display());
    let mut table = String::from("&[\n");
    let listed = match list.is_file() {
        true => fs::read_to_string(&list)?,
        false => String::new(),
    };
    let names = listed
        .lines()
        .map(|line| line.split('#').next().unwrap_or("").trim());
    let names = names.filter(|name| !name.is_empty() && *name != TEMPLATE);
    for name in std::iter::once(TEMPLATE).chain(names) {
        let path = page.join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        if path.is_file() {
            let path = path.display().to_string();
            let _in_memory = writeln!(table, "    ({name:?}, include_str!({path:?})),");
        }
    }
    table.push(']');
    Ok(table)
}

const TEMPLATE: &str = "index.html";
