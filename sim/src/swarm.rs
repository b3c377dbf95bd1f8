//! Swarms: many configurations out of one small text, a seed each.
//!
//! A world in which everything may happen is not the one in which everything does: a guest that
//! discards all the time leaves nothing to copy, errors end jobs before they are READY, and a pause
//! hides what a drained section would have met. So a *scenario* says for each field of a
//! [`Config`] which values it may have, with *off* among them more often than
//! not, and each seed draws a world that has some of the features and lacks the others (Groce, Zhang,
//! Eide, Chen, Regehr: "Swarm Testing", ISSTA 2012).
//!
//! ```
//! use blockjob_sim::swarm::Scenario;
//!
//! let scenario = Scenario::parse("
//!     name = small
//!     granules = 2..32
//!     rest = 0 | 1us..100ms log
//!     ontarget = report | ignore | stop
//!     kinds = some of read+flush
//! ").unwrap();
//! assert_eq!(scenario.draw(7).unwrap(), scenario.draw(7).unwrap());
//! ```
//!
//! The text has a line for each field that is not always at its default: `key = value`, and `#` begins a
//! comment. A value is
//!
//! | written | drawn |
//! |---|---|
//! | `8`, `stop`, `64K`, `100ms` | always this |
//! | `3..40` | each from 3 to 40 as often as the others |
//! | `1..1M log` | each power of two as often as the others, and within one each as often |
//! | `some`, `some of read+flush` | of a set, each member as often as not |
//! | `0 \| 0 \| 1..9` | one of the alternatives, each as often as the others |
//!
//! Numbers take `K`, `M`, `G` for 1,024 and its powers, and `ns`, `us`, `ms`, `s` for times.

mod error;
mod help;
mod parse;
mod stream;
mod value;

pub use error::{ScenarioError, ScenarioErrorKind};
pub use help::fields_help;

use crate::config::{Config, Field};
use stream::Stream;
use value::Alternatives;

/// So often a seed is drawn anew when its values do not go together.
const MAX_TRIES: u32 = 1_000;

/// So many seeds are drawn to see whether a scenario can be drawn at all.
const TRIALS: u64 = 16;

/// A distribution of configurations; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    name: String,
    about: String,
    /// In the order of the fields, so that the order of the lines does not matter.
    fields: Vec<(Field, Alternatives)>,
}

/// The scenarios that come with the program: the name and the text.
const BUILT_IN: [(&str, &str); 7] = [
    ("mirror", include_str!("../scenarios/mirror.txt")),
    ("tiny", include_str!("../scenarios/tiny.txt")),
    ("iothread", include_str!("../scenarios/iothread.txt")),
    ("qcow2", include_str!("../scenarios/qcow2.txt")),
    ("many-jobs", include_str!("../scenarios/many-jobs.txt")),
    ("noisy-guest", include_str!("../scenarios/noisy-guest.txt")),
    ("bench", include_str!("../scenarios/bench.txt")),
];

impl Scenario {
    /// Reads the text of a scenario.
    ///
    /// # Errors
    ///
    /// The first line that is wrong, and what would be right; a text without a name; values that hardly
    /// ever go together.
    pub fn parse(text: &str) -> Result<Scenario, ScenarioError> {
        let scenario = parse::parse(text)?;
        for seed in 0..TRIALS {
            scenario.draw(seed)?;
        }
        Ok(scenario)
    }

    /// The scenario that always draws `config`.
    pub fn of(name: &str, config: &Config) -> Scenario {
        let all = Field::ALL.iter();
        let other = all.filter(|field| config.get(**field) != field.default_value());
        let fixed = other.map(|field| (*field, Alternatives::fixed(config.get(*field))));
        Scenario {
            name: name.to_owned(),
            about: String::new(),
            fields: fixed.collect(),
        }
    }

    /// The scenario of that name that comes with the program.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn built_in(name: &str) -> Result<Scenario, ScenarioError> {
        Scenario::parse(Scenario::text_of(name)?)
    }

    /// The text of the scenario of that name that comes with the program, to be changed.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn text_of(name: &str) -> Result<&'static str, ScenarioError> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name);
        found
            .map(|(_, text)| *text)
            .ok_or_else(|| ScenarioError::unknown(name))
    }

    /// The names of all that come with the program.
    pub fn built_in_names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The comment at its head: what it is about.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// The configuration of `seed`: the same on every machine.
    ///
    /// The fields are drawn in their order, from a stream of their own, so that the schedule of a seed
    /// does not depend on how its configuration was drawn. What does not go together is drawn again.
    ///
    /// # Errors
    ///
    /// If a thousand draws in a row do not go together.
    pub fn draw(&self, seed: u64) -> Result<Config, ScenarioError> {
        let mut stream = Stream::new(seed);
        let mut wrong = None;
        for _ in 0..MAX_TRIES {
            let mut config = Config::new();
            for (field, alternatives) in &self.fields {
                config.set(*field, alternatives.draw(&mut stream));
            }
            match config.check() {
                Ok(()) => return Ok(config),
                Err(error) => wrong = Some(error),
            }
        }
        Err(ScenarioError::never(&self.name, MAX_TRIES, wrong))
    }

    /// Whether every seed draws the same configuration.
    pub fn is_fixed(&self) -> bool {
        self.fields.iter().all(|(_, values)| values.is_fixed())
    }

    /// The same scenario, with `field` always at `value`.
    #[must_use]
    pub fn with(mut self, field: Field, value: u64) -> Scenario {
        self.fields.retain(|(known, _)| *known != field);
        self.fields.push((field, Alternatives::fixed(value)));
        self.fields.sort_by_key(|(field, _)| *field);
        self
    }
}
