//! The table of the mirror's steps: where each is reported, and what its comment says.

use std::fmt::Write;

use super::SourceFile;
use super::scan::Item;

/// The type whose variants are the steps.
const STEP: &str = "jobs::mirror::steps::Step::";

/// The table, in order of the steps.
pub(super) fn table(items: &[Item], files: &[SourceFile]) -> String {
    let mut steps: Vec<_> = items
        .iter()
        .filter_map(|item| Some((number(item.path.strip_prefix(STEP)?)?, item)))
        .collect();
    steps.sort_by_key(|(number, _)| *number);
    let mut table = String::from("| step | in QEMU | here |\n|---|---|---|\n");
    for (number, item) in steps {
        let places = places(number, files).join(", ");
        let doc = item.doc.replace('\n', " ");
        writeln!(table, "| M{number} | {doc} | {places} |").expect("a string takes all");
    }
    table
}

fn number(variant: &str) -> Option<u32> {
    variant.strip_prefix('M')?.parse().ok()
}

/// The functions that report the step, with links to their files.
fn places(number: u32, files: &[SourceFile]) -> Vec<String> {
    let call = format!(".step(Step::M{number})");
    let mut places = Vec::new();
    for file in files {
        let mut function = None;
        for line in file.text.lines() {
            if let Some((before, after)) = line.split_once("fn ")
                && !before.contains("//")
            {
                function = after.split(['(', '<']).next();
            }
            if line.contains(&call) {
                let name = function.expect("a call stands in a function");
                let place = format!("`{name}` in [{0}](../{0})", file.path);
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
    }
    places
}

#[test]
fn a_step_stands_where_it_is_reported() {
    let file = |path: &str, text: &str| SourceFile {
        path: path.into(),
        module: "m".into(),
        text: text.into(),
    };
    let files = [
        file(
            "a.rs",
            "fn one() {\n self.step(Step::M1);\n}\nfn two() {\n self.step(Step::M12);\n}",
        ),
        file("b.rs", "async fn three<T>() {\n self.step(Step::M1);\n}"),
    ];
    assert_eq!(
        places(1, &files),
        ["`one` in [a.rs](../a.rs)", "`three` in [b.rs](../b.rs)"]
    );
    assert_eq!(places(2, &files), [""; 0]);
}
