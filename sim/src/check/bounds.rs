//! How long things may take in a world, at most: from its configuration, generously.
//!
//! A bound is there to tell *late* from *never*. It is computed from the longest that a disk can take,
//! times all that can be in line, and then times a factor.

use crate::config::{Config, Field};

/// Every bound is so many times what was counted.
const FACTOR: u64 = 4;

/// So many requests of disks can be behind each other in one copy: questions and reads through the
/// chain, what surrounds it on either side, what is copied up before, the write.
const CHAIN: u64 = 12;

/// The value of a disk that takes its time to say what it holds.
const SLOW: u64 = 1;

/// No bound is below this: disks may take no time.
const LEAST_NS: u64 = 1_000_000;

/// A heavy tail doubles the usual latency up to so many times.
const TAIL_DOUBLINGS: u32 = 11;

/// The bounds of a world, in nanoseconds of its clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// What is under way at any moment has ended after this, unless it is held.
    pub(crate) outstanding_ns: u64,
    /// What a job has begun to take has all been begun after this.
    pub(crate) claim_ns: u64,
    /// In the calm a job comes to something within this, however little.
    pub(crate) stall_ns: u64,
    /// In the calm a unit of 128 bytes is copied in this, with all that it needs.
    pub(crate) unit_ns: u64,
}

impl Bounds {
    pub(crate) fn of(config: &Config) -> Bounds {
        let get = |field| config.get(field);
        let slow_status = match get(Field::Status) {
            SLOW => get(Field::Latency).saturating_mul(4),
            _ => 0,
        };
        let source_ns = longest(get(Field::Latency), get(Field::Spread)) + slow_status;
        let target_ns = longest(get(Field::TargetLatency), get(Field::TargetSpread));
        let longest_ns = source_ns.max(target_ns);
        let guests = get(Field::Guests) * get(Field::Depth) * get(Field::Noisy).max(1);
        let jobs = get(Field::Jobs).max(1);
        // Requests that are padded wait for each other.
        let padded = get(Field::Alignment) + get(Field::TargetAlignment) > 0;
        let line = if padded {
            1 + get(Field::InFlight) + guests
        } else {
            1
        };
        let chain_ns = longest_ns.saturating_mul(CHAIN);
        let outstanding_ns = times(chain_ns, line * jobs * FACTOR);
        let parts = get(Field::Buf).max(get(Field::MaxIo)) * get(Field::Granularity) / 512;
        let claim_ns = times(longest_ns, parts.max(1) * FACTOR)
            .saturating_add(outstanding_ns)
            .saturating_add(LEAST_NS);
        let usual_ns = 2 * get(Field::Latency) + get(Field::TargetLatency) + slow_status;
        Bounds {
            outstanding_ns,
            claim_ns,
            stall_ns: claim_ns.saturating_add(times(get(Field::Slice), 2)),
            unit_ns: times(usual_ns, CHAIN),
        }
    }
}

fn times(ns: u64, factor: u64) -> u64 {
    ns.saturating_mul(factor)
}

/// The longest that a disk of that usual latency takes for a request.
fn longest(latency_ns: u64, spread: u64) -> u64 {
    match spread {
        0 => latency_ns,
        1 => latency_ns.saturating_mul(2),
        _ => latency_ns.saturating_mul(1 << TAIL_DOUBLINGS),
    }
}
