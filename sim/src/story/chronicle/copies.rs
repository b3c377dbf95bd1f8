//! Copies: what a mirror takes, reads and writes.

use super::{About, Chronicle, Weight};
use crate::event::DiskKind;
use crate::story::facts::By;
use crate::story::words::{ms, range};

impl Chronicle<'_> {
    pub(super) fn copies(&mut self) {
        let facts = self.facts;
        for (index, copy) in facts.copies.iter().enumerate() {
            let about = About {
                span: Some(copy.span),
                job: Some(copy.job),
                node: None,
            };
            let job = &facts.jobs[copy.job].name;
            let (name, taken) = (facts.copy_name(index), range(copy.span));
            let text =
                format!("{job} takes {taken}, which is dirty, to copy it: {name} (M10, M11).");
            self.say(copy.claimed, Weight::Plain, about, text);
        }
        self.flushes();
        for (index, op) in facts.disk_ops.iter().enumerate() {
            let (By::Copy(copy), Some((at, failed))) = (&op.by, op.landed) else {
                continue;
            };
            let (verb, side) = match op.kind {
                DiskKind::Read => ("has read", "from"),
                DiskKind::Write => ("has written", "to"),
                DiskKind::Zero => ("has made zeroes of", "on"),
                DiskKind::Discard => ("has discarded", "on"),
                DiskKind::Flush | DiskKind::Status => continue,
            };
            let about = About {
                span: Some(op.span),
                job: Some(facts.copies[*copy].job),
                node: None,
            };
            let (name, part) = (facts.copy_name(*copy), range(op.span));
            let text = match failed {
                true => format!("{name}: the request for {part} {side} {} fails.", op.disk),
                false => {
                    let carried = self.carried(index);
                    format!("{name} {verb} {part} {side} {}{carried}.", op.disk)
                }
            };
            self.say(at, Weight::Plain, about, text);
        }
    }

    fn flushes(&mut self) {
        for op in &self.facts.disk_ops {
            let (DiskKind::Flush, By::Job(job)) = (op.kind, &op.by) else {
                continue;
            };
            let jobs = &self.facts.jobs;
            let about = About {
                job: jobs.iter().position(|known| known.name == *job),
                ..About::default()
            };
            let what = match op.landed {
                Some((at, false)) => format!("which takes {}", ms(at.at_ns - op.begun.at_ns)),
                Some((at, true)) => format!("which fails at {}", ms(at.at_ns)),
                None => "which has not ended".to_owned(),
            };
            let text = format!("{job} flushes {}, {what}.", op.disk);
            self.say(op.begun, Weight::Plain, about, text);
        }
    }
}
