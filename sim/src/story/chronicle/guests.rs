//! Guests: what they ask, where it goes, what they hear.

use super::{About, Chronicle, Weight};
use crate::event::{DiskKind, GuestKind, GuestWhat};
use crate::story::facts::GuestRequest;
use crate::story::words::{does, list};

impl Chronicle<'_> {
    pub(super) fn guests(&mut self) {
        let facts = self.facts;
        for (index, request) in facts.requests.iter().enumerate() {
            let about = About {
                span: (request.kind != GuestKind::Flush).then_some(request.span),
                ..About::default()
            };
            self.asks(index, request, &about);
            self.lands(request, &about);
            self.hears(request, &about);
        }
    }

    /// The sections behind which the request waited, and the one that let it go.
    fn asks(&mut self, index: usize, request: &GuestRequest, about: &About) {
        let does = does(request.kind, request.span);
        let mut text = format!("guest {} {does}: request {}.", request.guest, request.id);
        let (waited, released) = self.facts.waited_behind(index);
        if !waited.is_empty() {
            let behind = waited.iter().map(|section| {
                let section = &self.facts.sections[*section];
                let name = self.facts.section_name(section);
                format!("{} is drained ({name})", section.node)
            });
            let behind = list(behind.collect());
            text = format!("{text} But {behind}, and so the request is queued.");
        }
        self.say(request.asked, Weight::Plain, about.clone(), text);
        let first = request.ios.first().map(|io| &self.facts.ios[*io]);
        if let (false, Some(first)) = (waited.is_empty(), first) {
            let after = match released {
                Some(section) => {
                    let name = self.facts.section_name(&self.facts.sections[section]);
                    format!("{name} has ended: ")
                }
                None => String::new(),
            };
            let text = format!(
                "{after}request {} is let go, and goes to {}.",
                request.id, first.node
            );
            self.say(first.begun, Weight::Plain, about.clone(), text);
        }
    }

    fn lands(&mut self, request: &GuestRequest, about: &About) {
        let facts = self.facts;
        for op in request.disk_ops.iter().copied() {
            let disk_op = &facts.disk_ops[op];
            let Some((at, failed)) = disk_op.landed else {
                continue;
            };
            let verb = match (failed, disk_op.kind) {
                (true, _) => "fails",
                (false, DiskKind::Read) => "is read",
                (false, DiskKind::Flush) => "makes safe what was written",
                (false, _) => "lands",
            };
            let carried = match disk_op.kind {
                DiskKind::Read if !failed => self.carried(op),
                _ => String::new(),
            };
            // Whoever waited long hears of it soon: that is told at once.
            let heard = match request.fate {
                Some((heard, GuestWhat::Done)) if heard.at_ns == at.at_ns && !failed => {
                    format!(", and guest {} hears that it is done", request.guest)
                }
                _ => String::new(),
            };
            let (id, disk) = (request.id, disk_op.disk);
            let side = if disk_op.kind == DiskKind::Read {
                "from"
            } else {
                "on"
            };
            let text = format!("request {id} {verb} {side} {disk}{carried}{heard}.");
            self.say(at, Weight::Plain, about.clone(), text);
        }
    }

    fn hears(&mut self, request: &GuestRequest, about: &About) {
        let Some((at, what)) = request.fate else {
            return;
        };
        let mut ops = request.disk_ops.iter().map(|op| &self.facts.disk_ops[*op]);
        let at_once = ops.any(|op| {
            let landed = op.landed;
            landed.is_some_and(|(landed, failed)| landed.at_ns == at.at_ns && !failed)
        });
        let what = match what {
            GuestWhat::Done if at_once => return,
            GuestWhat::Asks => return,
            GuestWhat::Done => "hears that it is done",
            GuestWhat::Failed => "hears that it failed",
            GuestWhat::Abandons => "does not wait for it any more: it may still be done",
        };
        let text = format!("request {}: guest {} {what}.", request.id, request.guest);
        self.say(at, Weight::Plain, about.clone(), text);
    }
}
