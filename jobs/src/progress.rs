//! How far a job has come.

/// Counts work done and the total that it is expected to reach, in the job's own unit (bytes for block
/// jobs). The counterpart of `ProgressMeter` (`util/progress_meter.c`).
///
/// The total is an estimate and may move both ways: a mirror sets anew what remains, while the guest
/// dirties more. It may also fall behind the work that is done, until somebody corrects it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressMeter {
    current: u64,
    total: u64,
}

impl ProgressMeter {
    /// Nothing done, nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The work done so far: `offset` in block job events, `current-progress` in `query-jobs`.
    #[must_use]
    pub const fn current(&self) -> u64 {
        self.current
    }

    /// The expected end: `len` in block job events, `total-progress` in `query-jobs`.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// What is expected to be left: the total less the work done, or 0 if that has passed it.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.total.saturating_sub(self.current)
    }

    /// Adds `done` to the work done; the total stays. The counterpart of `progress_work_done`
    /// (`util/progress_meter.c`).
    pub const fn work_done(&mut self, done: u64) {
        self.current = self.current.saturating_add(done);
    }

    /// Sets the total so that `remaining` is left. The counterpart of `progress_set_remaining`
    /// (`util/progress_meter.c`).
    pub const fn set_remaining(&mut self, remaining: u64) {
        self.total = self.current.saturating_add(remaining);
    }

    /// Adds `delta` to the total. The counterpart of `progress_increase_remaining`
    /// (`util/progress_meter.c`).
    pub const fn increase_remaining(&mut self, delta: u64) {
        self.total = self.total.saturating_add(delta);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(meter: ProgressMeter) -> (u64, u64, u64) {
        (meter.current(), meter.total(), meter.remaining())
    }

    #[test]
    fn work_done_leaves_the_total_and_shrinks_what_remains() {
        let mut meter = ProgressMeter::new();
        meter.set_remaining(10);
        meter.work_done(4);
        assert_eq!(shown(meter), (4, 10, 6));
    }

    #[test]
    fn what_remains_is_set_from_here_and_not_from_the_start() {
        let mut meter = ProgressMeter::new();
        meter.set_remaining(10);
        meter.work_done(4);
        meter.set_remaining(10);
        assert_eq!(shown(meter), (4, 14, 10));
        meter.set_remaining(0);
        assert_eq!(shown(meter), (4, 4, 0));
    }

    #[test]
    fn more_to_do_adds_to_what_remains() {
        let mut meter = ProgressMeter::new();
        meter.set_remaining(10);
        meter.work_done(4);
        meter.increase_remaining(5);
        assert_eq!(shown(meter), (4, 15, 11));
    }

    #[test]
    fn work_beyond_the_total_leaves_nothing_to_do() {
        let mut meter = ProgressMeter::new();
        meter.set_remaining(3);
        meter.work_done(5);
        assert_eq!(shown(meter), (5, 3, 0));
        meter.set_remaining(u64::MAX);
        assert_eq!(meter.total(), u64::MAX);
    }
}
