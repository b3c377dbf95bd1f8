//! `cargo xtask qemu-map`: writes `docs/qemu-map.md`, from QEMU's functions to ours, out of the
//! documentation comments.
//!
//! `scan` reads the items of a file with their comments, `cite` reads what a comment says of QEMU,
//! `steps` finds where the steps of the mirror are reported, and `page` puts it all together below the
//! head, `head.md`, which is written by hand.

mod cite;
mod page;
mod scan;
mod steps;

use std::fs;
use std::path::Path;

use cite::Citation;
use scan::Item;

use crate::Failure;
use crate::tree;

/// The page, from the root.
const PAGE: &str = "docs/qemu-map.md";
/// Where items are looked for, each with the name by which the program's library calls the crate.
const SOURCES: [(&str, &str); 4] = [
    ("runtime/src", "runtime"),
    ("block/src", "block"),
    ("jobs/src", "jobs"),
    ("src", "blockjob"),
];

/// Writes the page; with `check` it is left alone, and the result is false if it would change.
///
/// # Errors
///
/// A file that cannot be read or written, or a comment that names a function of QEMU's and not its
/// file.
pub(crate) fn run(check: bool) -> Result<bool, Failure> {
    let path = tree::root().join(PAGE);
    let made = make()?;
    if check {
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if let Some(difference) = first_difference(&committed, &made) {
            println!("{PAGE} is out of date: {difference}\nrun `cargo xtask qemu-map`");
            return Ok(false);
        }
        println!("{PAGE} is up to date");
    } else {
        fs::write(&path, made)?;
        println!("{PAGE} is written");
    }
    Ok(true)
}

/// The page as the sources have it now.
fn make() -> Result<String, Failure> {
    let mut files = Vec::new();
    for (folder, name) in SOURCES {
        read_folder(&tree::root().join(folder), folder, name, &mut files)?;
    }
    files.sort();
    let items = scan::items(&files);
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for item in &items {
        match cite::citations(&item.doc) {
            Ok(found) => rows.extend(found.into_iter().map(|citation| (citation, item))),
            Err(fault) => faults.push(format!("{}:{}: {fault}", item.file, item.line)),
        }
    }
    if !faults.is_empty() {
        return Err(faults.join("\n").into());
    }
    Ok(page::page(rows, &steps::table(&items, &files)))
}

/// One Rust file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SourceFile {
    /// From the root, with `/` between its parts.
    path: String,
    /// The path of the module that it holds.
    module: String,
    text: String,
}

fn read_folder(
    folder: &Path,
    from_root: &str,
    module: &str,
    files: &mut Vec<SourceFile>,
) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{from_root}/{name}");
        if entry.file_type()?.is_dir() {
            read_folder(&entry.path(), &path, &format!("{module}::{name}"), files)?;
        } else if let Some(stem) = name.strip_suffix(".rs") {
            let module = match stem {
                "lib" | "main" | "mod" => module.to_owned(),
                stem => format!("{module}::{stem}"),
            };
            let text = fs::read_to_string(entry.path())?;
            files.push(SourceFile { path, module, text });
        }
    }
    Ok(())
}

/// Where two texts first differ, as a sentence; none if they are the same.
fn first_difference(committed: &str, made: &str) -> Option<String> {
    if committed == made {
        return None;
    }
    let (mut old, mut new) = (committed.lines(), made.lines());
    for line in 1.. {
        match (old.next(), new.next()) {
            (None, None) => break,
            (was, is) if was == is => {}
            (was, is) => {
                let [was, is] = [was, is].map(|text| text.unwrap_or("nothing"));
                return Some(format!("line {line} is `{was}` and should be `{is}`"));
            }
        }
    }
    Some("the ends of its lines differ".to_owned())
}

/// A row: what QEMU has, and our item.
type Row<'a> = (Citation, &'a Item);

#[test]
fn the_committed_map_is_up_to_date() {
    let committed = fs::read_to_string(tree::root().join(PAGE)).expect("the map is committed");
    let made = make().expect("every citation names its file");
    let difference = first_difference(&committed, &made);
    assert_eq!(difference, None, "run `cargo xtask qemu-map`");
}

#[test]
fn a_page_that_differs_in_one_line_or_in_length_differs() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    let second = first_difference("a\nb\n", "a\nc\n").expect("it differs");
    assert!(second.starts_with("line 2 is `b`"), "{second}");
    assert!(first_difference("a\n", "a\nb\n").is_some());
    assert!(first_difference("a\n", "a").is_some());
}
