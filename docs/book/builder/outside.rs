//! That no page of the built book fetches anything: it is read without a network.

use std::fs;
use std::path::Path;

use regex::Regex;

use crate::failure::Failure;

/// What a page fetches by itself, as against links that a reader may follow.
const FETCHES: &str = r#"(?i)<(?:script|link|img|iframe|source|object|embed)\b[^>]*?(?:src|href|data)="((?:https?:)?//[^"]*)""#;

/// The same in style sheets.
const IMPORTS: &str = r#"(?i)(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')\s]*)"#;

/// Fails at the first page or style sheet below `folder` that fetches something from outside.
pub(crate) fn refuse(folder: &Path) -> Result<(), Failure> {
    let unreadable =
        |error| Failure::Book(format!("'{}' cannot be read: {error}", folder.display()));
    let mut entries: Vec<_> = fs::read_dir(folder)
        .map_err(unreadable)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            refuse(&path)?;
            continue;
        }
        let pattern = match path.extension().and_then(|it| it.to_str()) {
            Some("html") => FETCHES,
            Some("css") => IMPORTS,
            _ => continue,
        };
        let text = fs::read_to_string(&path).map_err(unreadable)?;
        if let Some(url) = fetched(&text, pattern) {
            return Err(Failure::Book(format!(
                "'{}' fetches '{url}': the book must be readable without a network",
                path.display()
            )));
        }
    }
    Ok(())
}

fn fetched(text: &str, pattern: &str) -> Option<String> {
    let pattern = Regex::new(pattern).expect("it is a regular expression");
    pattern.captures(text).map(|found| found[1].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_fetches_is_found_and_a_link_is_not() {
        let of = |text: &str| fetched(text, FETCHES);
        assert_eq!(of(r#"<a href="https://a.b/">x</a>"#), None);
        assert_eq!(of(r#"<link rel="x" href="c.css"><img src="d.svg">"#), None);
        assert_eq!(
            of(r#"<img alt="x" src="//a.b/c.png">"#).unwrap(),
            "//a.b/c.png"
        );
        assert_eq!(
            of(r#"<script src="https://a.b/c.js">"#).unwrap(),
            "https://a.b/c.js"
        );
    }

    #[test]
    fn what_a_style_sheet_fetches_is_found() {
        let of = |text: &str| fetched(text, IMPORTS);
        assert_eq!(of("a { background: url('x.svg') }"), None);
        assert_eq!(
            of("@import \"https://a.b/c.css\";").unwrap(),
            "https://a.b/c.css"
        );
        assert_eq!(of("a { background: url(//a.b/c) }").unwrap(), "//a.b/c");
    }
}
