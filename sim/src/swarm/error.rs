//! What can be wrong with a scenario.

use std::fmt;

use crate::config::{ConfigError, Field};

use super::Scenario;

/// What is wrong with a scenario, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// What the text was read from, if somebody has said.
    pub file: Option<String>,
    /// The line, counted from 1; nothing if it is the whole text.
    pub line: Option<usize>,
    /// What is wrong.
    pub kind: ScenarioErrorKind,
}

/// What is wrong with a line of a scenario, or with all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioErrorKind {
    /// The text does not say what the scenario is called.
    #[error("the scenario has no name: write name = ..., in letters, digits and -")]
    NoName,
    /// No name for a scenario.
    #[error("'{name}' is no name: write letters, digits and -, so that no shell wants it quoted")]
    BadName {
        /// What was written.
        name: String,
    },
    /// A line without a value.
    #[error("'{text}' has no value: write key = value")]
    NoValue {
        /// What was written.
        text: String,
    },
    /// There is no such field.
    #[error("'{key}' is no field: {advice}")]
    Unknown {
        /// What was written.
        key: String,
        /// What was meant, perhaps.
        advice: String,
    },
    /// A field has two lines.
    #[error("{key} has a line already: write the values behind each other, with | between them")]
    Twice {
        /// The field.
        key: String,
    },
    /// A value that the field cannot have.
    #[error("{key} = {value}: expected {expected}")]
    Value {
        /// The field.
        key: &'static str,
        /// What was written.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// What was drawn does not go together, however often it was drawn.
    #[error("none of {tries} draws goes together; of the last one, {last}")]
    Never {
        /// How often it was tried.
        tries: u32,
        /// What was wrong the last time.
        last: String,
    },
    /// There is no such scenario.
    #[error("there is no scenario '{name}'; there are {known}")]
    NoScenario {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

impl ScenarioErrorKind {
    pub(super) fn unknown(key: &str) -> Self {
        let near = Field::ALL
            .iter()
            .map(|field| (distance(key, field.key()), field.key()))
            .min();
        let advice = match near {
            Some((distance, near)) if distance <= 2 => format!("did you mean {near}?"),
            _ => {
                let keys: Vec<_> = Field::ALL.iter().map(|field| field.key()).collect();
                format!("fields are {}", keys.join(", "))
            }
        };
        ScenarioErrorKind::Unknown {
            key: key.to_owned(),
            advice,
        }
    }
}

impl ScenarioError {
    pub(super) fn at(line: usize, kind: ScenarioErrorKind) -> Self {
        ScenarioError {
            file: None,
            line: Some(line),
            kind,
        }
    }

    pub(super) fn whole(kind: ScenarioErrorKind) -> Self {
        ScenarioError {
            file: None,
            line: None,
            kind,
        }
    }

    pub(super) fn never(name: &str, tries: u32, last: Option<ConfigError>) -> Self {
        let last = last.map_or_else(String::new, |error| error.to_string());
        Self::whole(ScenarioErrorKind::Never { tries, last }).in_file(name)
    }

    pub(super) fn unknown(name: &str) -> Self {
        let known: Vec<_> = Scenario::built_in_names().collect();
        Self::whole(ScenarioErrorKind::NoScenario {
            name: name.to_owned(),
            known: known.join(", "),
        })
    }

    /// The same error, which says that the text was read from `file`.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.kind),
            (Some(file), None) => write!(f, "{file}: {}", self.kind),
            (None, Some(line)) => write!(f, "line {line}: {}", self.kind),
            (None, None) => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for ScenarioError {}

/// How many letters have to be added, taken away or changed to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
