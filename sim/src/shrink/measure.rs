//! How large a run is.

use std::fmt;

use crate::config::{Config, Field, Form};
use crate::decide::Log;

/// Fields that say how much there is: less is simpler, also less than the default.
const AMOUNTS: [Field; 9] = [
    Field::Jobs,
    Field::Guests,
    Field::Deeds,
    Field::Depth,
    Field::Requests,
    Field::Granules,
    Field::Tail,
    Field::Span,
    Field::Start,
];

/// How much a person has to keep in mind to understand a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complexity {
    /// How many things are not as usual: each field that differs from its default, and each of a set's
    /// members that does. Amounts do not count.
    pub unusual: u64,
    /// How much there is: the sum of all amounts, of guests, requests, granules and the like.
    pub amount: u64,
    /// How far the numbers among those which differ are from their defaults, in bits.
    pub distance: u64,
}

impl Complexity {
    /// Of `config`.
    pub fn of(config: &Config) -> Complexity {
        let mut complexity = Complexity {
            unusual: 0,
            amount: 0,
            distance: 0,
        };
        for field in Field::ALL {
            let (value, default) = (config.get(*field), field.default_value());
            if AMOUNTS.contains(field) {
                complexity.amount += value;
            } else if value != default {
                complexity.unusual += match field.form() {
                    Form::Set(_) => u64::from((value ^ default).count_ones()),
                    Form::Name(_) | Form::Number { .. } => 1,
                };
                if let Form::Number { .. } = field.form() {
                    complexity.distance += value.abs_diff(default);
                }
            }
        }
        complexity
    }
}

/// What shrinking makes smaller, the most important first: a person reads the decisions that are not
/// dull, then what the run was told, and waits for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measure {
    /// How many decisions took another option than 0.
    pub nonzero: usize,
    /// How much the run was told.
    pub complexity: Complexity,
    /// How many decisions there are.
    pub decisions: usize,
}

impl Measure {
    /// Of the run that was told `config` and in which `log` was decided.
    pub fn of(config: &Config, log: &Log) -> Measure {
        Measure {
            nonzero: log.nonzero(),
            complexity: Complexity::of(config),
            decisions: log.len(),
        }
    }
}

/// What a person sees of a run's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many decisions it made.
    pub decisions: usize,
    /// How many of them took another option than 0.
    pub nonzero: usize,
    /// How many fields of its configuration differ from their defaults.
    pub fields: usize,
    /// How many requests its guests made.
    pub requests: u64,
    /// How long it took by the world's clock, in nanoseconds.
    pub virtual_ns: u64,
}

impl Size {
    /// Of a run of `config` in which guests made so many requests.
    pub(super) fn of(config: &Config, log: &Log, requests: u64, virtual_ns: u64) -> Size {
        let fields = Field::ALL.iter();
        let differ = fields.filter(|field| config.get(**field) != field.default_value());
        Size {
            decisions: log.len(),
            nonzero: log.nonzero(),
            fields: differ.count(),
            requests,
            virtual_ns,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} decisions, {} of them not dull; {} fields; {} requests of guests; {:.3} ms",
            self.decisions,
            self.nonzero,
            self.fields,
            self.requests,
            self.virtual_ns as f64 / 1e6
        )
    }
}
