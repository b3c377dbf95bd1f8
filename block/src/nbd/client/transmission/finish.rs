//! Ends of replies.

use super::{Finished, Outcome, Place, Transmission};
use crate::nbd::client::command::Command;
use crate::nbd::client::violation::Violation;

impl Transmission {
    /// A chunk has come to its end, and with `last` its reply.
    pub(super) fn end_of_chunk(&mut self, index: usize, last: bool) -> Result<(), Violation> {
        self.place = Place::Head;
        if !last {
            return Ok(());
        }
        let slot = self.slots.get(index);
        if slot.error.is_none() {
            match slot.command {
                Command::Read { .. } => {
                    if let Some(gap) = self.slots.first_gap(index) {
                        return Err(Violation::new(format!(
                            "a read was answered without the data at byte {gap} of it"
                        )));
                    }
                }
                Command::BlockStatus { .. } if slot.extent.is_none() => {
                    return Err(Violation::new(
                        "server did not reply with any status extents",
                    ));
                }
                _ => {}
            }
        }
        let slot = self.slots.take(index);
        let outcome = match (slot.error, slot.extent) {
            (Some(error), _) => Outcome::Failed(error),
            (None, Some(extent)) => Outcome::Status(extent),
            (None, None) => Outcome::Done,
        };
        self.finished.push(Finished {
            cookie: slot.cookie,
            command: slot.command,
            outcome,
        });
        Ok(())
    }
}
