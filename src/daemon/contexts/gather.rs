//! Those who are to be connected come together in one context, and go back if nothing comes of it.
//!
//! QEMU: `bdrv_attach_child_common` (block.c), which moves within the transaction of the change that
//! asks for it.

use std::rc::Rc;

use blockjob_runtime::AioHandle;

use super::places::Party;
use crate::daemon::Daemon;
use crate::daemon::open::warn;
use crate::qapi::{QmpError, QmpResult};

/// Who has to live in one context with each other: those of each set.
pub(in crate::daemon) type Ties<'a> = Vec<Vec<Party<'a>>>;

/// Who goes to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::daemon) enum Direction {
    /// The later ones to where the first one is.
    ToTheFirst,
    /// The same; but if somebody of them cannot move, the others to where that one is.
    ToWhoeverStays,
}

/// Who has moved, from where, in the order in which they did.
#[must_use = "if the command is refused they have to go back"]
#[derive(Default)]
pub(in crate::daemon) struct Gathered<'a>(Vec<(Party<'a>, AioHandle)>);

/// Has those of each set live in one context. Called in the main context, outside of coroutines.
///
/// # Errors
///
/// Somebody cannot move; then everybody is where it was.
pub(in crate::daemon) fn gather<'a>(
    daemon: &Rc<Daemon>,
    ties: &Ties<'a>,
    direction: Direction,
) -> QmpResult<Gathered<'a>> {
    // Who is first is nearest to the place where all come together. A move never leads to a place that
    // comes later here, so this ends, also if sets have relatives in common.
    let mut order: Vec<AioHandle> = Vec::new();
    for party in ties.iter().flatten() {
        let place = party.place(daemon)?;
        order.extend(place.filter(|place| !order.contains(place)));
    }
    let mut first_error = None;
    let mut tried = Vec::new();
    loop {
        let Refused { error, stays } = match try_gather(daemon, ties, &order) {
            Ok(gathered) => return Ok(gathered),
            Err(refused) => refused,
        };
        let error = first_error.get_or_insert(error);
        let again = direction == Direction::ToWhoeverStays && !tried.contains(&stays);
        if !again {
            return Err(error.clone());
        }
        order.retain(|place| *place != stays);
        order.insert(0, stays.clone());
        tried.push(stays);
    }
}

/// Somebody cannot move from where it is.
struct Refused {
    error: QmpError,
    stays: AioHandle,
}

fn try_gather<'a>(
    daemon: &Rc<Daemon>,
    ties: &Ties<'a>,
    order: &[AioHandle],
) -> Result<Gathered<'a>, Refused> {
    let mut gathered = Gathered::default();
    let rank = |place: &AioHandle| order.iter().position(|other| other == place);
    let mut is_at_rest = false;
    while !is_at_rest {
        is_at_rest = true;
        for set in ties {
            let mut there = Vec::new();
            for party in set {
                // One whose thread has panicked is nowhere, and whoever runs the command hears of it.
                if let Ok(Some(place)) = party.place(daemon) {
                    there.push((party, place));
                }
            }
            let to = there
                .iter()
                .map(|(_, place)| place)
                .min_by_key(|it| rank(it));
            let Some(to) = to.cloned() else { continue };
            for (party, _) in there {
                // Some may have come along with others.
                let Ok(Some(from)) = party.place(daemon) else {
                    continue;
                };
                if from == to {
                    continue;
                }
                if let Err(error) = party.bring(daemon, &to) {
                    gathered.undo(daemon);
                    return Err(Refused { error, stays: from });
                }
                gathered.0.push((party.clone(), from));
                is_at_rest = false;
            }
        }
    }
    Ok(gathered)
}

impl Gathered<'_> {
    /// Nothing has come of it: everybody goes back to where it was.
    pub(in crate::daemon) fn undo(self, daemon: &Rc<Daemon>) {
        for (party, from) in self.0.iter().rev() {
            // It was free to come a moment ago; but a job may just have begun to end.
            if let Err(error) = party.bring(daemon, from) {
                let name = party.name();
                warn(&format!(
                    "'{name}' could not go back to its thread: {}",
                    error.desc
                ));
            }
        }
    }
}
