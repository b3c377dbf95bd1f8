//! The page: the head, and a table for each file of QEMU's.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Row;

/// What is written by hand, with the place of the table of steps marked.
const HEAD: &str = include_str!("head.md");
/// That mark.
const STEPS: &str = "<!-- steps -->\n";

/// The page with these rows and steps.
pub(super) fn page(mut rows: Vec<Row<'_>>, steps: &str) -> String {
    // By the names as a reader looks for them: what stands for a whole file comes first.
    rows.sort_by(|(cited, item), (other_cited, other_item)| {
        (cited, &item.path).cmp(&(other_cited, &other_item.path))
    });
    rows.dedup();
    // What the head of a file says again of an item in it tells the reader nothing new.
    let said: BTreeSet<_> = rows
        .iter()
        .filter(|(_, item)| !item.is_module)
        .map(|(cited, item)| (cited.clone(), item.file.clone()))
        .collect();
    rows.retain(|(cited, item)| {
        !item.is_module || !said.contains(&(cited.clone(), item.file.clone()))
    });
    let mut page = HEAD.replace(STEPS, steps);
    let mut file = "";
    for (cited, item) in &rows {
        if file != cited.file {
            file = &cited.file;
            write!(
                page,
                "\n### {file}\n\n| QEMU | here | our file |\n|---|---|---|\n"
            )
            .expect("a string takes all");
        }
        let name = match &cited.name {
            Some(name) => format!("`{name}`"),
            None => "(the file)".to_owned(),
        };
        writeln!(
            page,
            "| {name} | `{0}` | [{1}](../{1}) |",
            item.path, item.file
        )
        .expect("a string takes all");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::super::cite::Citation;
    use super::super::scan::Item;
    use super::*;

    #[test]
    fn rows_are_sorted_and_stand_once_and_a_module_does_not_repeat_its_items() {
        let item = |path: &str| Item {
            path: path.into(),
            file: "a/src/x.rs".into(),
            line: 1,
            doc: String::new(),
            is_module: path == "a",
        };
        let cited = |file: &str, name: Option<&str>| Citation {
            file: file.into(),
            name: name.map(str::to_owned),
        };
        let (module, first, second) = (item("a"), item("a::f"), item("a::g"));
        let page = page(
            vec![
                (cited("block.c", Some("b")), &second),
                (cited("block.c", Some("b")), &module),
                (cited("block.c", Some("c")), &module),
                (cited("aio.c", Some("z")), &first),
                (cited("block.c", Some("b")), &first),
                (cited("block.c", None), &first),
                (cited("block.c", Some("b")), &first),
            ],
            "",
        );
        let at = page.find("### aio.c").expect("a table for each file");
        let file = "[a/src/x.rs](../a/src/x.rs)";
        let head = "| QEMU | here | our file |\n|---|---|---|\n";
        assert_eq!(
            page[at..],
            format!(
                "### aio.c\n\n{head}| `z` | `a::f` | {file} |\n\n\
                 ### block.c\n\n{head}| (the file) | `a::f` | {file} |\n\
                 | `b` | `a::f` | {file} |\n| `b` | `a::g` | {file} |\n\
                 | `c` | `a` | {file} |\n"
            )
        );
    }

    #[test]
    fn the_head_has_a_place_for_the_steps() {
        assert_eq!(HEAD.matches(STEPS).count(), 1);
    }
}
