//! Requests of guests: what they ask for, what they hear, and which of them a ring's other end serves.

use super::Gather;
use crate::event::{GuestEvent, GuestKind, GuestWhat};
use crate::record::Entry;
use crate::story::facts::{By, GuestRequest, Moment, Span};

impl Gather<'_> {
    /// For whom a request is that begins now. A ring's other end is known from then on by the oldest
    /// request of a guest that fits.
    pub(super) fn serve(
        &mut self,
        entry: &Entry,
        span: Span,
        fits: impl Fn(GuestKind) -> bool,
    ) -> By {
        let by = self.by(entry);
        if by != By::Device {
            return by;
        }
        let mut open = self.open.requests.iter().copied();
        let served = open.find(|request| {
            let request = &self.facts.requests[*request];
            request.span == span && fits(request.kind)
        });
        let Some(index) = served else { return by };
        if let Some(who) = &entry.coroutine {
            self.by.insert(who.clone(), By::Guest(index));
        }
        By::Guest(index)
    }

    pub(super) fn guest(&mut self, at: Moment, entry: &Entry, event: &GuestEvent) {
        match event.what {
            GuestWhat::Asks => self.asks(at, entry, event),
            what => {
                if let Some(request) = self.asked.get(&event.request) {
                    self.facts.requests[*request].fate = Some((at, what));
                    self.open.requests.remove(request);
                }
            }
        }
    }

    fn asks(&mut self, at: Moment, entry: &Entry, event: &GuestEvent) {
        let index = self.facts.requests.len();
        self.facts.requests.push(GuestRequest {
            guest: event.guest,
            id: event.request,
            kind: event.kind,
            span: Span {
                offset: event.offset,
                bytes: event.bytes,
            },
            asked: at,
            ios: Vec::new(),
            disk_ops: Vec::new(),
            behind: self.open.sections.iter().copied().collect(),
            fate: None,
        });
        self.asked.insert(event.request, index);
        self.open.requests.insert(index);
        // In a context of its own its requests are another's: those of the ring's other end.
        if let Some(who) = &entry.coroutine
            && *who.context == *"main"
        {
            self.by.insert(who.clone(), By::Guest(index));
        }
    }
}
