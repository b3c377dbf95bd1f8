//! Requests that waited for the end of drained sections.

use super::facts::{Facts, GuestRequest};
use crate::event::GuestKind;

impl Facts {
    /// The sections behind which a request of a guest waited, and the one whose end let it go.
    pub(super) fn waited_behind(&self, request: usize) -> (Vec<usize>, Option<usize>) {
        let request = &self.requests[request];
        let Some(first) = request.ios.first().map(|io| &self.ios[*io]) else {
            let waits = request.kind != GuestKind::Flush && request.fate.is_none();
            let behind = if waits {
                request.behind.clone()
            } else {
                Vec::new()
            };
            return (behind, None);
        };
        // Sections are in the order of their ends here, and no two of them end with one event.
        let before = |section: &usize| {
            let ended = self.sections[*section].ended;
            ended.is_some_and(|ended| ended.seq < first.begun.seq)
        };
        let ended = self.ended_sections.partition_point(before);
        let behind = request.behind.iter().copied();
        let reaches = |section: &usize| self.sections[*section].reaches(&first.context);
        let behind: Vec<_> = behind.filter(before).filter(reaches).collect();
        if behind.is_empty() {
            return (behind, None);
        }
        let mut ended = self.ended_sections[..ended].iter().rev().copied();
        let released = ended.find(reaches);
        (behind, released)
    }

    /// Whether the request was asked for and has not begun.
    pub(super) fn is_queued(&self, request: &GuestRequest) -> bool {
        let began = !request.ios.is_empty() || request.kind == GuestKind::Flush;
        !began && request.fate.is_none()
    }
}
