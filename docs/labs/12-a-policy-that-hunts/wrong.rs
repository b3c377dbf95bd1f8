//! Lab 12, wrong: the drained section at the end is to be long, and this policy knows only that one. Most
//! runs come to it with nothing to flush, so that it is over at once.

use std::process::ExitCode;

use blockjob_jobs::mirror::steps::Step;
use blockjob_sim::decide::{Policy, Question, Random};
use blockjob_sim::lab::{self, Lab, Sight};

/// 2 to that power is how many times as slow as usual a flush is that somebody should come during.
const SLOW: usize = 5;

/// Answers all questions of one run.
struct Hunter {
    chance: Random,
    sight: Sight,
}

impl Policy for Hunter {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        let chance = self.chance.choose(question);
        match (question.site.name, self.sight.step()) {
            ("disk.tail", Some(Step::M14)) => SLOW.min(question.n - 1),
            ("disk.tail", _) => 0,
            _ => chance,
        }
    }
}

pub(crate) fn lab() -> Lab {
    lab::hunt(|seed, sight| {
        let chance = Random::new(seed);
        Box::new(Hunter { chance, sight })
    })
}

fn main() -> ExitCode {
    lab().main()
}
