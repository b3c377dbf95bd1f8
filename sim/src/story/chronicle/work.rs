//! What jobs do at disks that are no mirrors of ours: what they read and write themselves, and the dirty bits
//! that they look at. Of a mirror its copies are told.

use super::{About, Chronicle, Weight};
use crate::event::DiskKind;
use crate::story::facts::By;
use crate::story::words::range;

impl Chronicle<'_> {
    pub(super) fn work(&mut self) {
        let facts = self.facts;
        for (index, op) in facts.disk_ops.iter().enumerate() {
            let By::Job(job) = &op.by else { continue };
            let (begins, done, side) = match op.kind {
                DiskKind::Read => ("begins to read", "has read", "from"),
                DiskKind::Write => ("begins to write", "has written", "to"),
                DiskKind::Zero => ("begins to make zeroes of", "has made zeroes of", "on"),
                DiskKind::Discard => ("begins to discard", "has discarded", "on"),
                // Flushes are told where those of mirrors are.
                DiskKind::Flush | DiskKind::Status => continue,
            };
            let about = About {
                span: Some(op.span),
                job: facts.jobs.iter().position(|known| known.name == *job),
                node: None,
            };
            let (part, disk) = (range(op.span), op.disk);
            let text = format!("{job} {begins} {part} {side} {disk}.");
            self.say(op.begun, Weight::Plain, about.clone(), text);
            let text = match op.landed {
                Some((_, true)) => format!("{job}: the request for {part} {side} {disk} fails."),
                Some((_, false)) => {
                    let carried = self.carried(index);
                    format!("{job} {done} {part} {side} {disk}{carried}.")
                }
                None => continue,
            };
            if let Some((at, _)) = op.landed {
                self.say(at, Weight::Plain, about, text);
            }
        }
        if facts.copies.is_empty() {
            self.bits();
        }
    }

    fn bits(&mut self) {
        for change in &self.facts.bits {
            let about = About {
                span: Some(change.span),
                ..About::default()
            };
            let becomes = match change.dirty {
                true => "becomes dirty",
                false => "is called clean",
            };
            let text = format!("{} of {} {becomes}.", range(change.span), change.node);
            self.say(change.at, Weight::Plain, about, text);
        }
    }
}
