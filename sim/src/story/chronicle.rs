//! All that happened, a sentence for each thing, in order.

use std::rc::Rc;

use super::content::Contents;
use super::facts::{Facts, Moment, Span};
use super::words;

mod copies;
mod guests;
mod jobs;
mod sections;
mod work;

/// How much a sentence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// What is only told where all is told.
    Detail,
    /// What is told if it touches what the story is about.
    Plain,
    /// A turn in the life of a job: told in each story of that job.
    Turn,
}

/// What a sentence is about.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) span: Option<Span>,
    pub(super) job: Option<usize>,
    pub(super) node: Option<Rc<str>>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    pub(super) at: Moment,
    pub(super) text: String,
    pub(super) weight: Weight,
    pub(super) about: About,
}

/// Writes the sentences.
pub(super) struct Chronicle<'a> {
    facts: &'a Facts,
    /// How the contents of the place went that the story is about.
    contents: Option<&'a Contents>,
    sentences: Vec<Sentence>,
}

impl Chronicle<'_> {
    fn say(&mut self, at: Moment, weight: Weight, about: About, text: String) {
        self.sentences.push(Sentence {
            at,
            text: words::sentence(&text),
            weight,
            about,
        });
    }

    /// What a program says of those whom it has added.
    fn notes(&mut self) {
        for (at, note) in &self.facts.notes {
            let text = format!("{} {}.", words::capital(&note.who), note.text);
            self.say(*at, Weight::Plain, About::default(), text);
        }
    }

    /// What a request at a disk had in it, as an addition to a sentence.
    fn carried(&self, op: usize) -> String {
        let carried = self.contents.and_then(|it| it.carried.get(&op));
        carried.map_or_else(String::new, |content| {
            format!(", with {}", self.facts.content(*content))
        })
    }
}

/// All sentences, in order.
pub(super) fn tell(facts: &Facts, contents: Option<&Contents>) -> Vec<Sentence> {
    let mut chronicle = Chronicle {
        facts,
        contents,
        sentences: Vec::new(),
    };
    chronicle.guests();
    chronicle.copies();
    chronicle.sections();
    chronicle.jobs();
    chronicle.work();
    chronicle.notes();
    let mut sentences = chronicle.sentences;
    sentences.sort_by_key(|sentence| sentence.at.seq);
    merge(sentences)
}

/// What is said again and again is said once, with how often.
fn merge(sentences: Vec<Sentence>) -> Vec<Sentence> {
    let mut merged: Vec<(Sentence, usize)> = Vec::new();
    for sentence in sentences {
        match merged.last_mut() {
            Some((last, times)) if last.text == sentence.text => *times += 1,
            _ => merged.push((sentence, 1)),
        }
    }
    let said = merged.into_iter().map(|(mut sentence, times)| {
        match times {
            1 => {}
            2 => sentence.text.push_str(" So once more."),
            times => {
                let more = format!(" So {} times more.", times - 1);
                sentence.text.push_str(&more);
            }
        }
        sentence
    });
    said.collect()
}
