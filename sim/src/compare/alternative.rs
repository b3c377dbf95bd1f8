//! What is compared: a schedule, and fields that are set apart from the scenario.

use thiserror::Error;

use crate::config::{Config, ConfigError, Field, Form};
use crate::measure::{Schedule, ScheduleError};

/// One of the things that are compared.
#[derive(Clone, Debug)]
pub struct Alternative {
    name: String,
    schedule: Schedule,
    changes: Vec<(Field, u64)>,
}

/// What is wrong with the text of alternatives.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AlternativeError {
    /// A schedule that there is not.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A field or value that there is not.
    #[error(transparent)]
    Field(#[from] ConfigError),
    /// A field without values.
    #[error("'{text}' has no value: write {text}=...|...")]
    NoValue {
        /// What was written.
        text: String,
    },
}

impl Alternative {
    /// A schedule, and all fields as the scenario has them. It is called after the schedule.
    pub fn new(schedule: Schedule) -> Alternative {
        Alternative {
            name: schedule.to_string(),
            schedule,
            changes: Vec::new(),
        }
    }

    /// The same, called `name`.
    #[must_use]
    pub fn named(mut self, name: &str) -> Alternative {
        name.clone_into(&mut self.name);
        self
    }

    /// The same, with `field` set to `value` whatever the scenario says. The name does not change.
    #[must_use]
    pub fn with(mut self, field: Field, value: u64) -> Alternative {
        self.changes.push((field, value));
        self
    }

    /// All combinations of `schedules`, and of the values of fields: each of `fields` is a text as
    /// `slice=1ms|10ms|100ms`, or with commas. The last field changes fastest. An alternative is called after what
    /// distinguishes it: what all have in common is left out.
    ///
    /// No schedule stands for [`Schedule::Random`].
    ///
    /// # Errors
    ///
    /// The first field or value that there is not.
    pub fn cross(
        schedules: &[Schedule],
        fields: &[&str],
    ) -> Result<Vec<Alternative>, AlternativeError> {
        let schedules = match schedules {
            [] => &[Schedule::Random],
            some => some,
        };
        let start = schedules.iter().map(|schedule| {
            let alternative = Alternative::new(schedule.clone());
            match schedules.len() {
                1 => alternative.named(""),
                _ => alternative,
            }
        });
        let mut all: Vec<_> = start.collect();
        for text in fields {
            let (field, values) = values(text)?;
            let several = values.len() > 1;
            all = all
                .iter()
                .flat_map(|before| {
                    values.iter().map(|(value, text)| {
                        let after = before.clone().with(field, *value);
                        let name = format!("{} {}={text}", before.name, field.key());
                        match several {
                            true => after.named(name.trim_start()),
                            false => after,
                        }
                    })
                })
                .collect();
        }
        // One that differs from nobody is called after its schedule.
        for alternative in all.iter_mut().filter(|it| it.name.is_empty()) {
            alternative.name = alternative.schedule.to_string();
        }
        Ok(all)
    }

    /// What it is called in tables.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its schedule.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// What becomes of `config`.
    ///
    /// The scenario's disk stays as long as it was, and so do its buffers: if the granularity changes,
    /// what the configuration counts in granules changes with it, unless it is set, too.
    ///
    /// # Errors
    ///
    /// If the values do not go together.
    pub fn apply(&self, config: &Config) -> Result<Config, ConfigError> {
        let mut changed = config.clone();
        for (field, value) in &self.changes {
            changed.set(*field, *value);
        }
        let before = config.get(Field::Granularity);
        let after = changed.get(Field::Granularity);
        if before != after && after > 0 {
            for field in [Field::Granules, Field::Buf, Field::MaxIo] {
                if !self.changes.iter().any(|(set, _)| *set == field) {
                    let bytes = config.get(field) * before;
                    changed.set(field, (bytes / after).max(1));
                }
            }
        }
        changed.check()?;
        Ok(changed)
    }
}

/// The field and the values, each with its text, of `key=value|value`.
fn values(text: &str) -> Result<(Field, Vec<(u64, String)>), AlternativeError> {
    let no_value = || AlternativeError::NoValue {
        text: text.to_owned(),
    };
    let (key, list) = text.split_once('=').ok_or_else(no_value)?;
    let field = Field::parse(key.trim())?;
    let parse = |text: &str| Ok((value(field, text.trim())?, text.trim().to_owned()));
    let values = list.split(['|', ',']).map(parse);
    Ok((field, values.collect::<Result<_, ConfigError>>()?))
}

/// A value of `field`, with the units that scenarios have.
fn value(field: Field, text: &str) -> Result<u64, ConfigError> {
    const UNITS: [(&str, u64); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("K", 1 << 10),
        ("M", 1 << 20),
        ("G", 1 << 30),
    ];
    let unit = UNITS.iter().find_map(|(suffix, factor)| {
        let digits = text.strip_suffix(suffix)?;
        digits.parse::<u64>().ok()?.checked_mul(*factor)
    });
    match (field.form(), unit) {
        (Form::Number { .. }, Some(number)) => field.parse_value(&number.to_string()),
        _ => field.parse_value(text),
    }
}
