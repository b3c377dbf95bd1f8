//! `{{#listing FILE [KIND NAME] [with-docs] [lines /FROM/../TO/]}}`: what stands in the repository.
//!
//! Without an item it is the whole file. With one it is the item word for word, without the comment
//! that documents it unless `with-docs` asks for that. `lines` cuts out the part from the first line
//! that the first expression matches to the next line that the second one matches.

use std::fs;
use std::path::Path;

use regex::Regex;

use crate::failure::Wrong;
use crate::item;
use crate::page;

/// What is to be shown.
#[derive(Debug, PartialEq, Eq)]
struct Listing<'a> {
    file: &'a str,
    item: Option<item::Wanted<'a>>,
    with_docs: bool,
    lines: Option<(&'a str, &'a str)>,
}

/// Lines of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The first line, counted from 1.
    pub(crate) first: usize,
    /// The text, without a line end after the last line.
    pub(crate) text: String,
}

/// The listing that `words` ask for, out of the repository at `root`, as Markdown.
pub(crate) fn make(root: &Path, words: &str) -> Result<String, Wrong> {
    let listing = parse(words)?;
    let text = fs::read_to_string(root.join(listing.file))
        .map_err(|error| format!("'{}' is no file of the repository: {error}", listing.file))?;
    let excerpt = cut(&listing, &text)?;
    let language = language(listing.file);
    refuse_hidden_lines(language, &excerpt)?;
    let name = listing.item.as_ref().map(ToString::to_string);
    let place = format!("{}:{}", listing.file, excerpt.first);
    let caption = match name {
        None => format!("<code>{}</code>", page::escape(listing.file)),
        Some(name) => format!(
            "<code>{}</code> in <code>{}</code>",
            page::escape(&name),
            page::escape(&place)
        ),
    };
    Ok(page::block("listing", language, &excerpt.text, &caption))
}

fn parse(words: &str) -> Result<Listing<'_>, Wrong> {
    let (words, lines) = match words.split_once(" lines ") {
        None => (words, None),
        Some((words, range)) => (words, Some(parse_range(range)?)),
    };
    let (words, with_docs) = match words.trim().strip_suffix(" with-docs") {
        None => (words.trim(), false),
        Some(words) => (words.trim(), true),
    };
    let (file, item) = words.split_once(' ').unwrap_or((words, ""));
    if file.is_empty() {
        return Err("a listing names a file: {{#listing FILE [KIND NAME]}}".to_owned());
    }
    let item = match item.trim() {
        "" => None,
        item => Some(item::Wanted::parse(item)?),
    };
    Ok(Listing {
        file,
        item,
        with_docs,
        lines,
    })
}

fn parse_range(text: &str) -> Result<(&str, &str), Wrong> {
    let inside = text.trim().strip_prefix('/');
    let inside = inside.and_then(|text| text.strip_suffix('/'));
    let parts = inside.and_then(|text| text.split_once("/../"));
    parts.ok_or_else(|| format!("'{text}' is no range: write lines /FROM/../TO/"))
}

fn cut(listing: &Listing<'_>, text: &str) -> Result<Excerpt, Wrong> {
    let whole = match &listing.item {
        None => Excerpt {
            first: 1,
            text: text.trim_end().to_owned(),
        },
        Some(wanted) => item::find(text, wanted, listing.with_docs)
            .map_err(|wrong| format!("{}: {wrong}", listing.file))?,
    };
    let part = match listing.lines {
        None => whole,
        Some((from, to)) => part(&whole, from, to)?,
    };
    Ok(Excerpt {
        first: part.first,
        text: dedent(&part.text),
    })
}

fn part(whole: &Excerpt, from: &str, to: &str) -> Result<Excerpt, Wrong> {
    let expression = |text: &str| {
        Regex::new(text).map_err(|error| format!("/{text}/ is no regular expression: {error}"))
    };
    let (begins, ends) = (expression(from)?, expression(to)?);
    let lines: Vec<_> = whole.text.lines().collect();
    let first = lines.iter().position(|line| begins.is_match(line));
    let first = first.ok_or_else(|| format!("no line matches /{from}/"))?;
    let last = lines[first + 1..]
        .iter()
        .position(|line| ends.is_match(line));
    let last = last.ok_or_else(|| format!("no line after that of /{from}/ matches /{to}/"))?;
    Ok(Excerpt {
        first: whole.first + first,
        text: lines[first..=first + 1 + last].join("\n"),
    })
}

/// The text without the indentation that all of its lines have.
fn dedent(text: &str) -> String {
    let indents = text.lines().filter(|line| !line.trim().is_empty());
    let indent = indents
        .map(|line| line.len() - line.trim_start().len())
        .min();
    let indent = indent.unwrap_or(0);
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.get(indent..).unwrap_or(""))
        .collect();
    lines.join("\n")
}

fn language(file: &str) -> &'static str {
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs") => "rust",
        Some("toml") => "toml",
        Some("sh") => "sh",
        Some("json") => "json",
        _ => "text",
    }
}

/// mdBook hides lines of Rust that begin like those of a hidden doctest line.
fn refuse_hidden_lines(language: &str, excerpt: &Excerpt) -> Result<(), Wrong> {
    let mut lines = excerpt.text.lines();
    let hidden = lines.position(|line| {
        let line = line.trim_start();
        line == "#" || line.starts_with("# ")
    });
    match hidden {
        Some(at) if language == "rust" => Err(format!(
            "line {} of the file would be hidden, as it begins with '# '",
            excerpt.first + at
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "//! A file.\n\nstruct Loop;\n\nimpl Loop {\n    /// Turns.\n    fn turn(&self) {\n        \
                        begin();\n        middle();\n        end();\n    }\n}\n";

    fn excerpt(words: &str) -> Result<Excerpt, Wrong> {
        cut(&parse(words)?, FILE)
    }

    #[test]
    fn without_an_item_it_is_the_whole_file() {
        let whole = excerpt("a.rs").unwrap();
        assert_eq!((whole.first, whole.text.as_str()), (1, FILE.trim_end()));
    }

    #[test]
    fn a_method_is_shown_from_its_own_line_without_its_indentation_and_docs() {
        let turn = excerpt("a.rs fn Loop::turn").unwrap();
        assert_eq!(turn.first, 7);
        assert!(
            turn.text.starts_with("fn turn(&self) {\n    begin();"),
            "{}",
            turn.text
        );
        assert!(turn.text.ends_with("\n}"), "{}", turn.text);
        let documented = excerpt("a.rs fn Loop::turn with-docs").unwrap();
        assert_eq!(documented.first, 6);
        assert!(documented.text.starts_with("/// Turns.\nfn turn"));
    }

    #[test]
    fn lines_cut_a_part_out_of_the_item() {
        let part = excerpt("a.rs fn Loop::turn lines /begin/../middle/").unwrap();
        assert_eq!((part.first, part.text.as_str()), (8, "begin();\nmiddle();"));
    }

    #[test]
    fn lines_that_are_not_there_are_refused() {
        let wrong = excerpt("a.rs fn Loop::turn lines /begin/../nowhere/").unwrap_err();
        assert!(wrong.contains("/nowhere/"), "{wrong}");
        let wrong = excerpt("a.rs lines begin").unwrap_err();
        assert!(wrong.contains("/FROM/../TO/"), "{wrong}");
    }

    #[test]
    fn an_item_that_is_not_there_is_refused_with_its_name() {
        let wrong = excerpt("a.rs fn Loop::stop").unwrap_err();
        assert!(wrong.contains("fn Loop::stop"), "{wrong}");
    }

    #[test]
    fn a_file_that_is_not_there_is_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(
            make(root, "no/such/file.rs")
                .unwrap_err()
                .contains("no/such/file.rs")
        );
    }

    #[test]
    fn a_line_that_the_renderer_would_hide_is_refused() {
        let hidden = Excerpt {
            first: 4,
            text: "let a = r#\"\n# title\n\"#;".to_owned(),
        };
        assert!(
            refuse_hidden_lines("rust", &hidden)
                .unwrap_err()
                .contains("line 5")
        );
        assert!(refuse_hidden_lines("text", &hidden).is_ok());
    }
}
