//! How things are called.

use blockjob_block::Node;
use blockjob_block::request::{ALL_NODES, RequestInfo, RequestKind};
use blockjob_block::section::Section;
use blockjob_jobs::error_policy::IoOperation;
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::MirrorJob;
use blockjob_jobs::mirror::conflicts::{OperationInfo, OperationKind};
use blockjob_jobs::mirror::steps::Step;

const NS_PER_MS: u64 = 1_000_000;

/// For how many milliseconds it has been so since `since_ns`, when it is `now_ns`.
pub(super) fn age_ms(now_ns: u64, since_ns: u64) -> u64 {
    now_ns.saturating_sub(since_ns) / NS_PER_MS
}

/// A time for people: in the two largest units from a minute on.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} d {} h", hours / 24, hours % 24),
    }
}

/// A number of bytes in the largest unit of which there is at least one, with one decimal.
pub(super) fn size(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        let one = 1u64 << shift;
        if bytes >= one {
            return format!("{:.1} {unit}", bytes as f64 / one as f64);
        }
    }
    format!("{bytes} bytes")
}

/// `1 copy`, `2 copies`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

pub(super) fn job(job: &Job) -> String {
    format!("job '{}'", job.label())
}

pub(super) fn node(node: &Node) -> String {
    format!("node '{}'", node.name())
}

pub(super) fn copies(job: &Job, mirror: &MirrorJob) -> String {
    let number = match mirror.in_flight() {
        1 => "copy".to_owned(),
        number => format!("{number} copies"),
    };
    let bytes = size(mirror.bytes_in_flight());
    format!("the {number} of job '{}' under way ({bytes})", job.label())
}

/// The writes of guests that go to both sides of a mirror at this moment; `None` if there are none.
pub(super) fn active_writes(mirror: &MirrorJob) -> Option<String> {
    let operations = mirror.operations();
    let active = |it: &&OperationInfo| it.kind == OperationKind::ActiveWrite;
    match operations.iter().filter(active).count() {
        0 => None,
        1 => Some("the guest's write to both sides".to_owned()),
        number => Some(format!("the guest's {number} writes to both sides")),
    }
}

/// A request of a mirror that failed.
pub(super) fn failed(operation: IoOperation, text: &str) -> String {
    let which = match operation {
        IoOperation::Read => "read of its source",
        IoOperation::Write => "write to its target",
    };
    format!("{which} failed: {text}")
}

pub(super) const fn kind(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Read => "read",
        RequestKind::Write => "write",
        RequestKind::Discard => "discard",
        RequestKind::Truncate => "truncate",
    }
}

pub(super) fn request(at: &Node, request: &RequestInfo) -> String {
    let (id, kind) = (request.id, kind(request.kind));
    let (bytes, offset) = (size(request.bytes), request.offset);
    format!("{kind} #{id} at {} ({bytes} at {offset})", node(at))
}

pub(super) fn section(section: &Section) -> String {
    section_of(section.owner(), section.node())
}

pub(super) fn section_of(owner: &str, node: &str) -> String {
    match node {
        ALL_NODES => format!("the drained section '{owner}' on all nodes"),
        node => format!("the drained section '{owner}' on node '{node}'"),
    }
}

/// What a mirror does at a step.
pub(super) const fn step(step: Step) -> &'static str {
    match step {
        Step::M1 => "it begins",
        Step::M2 | Step::M3 | Step::M4 => "it prepares itself",
        Step::M5 | Step::M6 => "it looks what there is to copy",
        Step::M7 => "the head of its loop",
        Step::M8 => "it counts what is left",
        Step::M9 => "it can start nothing now",
        Step::M10 => "it takes dirty granules",
        Step::M11 => "it asks what dirty granules hold, and copies it",
        Step::M12 => "it flushes the target",
        Step::M13 => "it is ready",
        Step::M14 => "it drains the source, to complete",
        Step::M15 => "it sleeps",
        Step::M16 => "it keeps the source drained, and ends",
        Step::M17 => "it hands over in the main loop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_units_that_suit_it() {
        let told = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1.0 s"),
            (59_999, "59.9 s"),
            (60_000, "1 min 0 s"),
            (3_599_000, "59 min 59 s"),
            (3_600_000, "1 h 0 min"),
            (90_000_000, "1 d 1 h"),
        ];
        for (ms, text) in told {
            assert_eq!(span(ms), text);
        }
    }
}
