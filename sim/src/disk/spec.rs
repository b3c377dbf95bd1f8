//! How a disk behaves.

/// How much latencies differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Spread {
    /// Not at all.
    #[default]
    Constant,
    /// From an eighth to nearly twice the usual.
    Uniform,
    /// Mostly the usual; sometimes twice, four times, up to two thousand times as much.
    HeavyTail,
}

/// How the disk answers what is known of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StatusKind {
    /// At once, and exactly.
    #[default]
    Exact,
    /// Exactly, but it takes its time.
    Slow,
    /// At once, and everything that is allocated is data for all it knows.
    Coarse,
}

/// What a disk holds to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fill {
    /// Data, in each place another.
    #[default]
    Data,
    /// Data and holes in turns.
    Sparse,
    /// Nothing: holes.
    Holes,
    /// Noise of which nobody knows anything: what a target held before.
    Noise,
}

/// How a disk behaves. Odds are so many of 1,024.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DiskSpec {
    /// The usual latency in nanoseconds.
    pub latency_ns: u64,
    /// How much latencies differ.
    pub spread: Spread,
    /// Requests may do what they do before they answer.
    pub early: bool,
    /// What it holds to begin with.
    pub fill: Fill,
    /// How it answers what is known of a range.
    pub status: StatusKind,
    /// The odds that a read, or a question of status, fails with `EIO`.
    pub read_error: u32,
    /// The odds that a write fails with `EIO`.
    pub write_error: u32,
    /// The odds that a write fails with `ENOSPC`; then none fails with `EIO`.
    pub full: u32,
    /// The odds that a flush fails.
    pub flush_error: u32,
    /// The odds that a transfer comes short, and is continued.
    pub short: u32,
    /// The odds that a request is held until the faults end.
    pub hold: u32,
    /// What no flush has made safe is lost in a crash.
    pub volatile: bool,
    /// What requests are multiples of, in bytes, a power of two; 0 for one byte.
    pub alignment: u64,
    /// The unit of allocation in bytes, a power of two; 0 for the smallest.
    pub cluster_bytes: u64,
    /// Writes behind the end make it longer, as a file.
    pub grows: bool,
}
