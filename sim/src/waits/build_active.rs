//! What guests' writes wait for that go to both sides, and what a job waits for that takes their granules.

use std::ops::Range;
use std::rc::Rc;

use blockjob_block::Node;
use blockjob_jobs::mirror::conflicts::{OperationInfo, OperationKind};

use super::build::Builder;
use super::{Actor, Why};

impl Builder<'_> {
    /// What the request `actor` at the node in `place` waits for, if that is the filter of a mirror and
    /// the request goes to both sides. False if it does not.
    pub(super) fn active_waits(&mut self, place: usize, actor: usize) -> bool {
        let node = &self.nodes[place].node;
        let is_its = |filter: &Rc<Node>| Rc::ptr_eq(filter, node);
        let number = self.jobs.iter().position(|seen| {
            let filter = seen.mirror.as_ref().and_then(|it| it.filter_node());
            filter.as_ref().is_some_and(is_its)
        });
        let Some(number) = number else { return false };
        let operations = self.operations(number);
        let Some(own) = self.operation_of(place, actor, &operations) else {
            return false;
        };
        if let Some(other) = own.waits_for {
            return self.waits_for_operation(number, (place, actor), other, &operations);
        }
        let Some(pair) = self.cast.pair_of_job(self.jobs[number].job.label()) else {
            return false;
        };
        let sides = match own.let_go {
            true => [Some(&pair.source_node()), None],
            false => [Some(&pair.source_node()), Some(&pair.target_node())],
        };
        let places: Vec<usize> = sides
            .into_iter()
            .flatten()
            .filter_map(|node| self.place(node))
            .collect();
        let mut any = false;
        for place in places {
            for request in self.nodes[place].requests.clone() {
                if self
                    .range_of(request)
                    .is_some_and(|it| overlap(&it, &own.range))
                {
                    self.wait(actor, request, Why::End);
                    any = true;
                }
            }
        }
        any
    }

    /// The write to both sides that a job which is about to copy a granule waits for, as a request.
    pub(super) fn outranked(&self, number: usize) -> Option<usize> {
        let operations = self.operations(number);
        let filter = self.jobs[number].mirror.as_ref()?.filter_node()?;
        let place = self.place(&filter)?;
        let claims = operations
            .iter()
            .filter(|it| it.kind == OperationKind::Claim);
        let granularity = self.jobs[number].mirror.as_ref()?.options().granularity;
        // A copy begins only where no write is under way, so the two meet only before that.
        let claims: Vec<_> = claims.collect();
        let write = operations.iter().find(|it| {
            let start = it.range.start - it.range.start % granularity;
            let granules = start..it.range.end.next_multiple_of(granularity);
            it.kind == OperationKind::ActiveWrite
                && it.waits_for.is_none()
                && claims.iter().any(|claim| overlap(&claim.range, &granules))
        })?;
        self.request_of(place, write, &operations)
    }

    fn operations(&self, number: usize) -> Vec<OperationInfo> {
        let mirror = self.jobs[number].mirror.as_ref();
        mirror.map_or_else(Vec::new, |mirror| mirror.operations())
    }

    fn waits_for_operation(
        &mut self,
        number: usize,
        (place, actor): (usize, usize),
        other: u64,
        operations: &[OperationInfo],
    ) -> bool {
        let Some(other) = operations.iter().find(|it| it.id == other) else {
            return false;
        };
        let to = match other.kind {
            OperationKind::ActiveWrite => self.request_of(place, other, operations),
            OperationKind::Claim => Some(self.jobs[number].actor),
        };
        let why = match other.kind {
            OperationKind::ActiveWrite => Why::Overlap,
            OperationKind::Claim => Why::Copied,
        };
        to.inspect(|to| self.wait(actor, *to, why)).is_some()
    }

    /// The operation that is what has become of a request at the filter in `place`. Of several that are
    /// about the same range they come in the same order.
    fn operation_of(
        &self,
        place: usize,
        actor: usize,
        operations: &[OperationInfo],
    ) -> Option<OperationInfo> {
        let range = self.range_of(actor)?;
        let before = self.nodes[place].requests.start..actor;
        let same = before.filter(|other| self.range_of(*other).as_ref() == Some(&range));
        let mut alike = operations.iter().filter(|it| is_active(it, &range));
        alike.nth(same.count()).cloned()
    }

    fn request_of(
        &self,
        place: usize,
        operation: &OperationInfo,
        operations: &[OperationInfo],
    ) -> Option<usize> {
        let before = operations.iter().take_while(|it| it.id != operation.id);
        let same = before.filter(|it| is_active(it, &operation.range)).count();
        let requests = self.nodes[place].requests.clone();
        let mut alike = requests.filter(|it| self.range_of(*it).as_ref() == Some(&operation.range));
        alike.nth(same)
    }

    fn range_of(&self, actor: usize) -> Option<Range<u64>> {
        match &self.graph.actors()[actor] {
            Actor::Request { request, .. } => Some(request.offset..request.offset + request.bytes),
            _ => None,
        }
    }
}

fn is_active(operation: &OperationInfo, range: &Range<u64>) -> bool {
    operation.kind == OperationKind::ActiveWrite && operation.range == *range
}

fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start < b.end && b.start < a.end
}
