//! The links of the chapters: each must lead somewhere, in the book, in the repository, or out.
//!
//! A link to a file of the repository is written as it works from the chapter's own folder. In the built
//! book the file stands beside the chapters as plain text, so the book can be carried away. Links to
//! other places are only for who wants to go there: no picture comes from one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use mdbook_markdown::pulldown_cmark::{CowStr, Event, Tag, TagEnd};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};

use crate::failure::{Failure, Place, Wrong};

/// The folder of the built book with files of the repository.
pub(crate) const COPIES: &str = "repository";

/// The chapters and the headings in them.
#[derive(Debug, Default)]
pub(crate) struct Map {
    anchors: BTreeMap<PathBuf, BTreeSet<String>>,
    /// The root of the repository.
    root: PathBuf,
    /// The folder of the chapters, from the root.
    source: PathBuf,
}

/// A chapter whose links were followed.
#[derive(Debug)]
pub(crate) struct Followed {
    /// The text, with links to files of the repository turned to their copies.
    pub(crate) text: String,
    /// How many links there are.
    pub(crate) links: usize,
    /// The files of the repository that it leads to, from the root.
    pub(crate) files: BTreeSet<PathBuf>,
}

/// Where a link leads.
enum Target {
    /// Out of what can be carried away.
    Outside,
    /// To a chapter or a heading.
    Inside,
    /// To a file of the repository, which is this one from the root.
    File(PathBuf),
}

impl Map {
    /// A map of chapters in the folder `source` of the repository at `root`.
    pub(crate) fn new(root: &Path, source: &Path) -> Map {
        Map {
            anchors: BTreeMap::new(),
            root: root.to_owned(),
            source: source.to_owned(),
        }
    }

    /// Adds a chapter, by its path from the folder of the chapters.
    pub(crate) fn add(&mut self, path: &Path, text: &str) {
        self.anchors.insert(path.to_owned(), anchors(text));
    }

    /// Follows each link of a chapter.
    pub(crate) fn follow(&self, path: &Path, text: &str) -> Result<Followed, Failure> {
        let mut followed = Followed {
            text: text.to_owned(),
            links: 0,
            files: BTreeSet::new(),
        };
        let mut edits = Vec::new();
        let parser = new_cmark_parser(text, &MarkdownOptions::default());
        for (event, range) in parser.into_offset_iter() {
            let (url, is_image) = match &event {
                Event::Start(Tag::Link { dest_url, .. }) => (dest_url, false),
                Event::Start(Tag::Image { dest_url, .. }) => (dest_url, true),
                _ => continue,
            };
            followed.links += 1;
            let line = text[..range.start].lines().count().max(1);
            let line = line + usize::from(text[..range.start].ends_with('\n'));
            let place = Place {
                file: self.source.join(path),
                line,
            };
            let target = self.target(path, url, is_image);
            if let Target::File(file) = target.map_err(|wrong| place.fails(wrong))? {
                let copy = copy_of(path, &file);
                let at = text[range.clone()].rfind(&**url);
                let at = at.ok_or_else(|| {
                    place.fails(format!("write the link to '{url}' as [text]({url})"))
                })?;
                let from = range.start + at;
                edits.push((from..from + url.len(), copy));
                followed.files.insert(file);
            }
        }
        for (range, copy) in edits.into_iter().rev() {
            followed.text.replace_range(range, &copy);
        }
        Ok(followed)
    }

    fn target(&self, chapter: &Path, url: &CowStr<'_>, is_image: bool) -> Result<Target, Wrong> {
        if url.starts_with("http://") || url.starts_with("https://") {
            if is_image {
                return Err(format!(
                    "'{url}' would be fetched by the reader: keep the picture in the book"
                ));
            }
            return Ok(Target::Outside);
        }
        let (file, anchor) = url.split_once('#').unwrap_or((url, ""));
        let folder = chapter.parent().unwrap_or(Path::new(""));
        let inside = match file {
            "" => Some(chapter.to_owned()),
            file => flat(&folder.join(file)),
        };
        if let Some(inside) = inside
            && let Some(anchors) = self.anchors.get(&inside)
        {
            if anchor.is_empty() || anchors.contains(anchor) {
                return Ok(Target::Inside);
            }
            return Err(format!(
                "'{}' has no heading '#{anchor}': it has {}",
                inside.display(),
                anchors
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        let from_root = flat(&self.source.join(folder).join(file));
        match from_root {
            Some(path) if self.root.join(&path).is_file() => Ok(Target::File(path)),
            _ => Err(format!(
                "'{url}' leads to no chapter and to no file of the repository"
            )),
        }
    }
}

/// Where a chapter finds the copy of a file of the repository.
fn copy_of(chapter: &Path, file: &Path) -> String {
    let up = "../".repeat(chapter.components().count().saturating_sub(1));
    format!("{up}{COPIES}/{}.txt", file.display())
}

/// The path without `..`; none if it leads out of where it starts.
fn flat(path: &Path) -> Option<PathBuf> {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => flat.push(name),
            Component::ParentDir if flat.pop() => {}
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(flat)
}

/// The ids that mdBook gives to the headings of a chapter.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading: Option<(Option<String>, String)> = None;
    for event in new_cmark_parser(text, &MarkdownOptions::default()) {
        match event {
            Event::Start(Tag::Heading { id, .. }) => {
                heading = Some((id.map(|id| id.to_string()), String::new()));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some((_, words)) = &mut heading {
                    words.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((id, words)) = heading.take() {
                    let id = id.unwrap_or_else(|| unique(&id_of(&words), &anchors));
                    anchors.insert(id);
                }
            }
            _ => {}
        }
    }
    anchors
}

fn unique(id: &str, used: &BTreeSet<String>) -> String {
    let mut next = 1;
    let mut candidate = id.to_owned();
    while used.contains(&candidate) {
        candidate = format!("{id}-{next}");
        next += 1;
    }
    candidate
}

fn id_of(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    let letters = letters.chars().filter_map(|letter| match letter {
        letter if letter.is_alphanumeric() || letter == '_' || letter == '-' => Some(letter),
        letter if letter.is_whitespace() => Some('-'),
        _ => None,
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> Map {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut map = Map::new(&root, Path::new("docs/book/src"));
        map.add(
            Path::new("a.md"),
            "# One loop\n\n## What `poll` does\n\n## What `poll` does\n",
        );
        map.add(Path::new("b.md"), "# Other\n");
        map
    }

    fn follow(text: &str) -> Result<Followed, String> {
        map()
            .follow(Path::new("b.md"), text)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn links_to_chapters_and_headings_are_followed() {
        let text = "[x](a.md) [y](a.md#what-poll-does) [z](a.md#what-poll-does-1) [w](#other)";
        let followed = follow(text).unwrap();
        assert_eq!((followed.links, followed.text.as_str()), (4, text));
    }

    #[test]
    fn a_heading_that_is_not_there_is_refused_with_those_that_are() {
        let wrong = follow("one\n\n[x](a.md#two)").unwrap_err();
        assert!(wrong.starts_with("docs/book/src/b.md:3: "), "{wrong}");
        assert!(wrong.contains("one-loop"), "{wrong}");
    }

    #[test]
    fn a_link_to_a_file_leads_to_its_copy() {
        let followed = follow("see [limits](../../LIMITS.md), [z](a.md)").unwrap();
        assert_eq!(
            followed.text,
            "see [limits](repository/docs/LIMITS.md.txt), [z](a.md)"
        );
        assert_eq!(followed.files, [PathBuf::from("docs/LIMITS.md")].into());
    }

    #[test]
    fn a_link_to_nowhere_is_refused() {
        assert!(follow("[x](c.md)").unwrap_err().contains("c.md"));
        assert!(follow("[x](../../../../../etc/passwd)").is_err());
    }

    #[test]
    fn a_picture_from_elsewhere_is_refused_and_a_link_is_not() {
        assert!(
            follow("![x](https://example.org/x.png)")
                .unwrap_err()
                .contains("fetched")
        );
        assert_eq!(follow("[x](https://example.org/)").unwrap().links, 1);
    }
}
