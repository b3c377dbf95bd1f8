//! What copies, drained sections and requests wait for.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::driver::blkdebug::BlkdebugDriver;
use blockjob_block::driver::throttle::{ThrottleDriver, ThrottleLimits};
use blockjob_block::request::{RequestInfo, RequestKind};
use blockjob_block::section::Section;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::mirror::conflicts::OperationKind;

use super::chain::Chain;
use super::words;
use crate::qapi::types::explain::XJobHolder;

impl Chain<'_> {
    /// The copies of a mirror, called `who`, wait for the oldest of their requests.
    pub(super) fn copies(&mut self, mirror: &MirrorJob, who: &str) {
        let Some((source, target)) = mirror.disks() else {
            return self.turn(who);
        };
        let is_copy = |request: &RequestInfo| {
            request.kind == RequestKind::Read
                && request.offset < mirror.len_bytes()
                && mirror.is_in_flight(request.offset)
        };
        let writes = target.requests().into_iter();
        let writes = writes.map(|request| (&target, request));
        let reads = source.requests().into_iter().filter(is_copy);
        let reads = reads.map(|request| (&source, request));
        let oldest = writes.chain(reads).min_by_key(|(_, it)| it.since_ns);
        match oldest {
            Some((node, request)) => self.request(who, node, &request),
            None if self.anything_at(who, &target) => {}
            None => self.turn(who),
        }
    }

    /// `who` waits for the oldest of what is in flight at `node`. False if nothing is.
    pub(super) fn anything_at(&mut self, who: &str, node: &Rc<Node>) -> bool {
        let requests = node.requests();
        if let Some(oldest) = requests.iter().min_by_key(|it| it.since_ns) {
            self.request(who, node, oldest);
        } else if node.in_flight() > 0 {
            self.internal(who, node);
        }
        node.in_flight() > 0
    }

    /// Something that is tracked by no request.
    fn internal(&mut self, who: &str, node: &Rc<Node>) {
        let whom = format!("a flush or a question at {}", words::node(node));
        self.link(who, XJobHolder::Internal, whom.clone(), "to end");
        if self.is_new(&whom) && !self.any_below(&whom, node) {
            self.bottom(&whom, node);
        }
    }

    fn any_below(&mut self, who: &str, node: &Node) -> bool {
        let children = node.children();
        children
            .iter()
            .any(|edge| self.anything_at(who, &edge.node()))
    }

    fn request(&mut self, who: &str, node: &Rc<Node>, request: &RequestInfo) {
        self.request_that(who, node, request, "to end");
    }

    fn request_that(&mut self, who: &str, node: &Rc<Node>, request: &RequestInfo, why: &str) {
        let facts = self.scene.request(node, request);
        let whom = words::request(node, request);
        let link = self.link(who, XJobHolder::Request, whom.clone(), why);
        link.since_ms = Some(facts.since_ms);
        link.request = Some(facts);
        if self.is_new(&whom) {
            self.request_waits(&whom, node, request);
        }
    }

    fn request_waits(&mut self, who: &str, node: &Rc<Node>, request: &RequestInfo) {
        if let Some(other) = request.waits_for
            && let Some(other) = node.requests().iter().find(|it| it.id == other)
        {
            return self.request_that(who, node, other, "to end, which it must not overlap");
        }
        if let Some((below, same)) = passed_on(node, request) {
            return self.request(who, &below, &same);
        }
        let driver = node.driver().as_any();
        if let Some(throttle) = driver.downcast_ref::<ThrottleDriver>()
            && throttle.pending() > 0
        {
            return self.throttled(who, node, throttle);
        }
        if let Some(blkdebug) = driver.downcast_ref::<BlkdebugDriver>()
            && let Some(tag) = blkdebug.control().held_tags().first()
        {
            return self.suspended(who, node, tag);
        }
        let scene = self.scene;
        let mirrors = scene
            .jobs
            .iter()
            .filter_map(|job| Some((job, MirrorJob::of(job)?)));
        let is_filter =
            |mirror: &MirrorJob| mirror.filter_node().is_some_and(|it| Rc::ptr_eq(&it, node));
        for (job, mirror) in mirrors {
            if is_filter(&mirror) {
                return self.active_write(who, job, &mirror, request);
            }
        }
        // A format turns a request into others, elsewhere.
        if node.driver().is_filter() || !self.any_below(who, node) {
            self.bottom(who, node);
        }
    }

    /// A guest's write at the filter of `job`, which is not at the source: in `write-blocking` it waits
    /// for a copy of the same place, or for the target.
    fn active_write(&mut self, who: &str, job: &Job, mirror: &MirrorJob, request: &RequestInfo) {
        let operations = mirror.operations();
        let end = request.offset + request.bytes;
        let own = operations.iter().find(|it| {
            let overlaps = it.range.start < end && request.offset < it.range.end;
            it.kind == OperationKind::ActiveWrite && overlaps
        });
        let Some((own, (_, target))) = own.zip(mirror.disks()) else {
            return self.turn(who);
        };
        let conflict = operations.iter().find(|it| Some(it.id) == own.waits_for);
        if let Some(conflict) = conflict {
            let (bytes, offset) = (
                conflict.range.end - conflict.range.start,
                conflict.range.start,
            );
            let place = format!("({} at {offset})", words::size(bytes));
            let (holder, whom) = match conflict.kind {
                OperationKind::Claim => {
                    let whom = format!("the copy of job '{}' {place}", job.label());
                    (XJobHolder::Copies, whom)
                }
                OperationKind::ActiveWrite => (
                    XJobHolder::Guest,
                    format!("the guest's write to both sides {place}"),
                ),
            };
            self.link(
                who,
                holder,
                whom.clone(),
                "to end, which it must not overlap",
            );
            return self.copies(mirror, &whom);
        }
        let same = |it: &RequestInfo| it.offset < end && request.offset < it.offset + it.bytes;
        match target.requests().iter().find(|it| same(it)) {
            Some(copy) => self.request(who, &target, copy),
            None => self.turn(who),
        }
    }

    fn throttled(&mut self, who: &str, node: &Node, throttle: &ThrottleDriver) {
        let group = throttle.group();
        let waiting = words::count(group.pending() as u64, "request waits", "requests wait");
        let limits = limits(&group.limits());
        let whom = format!(
            "the throttle group '{}' ({limits}) of {}",
            group.name(),
            words::node(node)
        );
        let why = format!("to let it pass ({waiting} there)");
        self.link(who, XJobHolder::ThrottleGroup, whom, why);
    }

    fn suspended(&mut self, who: &str, node: &Node, tag: &str) {
        let whom = format!("the breakpoint '{tag}' of {} (blkdebug)", words::node(node));
        let link = self.link(who, XJobHolder::Breakpoint, whom, "to let it go");
        link.remedy = Some(format!(
            "in a monitor for people: qemu-io {} \"resume {tag}\"",
            node.name()
        ));
    }

    /// Nothing that can be seen is below.
    fn bottom(&mut self, who: &str, node: &Node) {
        if !node.children().is_empty() {
            return self.turn(who);
        }
        let driver = node.driver().format_name();
        let whom = match driver {
            "nbd" => format!("the NBD server of {}", words::node(node)),
            _ => format!("the storage of {} (driver '{driver}')", words::node(node)),
        };
        self.link(who, XJobHolder::Storage, whom, "to answer");
    }

    /// `who` waits for `section`: for its begin or for its end.
    pub(super) fn section(&mut self, who: &str, section: &Section, why: &str) {
        let since_ms = self.scene.age_ms(section.since_ns());
        let whom = words::section(section);
        let link = self.link(who, XJobHolder::Section, whom.clone(), why);
        link.since_ms = Some(since_ms);
        link.section = Some(section.id());
        if !self.is_new(&format!("section {}", section.id())) {
            return;
        }
        match section.established() {
            true => self.section_is_held(&whom, section),
            false => self.section_begins(&whom, section),
        }
    }

    /// It ends when whoever asked for it ends it.
    fn section_is_held(&mut self, who: &str, section: &Section) {
        let scene = self.scene;
        match scene.jobs.iter().find(|job| scene.is_own(job, section)) {
            Some(job) => self.job(who, job, "to end it"),
            None => {
                let whom = format!("whoever asked for it ('{}')", section.owner());
                self.link(who, XJobHolder::SectionOwner, whom, "to end it");
            }
        }
    }

    /// It begins when nothing is in flight at its nodes or at whoever uses them.
    fn section_begins(&mut self, who: &str, section: &Section) {
        let mut open = self.scene.drained_nodes(section);
        let mut seen: Vec<Rc<Node>> = Vec::new();
        while let Some(node) = open.pop() {
            if seen.iter().any(|other| Rc::ptr_eq(other, &node)) {
                continue;
            }
            if self.anything_at(who, &node) {
                return;
            }
            let parents = node.parents();
            open.extend(parents.iter().filter_map(|edge| edge.parent()?.as_node()));
            seen.push(node);
        }
        let scene = self.scene;
        let busy = scene.jobs.iter().find(|job| {
            let uses = job.block_job().map(|it| it.nodes()).unwrap_or_default();
            let uses = uses
                .iter()
                .any(|node| seen.iter().any(|it| Rc::ptr_eq(it, node)));
            uses && job.drained_poll() && !scene.is_own(job, section)
        });
        match busy {
            Some(job) => self.job(who, job, "to stand still"),
            None => self.turn(who),
        }
    }
}

/// The rates that are limited, as `object-add` has them.
fn limits(limits: &ThrottleLimits) -> String {
    let rates = [
        ("bps-total", limits.bps_total),
        ("bps-read", limits.bps_read),
        ("bps-write", limits.bps_write),
        ("iops-total", limits.iops_total),
        ("iops-read", limits.iops_read),
        ("iops-write", limits.iops_write),
    ];
    let set = rates.iter().filter_map(|(name, rate)| {
        let rate = rate.filter(|rate| *rate > 0)?;
        Some(format!("{name}={rate}"))
    });
    set.collect::<Vec<_>>().join(", ")
}

/// The request that `request` at `node` has become one node further down, if it is there.
fn passed_on(node: &Node, request: &RequestInfo) -> Option<(Rc<Node>, RequestInfo)> {
    let driver = node.driver();
    if !driver.is_filter() && driver.format_name() != "raw" {
        // Its children's offsets are other ones.
        return None;
    }
    let end = request.offset + request.bytes;
    let same = |other: &RequestInfo| {
        let overlap = other.offset < end && request.offset < other.offset + other.bytes;
        other.kind == request.kind && overlap && other.since_ns >= request.since_ns
    };
    node.children().iter().find_map(|edge| {
        let below = edge.node();
        let found = below.requests().into_iter().find(same)?;
        Some((below, found))
    })
}
