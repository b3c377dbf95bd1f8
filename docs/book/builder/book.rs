//! The book as a whole: its chapters are read, their links followed, their directives replaced by what
//! they make, and mdBook renders what comes of it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use mdbook_driver::MDBook;
use mdbook_driver::book::{BookItem, Chapter};
use mdbook_driver::config::Config;

use crate::console::Console;
use crate::convergence;
use crate::directive::{Directive, Line, lines};
use crate::failure::{Failure, Place, Wrong};
use crate::figure::Figures;
use crate::links::{COPIES, Map};
use crate::listing;
use crate::outside;
use crate::sample::Samples;

/// The folder of the book, from the root of the repository.
pub(crate) const FOLDER: &str = "docs/book";

/// What was made or checked, how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Chapters with a text.
    pub(crate) chapters: usize,
    /// Chapters that are announced and not written.
    pub(crate) drafts: usize,
    /// Listings out of the repository.
    pub(crate) listings: usize,
    /// Runs of the program.
    pub(crate) runs: usize,
    /// Drawings.
    pub(crate) figures: usize,
    /// Small programs.
    pub(crate) samples: usize,
    /// Links.
    pub(crate) links: usize,
}

impl Counts {
    /// What there is none of, though a book has some.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let all = [
            (self.chapters, "chapters"),
            (self.listings, "listings"),
            (self.runs, "runs"),
            (self.figures, "figures"),
            (self.samples, "samples"),
            (self.links, "links"),
        ];
        let none = all.into_iter().filter(|(count, _)| *count == 0);
        none.map(|(_, what)| what).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} chapters, {} listings, {} runs, {} figures, {} samples, {} links",
            self.chapters, self.listings, self.runs, self.figures, self.samples, self.links
        )?;
        if self.drafts > 0 {
            write!(f, "; {} chapters are not written", self.drafts)?;
        }
        Ok(())
    }
}

/// Who makes what the directives ask for.
pub(crate) struct Makers {
    /// The root of the repository.
    pub(crate) root: PathBuf,
    /// Runs of the program.
    pub(crate) console: Console,
    /// Small programs.
    pub(crate) samples: Samples,
    /// Drawings.
    pub(crate) figures: Figures,
    /// The only chapter that is made, by its file's name without an ending; else all are.
    pub(crate) only: Option<String>,
}

/// The book with every directive replaced, ready to be rendered.
pub(crate) struct Made {
    book: MDBook,
    files: BTreeSet<PathBuf>,
    root: PathBuf,
    /// What was made.
    pub(crate) counts: Counts,
}

impl Makers {
    /// Reads the book in `folder` of the repository, follows its links and replaces its directives.
    pub(crate) fn make(&self, folder: &Path) -> Result<Made, Failure> {
        let mut book = load(&self.root.join(folder))?;
        let source = folder.join(&book.config.book.src);
        let mut map = Map::new(&self.root, &source);
        let mut counts = Counts::default();
        for item in book.book.iter() {
            match item {
                BookItem::Chapter(Chapter {
                    path: Some(path),
                    content,
                    ..
                }) => map.add(path, content),
                BookItem::Chapter(_) => counts.drafts += 1,
                _ => {}
            }
        }
        let mut files = BTreeSet::new();
        let mut failure = None;
        book.book.for_each_chapter_mut(|chapter| {
            if failure.is_none() {
                let made = self.chapter(chapter, &source, &map, &mut counts, &mut files);
                failure = made.err();
            }
        });
        match failure {
            Some(failure) => Err(failure),
            None => Ok(Made {
                book,
                files,
                root: self.root.clone(),
                counts,
            }),
        }
    }

    fn chapter(
        &self,
        chapter: &mut Chapter,
        source: &Path,
        map: &Map,
        counts: &mut Counts,
        files: &mut BTreeSet<PathBuf>,
    ) -> Result<(), Failure> {
        let Some(path) = &chapter.path else {
            return Ok(());
        };
        let name = path.file_stem().and_then(|name| name.to_str());
        if self.only.is_some() && self.only.as_deref() != name {
            return Ok(());
        }
        counts.chapters += 1;
        let followed = map.follow(path, &chapter.content)?;
        counts.links += followed.links;
        files.extend(followed.files);
        let mut text = String::new();
        for (at, line) in lines(&followed.text).into_iter().enumerate() {
            let place = Place {
                file: source.join(path),
                line: at + 1,
            };
            let made = match line {
                Line::Text(line) => line.to_owned(),
                Line::Wrong(wrong) => return Err(place.fails(wrong)),
                Line::Directive(directive) => self
                    .directive(&directive, counts)
                    .map_err(|wrong| place.fails(wrong))?,
            };
            text.push_str(&made);
            text.push('\n');
        }
        chapter.content = text;
        Ok(())
    }

    fn directive(&self, directive: &Directive<'_>, counts: &mut Counts) -> Result<String, Wrong> {
        let (count, made) = match directive {
            Directive::Listing(words) => (&mut counts.listings, listing::make(&self.root, words)),
            Directive::Run(words) => (&mut counts.runs, self.console.make(words)),
            Directive::Figure(words) => (&mut counts.figures, self.figures.make(words)),
            Directive::Sample(name) => (&mut counts.samples, self.samples.make(name)),
            Directive::Convergence => (&mut counts.figures, convergence::make()),
        };
        *count += 1;
        made
    }
}

impl Made {
    /// Writes the pages into the folder `out`, which is emptied before.
    pub(crate) fn render(mut self, out: &Path) -> Result<(), Failure> {
        self.book.config.build.build_dir = out.to_owned();
        self.book
            .build()
            .map_err(|error| Failure::Book(format!("mdBook cannot render: {error:#}")))?;
        for file in &self.files {
            let copy = out.join(COPIES).join(format!("{}.txt", file.display()));
            let folder = copy.parent().expect("it is below a folder");
            fs::create_dir_all(folder)
                .and_then(|()| fs::copy(self.root.join(file), &copy))
                .map_err(|error| Failure::Book(format!("'{}': {error}", copy.display())))?;
        }
        outside::refuse(out)
    }
}

fn load(folder: &Path) -> Result<MDBook, Failure> {
    let read = || {
        let config = Config::from_disk(folder.join("book.toml"))?;
        MDBook::load_with_config(folder, config)
    };
    read().map_err(|error: mdbook_driver::errors::Error| {
        Failure::Book(format!("'{}' is no book: {error:#}", folder.display()))
    })
}
