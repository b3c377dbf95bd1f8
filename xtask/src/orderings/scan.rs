//! Where the orderings are, and what weaker ones there are.

use std::fs;
use std::path::Path;

use crate::Failure;

/// What a comment begins with that keeps an ordering.
const KEPT: &str = "ordering: kept, because";

/// An ordering that is more than relaxed, or a fence.
pub(crate) struct Place {
    /// Below runtime/src.
    pub(crate) file: String,
    pub(crate) line: usize,
    /// How it is written.
    pub(crate) what: &'static str,
    pub(crate) verdict: Verdict,
}

/// What is to be done with a place.
pub(crate) enum Verdict {
    /// Nothing; a comment says why.
    Kept(String),
    Mutate(Vec<Mutant>),
}

/// The whole file with one change.
pub(crate) struct Mutant {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What each ordering is weakened to, the nearest first.
const WEAKER: [(&str, &[&str]); 4] = [
    ("SeqCst", &["AcqRel", "Relaxed"]),
    ("AcqRel", &["Acquire", "Release"]),
    ("Acquire", &["Relaxed"]),
    ("Release", &["Relaxed"]),
];

/// All places of the files below `folder`, in the order of their names. What the museum has of its own is
/// left out.
pub(crate) fn places(folder: &Path) -> Result<Vec<Place>, Failure> {
    let mut files = Vec::new();
    collect(folder, folder, &mut files)?;
    files.sort();
    let mut places = Vec::new();
    for file in files {
        let text = fs::read_to_string(folder.join(&file))?;
        places.extend(in_file(&file, &text));
    }
    Ok(places)
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<String>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
        if path.is_dir() {
            collect(root, &path, into)?;
        } else if name.ends_with(".rs") && !name.starts_with("museum") {
            into.push(name);
        }
    }
    Ok(())
}

fn in_file(file: &str, text: &str) -> Vec<Place> {
    let lines: Vec<&str> = text.lines().collect();
    let code = lines.iter().enumerate();
    let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
    let mut places = Vec::new();
    for (index, line) in code {
        for (what, weaker) in WEAKER {
            let written = format!("Ordering::{what}");
            if !line.contains(&written) {
                continue;
            }
            let is_fence = line.contains("fence(");
            let verdict = match comment_above(&lines[..index]) {
                Some(why) => Verdict::Kept(why),
                None => Verdict::Mutate(mutants(&lines, index, &written, weaker, is_fence)),
            };
            places.push(Place {
                file: file.to_owned(),
                line: index + 1,
                what,
                verdict,
            });
        }
    }
    places
}

/// The mutants of one line. A fence is weakened to the next, or taken out.
fn mutants(
    lines: &[&str],
    index: usize,
    written: &str,
    weaker: &[&str],
    is_fence: bool,
) -> Vec<Mutant> {
    let changed = |name: String, line: String| {
        let mut lines = lines.to_vec();
        lines[index] = &line;
        Mutant {
            name,
            text: lines.join("\n") + "\n",
        }
    };
    let kept = written.trim_start_matches("Ordering::");
    let mut mutants: Vec<Mutant> = weaker
        .iter()
        // There is no relaxed fence.
        .filter(|weaker| !is_fence || **weaker != "Relaxed")
        .map(|weaker| {
            let line = lines[index].replace(written, &format!("Ordering::{weaker}"));
            let of = if is_fence { "fence " } else { "" };
            changed(format!("{of}{kept} -> {weaker}"), line)
        })
        .collect();
    if is_fence {
        // What imports it would be left over.
        let line = "let _ = fence as fn(Ordering);".to_owned();
        mutants.push(changed(format!("fence {kept} -> none"), line));
    }
    mutants
}

/// The reason in the comment right above the statement that ends the given lines.
fn comment_above(lines: &[&str]) -> Option<String> {
    let is_comment = |line: &&&str| line.trim_start().starts_with("//");
    let ends = |line: &&&str| {
        let line = line.trim_end();
        line.ends_with([';', '{', '}']) || line.is_empty()
    };
    // The lines of the statement before this one, and then the comment.
    let statement = lines
        .iter()
        .rev()
        .take_while(|line| !is_comment(line) && !ends(line));
    let above = &lines[..lines.len() - statement.count()];
    let comment: Vec<&str> = above.iter().rev().take_while(is_comment).copied().collect();
    let texts = comment
        .iter()
        .rev()
        .map(|line| line.trim().trim_start_matches('/').trim());
    let text = texts.collect::<Vec<_>>().join(" ");
    let (_, why) = text.split_once(KEPT)?;
    Some(why.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
        // Acquire: pairs.\n\
        a.load(Ordering::Acquire);\n\
        // Some words.\n\
        // ordering: kept, because loom does\n\
        // not see it.\n\
        b.state\n\
        .swap(Ordering::AcqRel);\n\
        fence(Ordering::SeqCst);\n\
        // c.load(Ordering::SeqCst)\n\
        d.load(Ordering::Relaxed);\n";

    #[test]
    fn each_ordering_is_weakened_and_each_fence_taken_out() {
        let places = in_file("a.rs", TEXT);
        let names: Vec<String> = places
            .iter()
            .flat_map(|place| match &place.verdict {
                Verdict::Kept(why) => vec![format!("{} {why}", place.line)],
                Verdict::Mutate(mutants) => mutants
                    .iter()
                    .map(|mutant| format!("{} {}", place.line, mutant.name))
                    .collect(),
            })
            .collect();
        let expected = [
            "2 Acquire -> Relaxed",
            "7 loom does not see it.",
            "8 fence SeqCst -> AcqRel",
            "8 fence SeqCst -> none",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_mutant_differs_in_one_line() {
        for place in in_file("a.rs", TEXT) {
            let Verdict::Mutate(mutants) = place.verdict else {
                continue;
            };
            for mutant in mutants {
                let differs = TEXT
                    .lines()
                    .zip(mutant.text.lines())
                    .filter(|(a, b)| a != b);
                assert_eq!(differs.count(), 1, "{}", mutant.name);
            }
        }
    }
}
