//! Answers near those of a log.

use crate::decide::{Lenient, Log, Policy, Question, Random};

/// What becomes of the answers of one site.
#[derive(Clone, Copy)]
enum Fate {
    Kept,
    Dull,
    Random,
    /// Kept, but now and then random.
    Stirred,
}

/// Keeps the answers of some sites, and draws others anew or makes them dull; which ones is drawn, too.
///
/// A simpler world often needs its monitor to speak at another moment, or its guest to write to another
/// place, and all else as it was. No cutting of a log comes there, and no seed does so soon.
pub(super) struct Mutant {
    kept: Lenient,
    random: Random,
    /// By name, in the order in which they asked.
    fates: Vec<(&'static str, Fate)>,
}

impl Mutant {
    /// The mutant number `seed` of `log`.
    pub(super) fn new(log: &Log, seed: u64) -> Mutant {
        Mutant {
            kept: Lenient::new(log),
            random: Random::new(seed),
            fates: Vec::new(),
        }
    }

    fn fate(&mut self, site: &'static str) -> Fate {
        let known = self.fates.iter().find(|(name, _)| *name == site);
        if let Some((_, fate)) = known {
            return *fate;
        }
        let fates = [
            Fate::Kept,
            Fate::Kept,
            Fate::Dull,
            Fate::Random,
            Fate::Stirred,
        ];
        let fate = fates[self.random.below(fates.len() as u64) as usize];
        self.fates.push((site, fate));
        fate
    }
}

impl Policy for Mutant {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        // It keeps its place in the log also where its answer is not taken.
        let kept = self.kept.choose(question);
        match self.fate(question.site.name) {
            Fate::Kept => kept,
            Fate::Dull => 0,
            Fate::Random => self.random.choose(question),
            Fate::Stirred if self.random.below(8) == 0 => self.random.choose(question),
            Fate::Stirred => kept,
        }
    }
}
