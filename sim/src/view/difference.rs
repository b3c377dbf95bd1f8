//! Where two runs begin to differ.

use super::document::{Document, Plain};

/// The first difference of two runs: an event, and a decision. None where one of the two is over, or they
/// do not differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The place of the event in the first run.
    pub event_a: Option<u64>,
    /// The place of the event in the second run.
    pub event_b: Option<u64>,
    /// The first decision that was another one, or was taken otherwise.
    pub decision: Option<u64>,
}

impl Difference {
    /// Of `a` and `b`.
    pub fn of(a: &Document, b: &Document) -> Difference {
        let (mut of_a, mut of_b) = (a.plain_events(), b.plain_events());
        let mut place = 0;
        let (event_a, event_b) = loop {
            match (of_a.next(), of_b.next()) {
                (None, None) => break (None, None),
                (one, other) if same(&one, &other) => place += 1,
                (one, other) => break (one.map(|_| place), other.map(|_| place)),
            }
        };
        Difference {
            event_a,
            event_b,
            decision: first_decision(a, b),
        }
    }

    /// As the page reads it.
    pub fn to_json(&self) -> String {
        let first = std::collections::BTreeMap::from([("first_difference", self)]);
        serde_json::to_string(&first).expect("numbers can be written as JSON")
    }
}

fn same(one: &Option<Plain<'_>>, other: &Option<Plain<'_>>) -> bool {
    one == other
}

fn first_decision(a: &Document, b: &Document) -> Option<u64> {
    let count = a.decisions().max(b.decisions());
    let differs = |place: &usize| a.plain_decision(*place) != b.plain_decision(*place);
    (0..count).find(differs).map(|place| place as u64)
}
