//! Names for the options of decisions, for people who look at a run.

use std::collections::BTreeMap;

/// So many names are kept of a run, counting each as often as it is given. What guests decide has as many
/// options as their disk has places, and of a long run they would be more than all else together.
const MOST: usize = 1 << 20;

/// Options that are no more than this have names however many there were before.
const FEW: usize = 64;

/// What the options of each decision were called, where they had names. Logs know nothing of it: a run is
/// the same with and without.
#[derive(Clone, Debug, Default)]
pub struct Names {
    numbers: BTreeMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
    /// The decisions that have names, in order, each with those of its options.
    of: Vec<(u64, Box<[u32]>)>,
    /// How many names there are in all of them.
    kept: usize,
}

impl Names {
    /// The names of the options of that decision, of which the first is 0; none if they had none.
    pub fn of(&self, decision: u64) -> Option<Vec<String>> {
        let place = self
            .of
            .binary_search_by_key(&decision, |(at, _)| *at)
            .ok()?;
        let text = |number: &u32| self.texts[*number as usize].to_string();
        Some(self.of[place].1.iter().map(text).collect())
    }

    /// How many decisions have names.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Adds the names of the `n` options of a decision, which comes after all that are here; unless they are
    /// many, and there were too many.
    pub(super) fn add(&mut self, decision: u64, n: usize, name: &dyn Fn(usize) -> String) {
        if n > FEW && self.kept + n > MOST {
            return;
        }
        self.kept += n;
        let names = (0..n).map(|option| self.number(name(option))).collect();
        self.of.push((decision, names));
    }

    pub(super) fn clear(&mut self) {
        *self = Names::default();
    }

    fn number(&mut self, text: String) -> u32 {
        let text = text.into_boxed_str();
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).expect("fewer than 2^32 names");
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }
}

/// A time in the greatest unit in which it is a round number, for the name of an option.
pub(crate) fn time(ns: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let round = UNITS
        .iter()
        .find(|(unit, _)| ns >= *unit && ns.is_multiple_of(*unit));
    match round {
        Some((unit, name)) => format!("{} {name}", ns / unit),
        None => format!("{ns} ns"),
    }
}
