//! What a drill is told.

/// How a drill ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Sections end, jobs end, guests rest, and both sides are looked at once more.
    InOrder,
    /// The threads are stopped with all of it running.
    Abrupt,
    /// As the seed says.
    Either,
}

/// What a drill is told. Everything else follows from it, and from who gets his turn when.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the dice of all parties are made of.
    pub seed: u64,
    /// Threads besides the main one.
    pub iothreads: usize,
    /// Pairs of disks, with a guest and a mirror each.
    pub pairs: usize,
    /// The length of each disk, in granules of [`GRANULE_BYTES`].
    pub granules: u64,
    /// Requests that a guest has under way at a time.
    pub lanes: u64,
    /// Requests of each guest, before it is asked for more.
    pub requests: u64,
    /// How many more it is asked for at a time, at most. Without an end of guests' writes a mirror in the
    /// background need never become READY.
    pub more: u64,
    /// Deeds of the monitor.
    pub deeds: u64,
    /// How it ends.
    pub ending: Ending,
}

/// The granularity of the mirrors, in bytes.
pub const GRANULE_BYTES: u64 = 512;

impl Plan {
    /// What shuttle runs: a mirror of 8 granules over two threads.
    pub fn small(seed: u64) -> Plan {
        Plan {
            seed,
            iothreads: 2,
            // One in four has a second pair, so that the jobs of two contexts meet in main.
            pairs: 1 + usize::from(seed.is_multiple_of(4)),
            granules: 8,
            lanes: 2,
            requests: 3,
            more: 3,
            deeds: 8,
            ending: Ending::Either,
        }
    }

    /// A round on real threads.
    pub fn soak(seed: u64, iothreads: usize) -> Plan {
        Plan {
            seed,
            iothreads,
            pairs: iothreads + 1,
            granules: 256,
            lanes: 3,
            requests: 100,
            more: 200,
            deeds: 400,
            ending: Ending::Either,
        }
    }
}
