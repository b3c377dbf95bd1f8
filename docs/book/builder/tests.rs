//! The builder on small books.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::book::{Counts, Makers};
use crate::console::Console;
use crate::figure::Figures;
use crate::sample::Samples;

/// A repository with a book of two chapters, the second of which has this text.
fn repository(chapter: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let real = Path::new(env!("CARGO_MANIFEST_DIR"));
    write(
        "book/book.toml",
        &fs::read_to_string(real.join("book.toml")).unwrap(),
    );
    write("book/theme/book.css", "");
    write("book/theme/book.js", "");
    write(
        "book/src/SUMMARY.md",
        "# Summary\n\n- [One](one.md)\n- [Two](two.md)\n- [Later]()\n",
    );
    write(
        "book/src/one.md",
        "# One\n\nSee [two](two.md#the-second).\n",
    );
    write("book/src/two.md", chapter);
    write("code.rs", "/// Adds.\nfn add() {}\n");
    folder
}

fn makers(root: &Path) -> Makers {
    Makers {
        root: root.to_owned(),
        console: Console {
            program: "echo".into(),
            root: root.to_owned(),
        },
        samples: Samples {
            book: root.join("book"),
            programs: root.join("nowhere"),
        },
        figures: Figures::new(root),
        only: None,
    }
}

fn counts(chapter: &str) -> Result<Counts, String> {
    let repository = repository(chapter);
    let made = makers(repository.path()).make(Path::new("book"));
    made.map(|made| made.counts)
        .map_err(|failure| failure.to_string())
}

const CHAPTER: &str = "# The second\n\n{{#listing code.rs fn add}}\n\nThen [code](../../code.rs):\n\n{{#run one two}}\n";

#[test]
fn what_was_made_is_counted() {
    let expected = Counts {
        chapters: 2,
        drafts: 1,
        listings: 1,
        runs: 1,
        links: 2,
        ..Counts::default()
    };
    assert_eq!(counts(CHAPTER), Ok(expected));
    assert_eq!(expected.missing(), ["figures", "samples"]);
}

#[test]
fn a_directive_that_fails_names_the_line_of_its_chapter() {
    let failure = counts("# The second\n\n{{#listing code.rs fn sub}}\n").unwrap_err();
    assert_eq!(
        failure,
        "book/src/two.md:3: code.rs: there is no 'fn sub' in it"
    );
}

#[test]
fn a_chapter_that_is_not_there_fails_the_book() {
    let repository = repository(CHAPTER);
    fs::remove_file(repository.path().join("book/src/one.md")).unwrap();
    let Err(failure) = makers(repository.path()).make(Path::new("book")) else {
        panic!("a chapter of the summary is missing");
    };
    assert!(failure.to_string().contains("one.md"), "{failure}");
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_same_book_is_rendered_the_same_twice_and_fetches_nothing() {
    let repository = repository(CHAPTER);
    let render = |name: &str| {
        let out = repository.path().join(name);
        makers(repository.path())
            .make(Path::new("book"))
            .unwrap()
            .render(&out)
            .unwrap();
        files(&out)
    };
    let (first, second) = (render("first"), render("second"));
    assert!(first == second, "two builds of one book differ");
    let page = String::from_utf8(first[Path::new("two.html")].clone()).unwrap();
    assert!(page.contains("repository/code.rs.txt"), "{page}");
    assert!(first.contains_key(Path::new("repository/code.rs.txt")));
    assert!(page.contains("$ blockjob one two"), "{page}");
    assert!(!page.contains("Adds."), "{page}");
}
