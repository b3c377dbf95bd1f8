//! Lab 12: write a policy that finds a lost write. The task is in tasks/12-a-policy-that-hunts.md.

use std::process::ExitCode;

use blockjob_sim::decide::{Policy, Question, Random};
use blockjob_sim::lab::{self, Lab, Sight};

/// Answers all questions of one run.
struct Hunter {
    chance: Random,
    sight: Sight,
}

impl Policy for Hunter {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        // TASK: this is as good as chance, because it is chance. `question.site.name` says what is asked,
        // and `self.sight.step()` which of the steps M1 to M17 the mirror is in. 0 is the dullest answer,
        // and the largest is `question.n - 1`.
        let _ = self.sight.step();
        self.chance.choose(question)
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
