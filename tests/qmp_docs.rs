//! `docs/qmp.md` is what the declarations of the protocol say.
//!
//! With `BLOCKJOB_WRITE_DOCS` set the page is written, which is what `cargo xtask qmp-docs` does.

use std::path::Path;
use std::{env, fs};

use blockjob::daemon::commands::COMMANDS;
use blockjob::qapi::docs::markdown;
use blockjob::qapi::types::EVENTS;

/// What a person has written.
const HEAD: &str = include_str!("qmp_docs/head.md");

#[test]
fn the_page_of_the_protocol_says_what_the_declarations_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/qmp.md");
    let made = markdown(HEAD, COMMANDS.iter().copied().flatten(), EVENTS);
    if env::var_os("BLOCKJOB_WRITE_DOCS").is_some() {
        fs::write(&path, &made).expect("the page can be written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let mut lines = committed.lines().zip(made.lines()).enumerate();
    if let Some((index, (was, is))) = lines.find(|(_, (was, is))| was != is) {
        let line = index + 1;
        panic!("line {line} is `{was}` and should be `{is}`: run `cargo xtask qmp-docs`");
    }
    assert!(
        committed == made,
        "its end differs: run `cargo xtask qmp-docs`"
    );
}
