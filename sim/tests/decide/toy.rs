//! Small programs for policies to decide: threads that do nothing but take turns.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_runtime::decide::{Decide, Site};
use blockjob_sim::decide::{Decider, Policy};

/// Who takes the next step.
pub(crate) static STEP: Site = Site::new("toy.step");
/// Whether something fails.
pub(crate) static FAIL: Site = Site::new("toy.fail");

/// Lets threads that have `steps[i]` steps each run to their ends, and says who took each step.
///
/// The first thread with steps left is the dullest to run.
pub(crate) fn turns(decider: &Decider, steps: &[usize]) -> Vec<usize> {
    let mut left = steps.to_vec();
    let mut order = Vec::new();
    loop {
        let ready: Vec<usize> = (0..left.len()).filter(|it| left[*it] > 0).collect();
        let chosen = match ready.len() {
            0 => return order,
            1 => 0,
            // Numbers as coroutines have them: not 0, 1, 2.
            n => decider.decide_among(&STEP, n, &|index| ready[index] as u64 * 64 + 7),
        };
        left[ready[chosen]] -= 1;
        order.push(ready[chosen]);
    }
}

/// How many of `runs` runs have the order `bug` of turns, under the policies that `policy` makes.
pub(crate) fn found(
    runs: u64,
    steps: &[usize],
    mut policy: impl FnMut(u64) -> Box<dyn Policy>,
    bug: impl Fn(&[usize]) -> bool,
) -> u64 {
    let decider = Decider::new(Box::new(Fixed(Vec::new())));
    (0..runs)
        .filter(|run| {
            decider.restart(policy(*run));
            bug(&turns(&decider, steps))
        })
        .count() as u64
}

/// Answers what it is told, then 0.
pub(crate) struct Fixed(pub(crate) Vec<usize>);

impl Policy for Fixed {
    fn choose(&mut self, _: &blockjob_sim::decide::Question<'_>) -> usize {
        if self.0.is_empty() {
            0
        } else {
            self.0.remove(0)
        }
    }
}

/// One question as a policy saw it.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    pub(crate) site: &'static str,
    pub(crate) n: usize,
    pub(crate) odds: Option<u32>,
    pub(crate) who: Vec<u64>,
}

/// Writes down what it is asked, and answers the highest it may.
#[derive(Default)]
pub(crate) struct Witness(pub(crate) Vec<Asked>);

impl Policy for Witness {
    fn choose(&mut self, question: &blockjob_sim::decide::Question<'_>) -> usize {
        self.0.push(Asked {
            site: question.site.name,
            n: question.n,
            odds: question.odds,
            who: question
                .who
                .map(|who| (0..question.n).map(who).collect())
                .unwrap_or_default(),
        });
        question.n - 1
    }
}

/// A decider and the witness that decides for it.
pub(crate) fn witnessed() -> (Rc<Decider>, Rc<RefCell<Witness>>) {
    let witness = Rc::new(RefCell::new(Witness::default()));
    (Decider::new(Box::new(witness.clone())), witness)
}
