//! The museum's list and its switch. That each bug is found is for the checker to show that it names.
#![cfg(feature = "museum")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use blockjob_runtime::bug;
use blockjob_runtime::museum::{EXHIBITS, Exhibit, MIR_02, State, find, is_on, switch_on};

#[test]
fn an_exhibit_is_on_until_its_guard_is_dropped() {
    assert!(!bug!(MIR_02));
    let on = switch_on(&MIR_02);
    assert!(bug!(MIR_02) && is_on(&MIR_02));
    assert!(!bug!(HZ_01));
    drop(on);
    assert!(!bug!(MIR_02));
}

#[test]
fn another_thread_does_not_see_a_switch() {
    let _on = switch_on(&MIR_02);
    #[allow(clippy::disallowed_methods)] // Another thread is the point.
    let seen = std::thread::spawn(|| bug!(MIR_02)).join();
    assert!(!seen.expect("the thread looks and ends"));
}

#[test]
#[should_panic(expected = "MIR-02 is on: one bug at a time")]
fn a_second_exhibit_is_refused() {
    let _on = switch_on(&MIR_02);
    let _other = switch_on(find("hz-01").expect("it is on the list"));
}

#[test]
#[should_panic(expected = "ANY-00 has no switch")]
fn an_exhibit_without_a_switch_is_refused() {
    static WITHOUT: Exhibit = Exhibit {
        id: "ANY-00",
        state: State::NotExpressible { why: "it is none" },
        ..MIR_02
    };
    let _on = switch_on(&WITHOUT);
}

#[test]
fn exhibits_are_told_apart_and_found_by_either_name() {
    for exhibit in EXHIBITS {
        let constant = exhibit.id.replace('-', "_").to_uppercase();
        assert_eq!(constant, exhibit.constant);
        for name in [exhibit.id, exhibit.constant, &exhibit.id.to_lowercase()] {
            let found = find(name).expect("it is on the list");
            assert!(std::ptr::eq(found, *exhibit), "{name}");
        }
        assert!(!exhibit.breaks.is_empty());
    }
    assert!(find("MIR-99").is_none());
}

fn is_of_a_constant(character: char) -> bool {
    character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_'
}

/// The names in `bug!(..)` of all files below `folder`.
fn collect_switches(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the tree can be read") {
        let path = entry.expect("an entry of the tree can be read").path();
        if path.is_dir() {
            collect_switches(&path, into);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let code = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let arguments = line.split("bug!(").skip(1);
                let names = arguments.filter_map(|rest| Some(rest.split_once(')')?.0));
                // `debug!(..)` is none of ours.
                let names = names.filter(|name| name.chars().all(is_of_a_constant));
                into.extend(names.map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_list_and_the_engine_name_the_same_switches() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut switches = BTreeSet::new();
    for folder in ["runtime/src", "block/src", "jobs/src"] {
        collect_switches(&root.join(folder), &mut switches);
    }
    let here = EXHIBITS.iter().filter(|exhibit| exhibit.state.is_here());
    let here: BTreeSet<String> = here.map(|exhibit| exhibit.constant.to_owned()).collect();
    assert_eq!(switches, here);
}
