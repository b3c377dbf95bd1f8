//! What the simulator has found in this engine: runs that failed once, and must not again.
//!
//! Each file in `tests/found` has one of them, shrunk, with a sentence on what it was. The engine that
//! failed is gone, so a run may ask something else from some place on than it asked then: from there it
//! goes on with the dullest answers.

use std::fs;
use std::path::Path;

use blockjob_sim::case::Case;
use blockjob_sim::run::Runner;
use blockjob_sim::sweep::quiet_panics;

#[test]
fn runs_that_failed_once_do_not_fail_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/found");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "nothing was ever found");
    let _quiet = quiet_panics();
    let mut runner = Runner::new();
    for file in files {
        let name = file.display();
        let text = fs::read_to_string(&file).expect("it can be read");
        let case = Case::find_in(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let replayed = case
            .replay(&mut runner, false)
            .expect("it has no bug of the museum");
        if let Some(failure) = replayed.report.failure {
            panic!("{name}: {failure}");
        }
    }
}
