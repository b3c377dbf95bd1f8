//! The tables that a document takes from the sources.

use std::fs;
use std::path::{Path, PathBuf};

use blockjob_sim::view::{states, steps, what_of_site};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("it is in a workspace").to_owned()
}

#[test]
fn each_step_has_the_lines_that_make_it_and_the_name_of_qemus_function() {
    let steps = steps();
    assert_eq!(steps.len(), 17);
    for (number, step) in steps.iter().enumerate() {
        assert_eq!(step.step, format!("M{}", number + 1));
        let text = fs::read_to_string(root().join(&step.file)).expect("the file is there");
        let lines: Vec<_> = text.lines().collect();
        let made = format!("step(Step::{})", step.step);
        assert!(
            lines[step.line as usize - 1].contains(&made),
            "{}",
            step.step
        );
        let first = step.first_line as usize - 1;
        assert_eq!(
            step.source,
            lines[first..first + step.source.len()],
            "{}",
            step.step
        );
        let last = step.source.last().expect("there are lines");
        assert_eq!(last.trim(), "}", "{}: the function has an end", step.step);
        let head = |line: &String| line.contains("fn ");
        assert!(
            step.source.iter().any(head),
            "{}: the function has a head",
            step.step
        );
        assert!(
            step.qemu.contains("mirror") && step.qemu.ends_with(".c"),
            "{}",
            step.qemu
        );
        assert!(
            step.what.ends_with('.') && !step.what.contains('`'),
            "{}",
            step.what
        );
    }
    assert_eq!(steps[0].qemu, "mirror_run, block/mirror.c");
    assert_eq!(
        steps[14].qemu,
        "mirror_run, block/mirror.c; block_job_ratelimit_sleep, blockjob.c"
    );
}

#[test]
fn states_and_verbs_are_those_of_the_engine() {
    let states = states();
    assert_eq!((states.names.len(), states.transitions.len()), (11, 20));
    assert_eq!((states.verbs.len(), states.allowed.len()), (8, 31));
    assert!(states.transitions.contains(&("ready", "standby")));
    // Of those that lead one way only, which way.
    assert!(states.transitions.contains(&("created", "running")));
    assert!(!states.transitions.contains(&("running", "created")));
    assert!(states.allowed.contains(&("complete", "ready")));
}

#[test]
fn each_site_of_the_engine_and_of_the_simulator_has_its_sentence() {
    let mut found = 0;
    for folder in ["runtime/src", "block/src", "jobs/src", "sim/src"] {
        each_file(&root().join(folder), &mut |text| {
            let sites = text.split("Site = Site::new(\"").skip(1);
            for name in sites.filter_map(|rest| rest.split('"').next()) {
                assert!(!what_of_site(name).is_empty(), "{name} has no sentence");
                found += 1;
            }
        });
    }
    assert!(found > 20, "only {found} sites were found");
    assert_eq!(what_of_site("no.site"), "");
}

fn each_file(folder: &Path, see: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            each_file(&path, see);
        } else if path.extension().is_some_and(|it| it == "rs") {
            see(&fs::read_to_string(path).expect("the file can be read"));
        }
    }
}
