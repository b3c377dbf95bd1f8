//! What came of a lab.

use std::fmt;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::record::Record;
use crate::story::{Length, Story};

/// What came of trying seeds.
#[derive(Debug)]
pub enum Outcome {
    /// All of them passed.
    Passed {
        /// How many.
        seeds: u64,
        /// What is worth knowing of it.
        note: Option<String>,
    },
    /// One did not.
    Broken(Box<Broken>),
    /// What was asked for as a whole was not reached, and no single run shows it.
    Missed {
        /// What is missing.
        sentence: String,
    },
}

/// A run that failed.
#[derive(Debug)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// The kind of world.
    pub world: &'static str,
    /// What went wrong, in terms of the lab.
    pub sentence: String,
    /// The rule that was broken.
    pub failure: Failure,
    /// The run as one line.
    pub log: String,
    /// The run to look at, made as short as it quickly can be.
    pub record: Record,
}

impl Outcome {
    /// Whether all is well.
    pub fn passed(&self) -> bool {
        matches!(self, Outcome::Passed { .. })
    }

    /// What went wrong, if anything did.
    pub fn sentence(&self) -> Option<&str> {
        match self {
            Outcome::Passed { .. } => None,
            Outcome::Broken(broken) => Some(&broken.sentence),
            Outcome::Missed { sentence } => Some(sentence),
        }
    }

    /// As one object, for programs.
    pub fn to_json(&self) -> Value {
        match self {
            Outcome::Passed { seeds, note } => {
                json!({"passed": true, "seeds": seeds, "note": note})
            }
            Outcome::Missed { sentence } => json!({"passed": false, "sentence": sentence}),
            Outcome::Broken(broken) => json!({
                "passed": false,
                "sentence": broken.sentence,
                "seed": broken.seed,
                "world": broken.world,
                "rule": broken.failure.rule.name(),
                "place": broken.failure.place,
                "at_ns": broken.failure.at_ns,
                "decisions": broken.failure.decisions,
                "log": broken.log,
                "story": broken.story(),
            }),
        }
    }
}

impl Broken {
    /// What happened, in some lines. Whoever prints it has said the sentence before.
    pub fn story(&self) -> String {
        let story = Story::of(&self.record, Length::Short);
        match self.failure.text == self.sentence {
            true => story.body().to_string(),
            // The words of the rule say more than those of the lab.
            false => story.to_string(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed { seeds, note } => {
                write!(f, "{seeds} seeds passed")?;
                note.as_ref().map_or(Ok(()), |note| write!(f, ": {note}"))
            }
            Outcome::Missed { sentence } => f.write_str(sentence),
            Outcome::Broken(broken) => {
                let (seed, world) = (broken.seed, broken.world);
                writeln!(f, "{}", broken.sentence)?;
                write!(f, "(seed {seed}, world '{world}')")
            }
        }
    }
}
