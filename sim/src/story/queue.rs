//! Requests that waited for the end of drained sections.

use super::facts::{Facts, GuestRequest, Section};
use crate::event::GuestKind;

impl Facts {
    /// The sections behind which a request of a guest waited, and the one whose end let it go.
    pub(super) fn waited_behind(&self, request: usize) -> (Vec<usize>, Option<usize>) {
        let request = &self.requests[request];
        let Some(begun) = request.ios.first().map(|io| self.ios[*io].begun) else {
            let waits = request.kind != GuestKind::Flush && request.fate.is_none();
            let behind = if waits {
                request.behind.clone()
            } else {
                Vec::new()
            };
            return (behind, None);
        };
        let ended_before = |section: &Section| {
            let ended = section.ended.map(|ended| ended.seq);
            ended.filter(|ended| *ended < begun.seq)
        };
        let behind = request.behind.iter().copied();
        let behind: Vec<_> = behind
            .filter(|section| ended_before(&self.sections[*section]).is_some())
            .collect();
        if behind.is_empty() {
            return (behind, None);
        }
        let sections = self.sections.iter().enumerate();
        let last = sections.filter_map(|(index, section)| Some((ended_before(section)?, index)));
        let released = last.max().map(|(_, index)| index);
        (behind, released)
    }

    /// Whether the request was asked for and has not begun.
    pub(super) fn is_queued(&self, request: &GuestRequest) -> bool {
        let began = !request.ios.is_empty() || request.kind == GuestKind::Flush;
        !began && request.fate.is_none()
    }
}
