//! A case: one run that can be made again, as one line of text.
//!
//! A case is what the run was told and what was decided in it. Its text is that of a
//! [`Recording`], whose opaque part is the configuration; if an exhibit of the museum is to be switched
//! on, its id follows as a last item:
//!
//! ```text
//! bj1:granules=1,deeds=1,bug=MIR-02:monitor.verb,aio.next=3a4.17,12b1.2:....
//! ```
//!
//! In a file the case is the first line that begins like one, and all other lines are for people.

mod replayed;
mod switch;
mod what_if;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::config::{Config, ConfigError};
use crate::decide::{Log, Recording, TextError};
pub use replayed::Replayed;
pub use switch::{BugError, Switch, switch_on};
pub use what_if::{WhatIf, WhatIfError};

/// With this the item begins that names an exhibit of the museum.
const BUG: &str = "bug=";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    config: Config,
    bug: Option<String>,
    recording: Recording,
}

/// What is wrong with the text of a case.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CaseError {
    /// There is no line that begins like a case.
    #[error("there is no case here: one is a line that begins with '{BEGINNING}'")]
    NoCase,
    /// The log cannot be read.
    #[error("the log of the case cannot be read: {0}")]
    Log(#[from] TextError),
    /// The configuration cannot be read.
    #[error("what the run was told cannot be read: {0}")]
    Config(#[from] ConfigError),
    /// The name of an exhibit has characters that no id has.
    #[error("'{0}' is no id of an exhibit: those are of letters, digits and '-', as MIR-02")]
    Bug(String),
}

/// With this the text of a case begins.
const BEGINNING: &str = "bj1:";

impl Case {
    /// The run that was told `config` and in which `log` was decided.
    pub fn new(config: &Config, log: &Log) -> Case {
        Case::made(config, None, log)
    }

    /// The same with an exhibit of the museum switched on, which goes by its id, in any case.
    ///
    /// # Errors
    ///
    /// If that is no id. Whether there is such an exhibit is seen when the run is made.
    pub fn with_bug(mut self, id: &str) -> Result<Case, CaseError> {
        let id = bug_id(id)?;
        self.recording.config = told(&self.config, Some(&id));
        self.bug = Some(id);
        Ok(self)
    }

    /// A case of another run with the same exhibit.
    pub(crate) fn sibling(&self, config: &Config, log: &Log) -> Case {
        Case::made(config, self.bug.clone(), log)
    }

    fn made(config: &Config, bug: Option<String>, log: &Log) -> Case {
        let recording = Recording::new(&told(config, bug.as_deref()), log);
        Case {
            config: config.clone(),
            recording: recording.expect("names of fields and ids of exhibits are plain"),
            bug,
        }
    }

    /// What the run is told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The id of the exhibit that is to be switched on, if one is.
    pub fn bug(&self) -> Option<&str> {
        self.bug.as_deref()
    }

    /// What was decided.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The case in the text of a file: the first line that begins like one. All others are for people.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be read.
    pub fn find_in(text: &str) -> Result<Case, CaseError> {
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| line.starts_with(BEGINNING));
        line.ok_or(CaseError::NoCase)?.parse()
    }

    /// The text of a file with this case in it, below `comment`, whose lines are for people.
    pub fn in_file(&self, comment: &str) -> String {
        let mut text = String::new();
        for line in comment.lines() {
            text.push_str(if line.is_empty() { "#" } else { "# " });
            text.push_str(line);
            text.push('\n');
        }
        format!("{text}{self}\n")
    }
}

/// What a run is told, as one text: the configuration, and the exhibit if one is to be switched on.
pub fn told(config: &Config, bug: Option<&str>) -> String {
    let config = config.to_string();
    match bug {
        None => config,
        Some(bug) if config.is_empty() => format!("{BUG}{bug}"),
        Some(bug) => format!("{config},{BUG}{bug}"),
    }
}

/// Reads what [`told`] writes; the exhibit may stand anywhere among the fields.
///
/// # Errors
///
/// What [`Config::parse`] says, and an exhibit whose name cannot be one.
pub fn parse_told(text: &str) -> Result<(Config, Option<String>), CaseError> {
    let items = || text.split(',');
    let bug = items()
        .filter_map(|item| item.strip_prefix(BUG))
        .next_back();
    let fields: Vec<_> = items().filter(|item| !item.starts_with(BUG)).collect();
    let config = Config::parse(&fields.join(","))?;
    Ok((config, bug.map(bug_id).transpose()?))
}

fn bug_id(id: &str) -> Result<String, CaseError> {
    let plain = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let id = id.replace('_', "-").to_ascii_uppercase();
    if id.is_empty() || !id.chars().all(plain) {
        return Err(CaseError::Bug(id));
    }
    Ok(id)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.recording.fmt(f)
    }
}

impl FromStr for Case {
    type Err = CaseError;

    /// Reads what [`Display`](fmt::Display) writes; space around it is ignored.
    fn from_str(text: &str) -> Result<Case, CaseError> {
        let recording: Recording = text.parse()?;
        let (config, bug) = parse_told(recording.config())?;
        Ok(Case {
            config,
            bug,
            recording,
        })
    }
}
