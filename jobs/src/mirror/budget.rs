//! What the copies in the background may cost the guest: a governor of how many there are, and of how
//! long the job rests between them.
//!
//! The cost is measured and not guessed: the mean time that the guest's requests take on the source,
//! less what they take while nothing is copied. The latter is learnt in short rests, one in sixteen
//! slices. If the cost is above the budget, half as many copies may be in flight; if it is below three
//! quarters of it, one more: what TCP does with a line that it shares. When a single copy is too much, the
//! job rests after each, at first for a quarter of the time that it took, and at last for sixteen
//! times as long. So it never starves: it copies in one seventeenth of the time, whatever that costs.
//!
//! The budget is for the mean of a slice. A single request can come behind a copy that has just begun.
//!
//! Nothing here knows a mirror or a clock. QEMU has no counterpart.

/// In so many slices the job rests once, to learn what requests take without it.
const LEARN_SLICES: u64 = 16;
/// So many requests are enough to learn from.
const LEARN_REQUESTS: u64 = 8;
/// The longest rest after a copy, in quarters of the time that it took.
const MAX_REST: u64 = 64;

/// Requests of the guest that have ended.
#[derive(Debug, Clone, Copy, Default)]
struct Latencies {
    requests: u64,
    total_ns: u64,
}

impl Latencies {
    fn add(&mut self, latency_ns: u64) {
        self.requests += 1;
        self.total_ns = self.total_ns.saturating_add(latency_ns);
    }

    fn mean_ns(&self) -> Option<u64> {
        self.total_ns.checked_div(self.requests)
    }
}

/// A request of the guest that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    at_ns: u64,
    /// Copies that had begun by then; `None` if one was in flight.
    alone_since: Option<u64>,
}

/// What the job may do at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// Start copies, as many as there may be.
    Copy,
    /// Start none before that time.
    RestUntil(u64),
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Governor {
    budget_ns: u64,
    slice_ns: u64,
    max_in_flight: usize,
    /// Copies that may be in flight.
    allowed: usize,
    /// The rest after a copy, in quarters of the time that it took.
    rest: u64,
    /// Copies that have begun, and those in flight.
    copies: u64,
    in_flight: usize,
    busy_since_ns: u64,
    /// For how long copies were in flight since the last rest.
    busy_ns: u64,
    rest_until_ns: u64,
    /// Until when it learns what requests take without it.
    learn_until_ns: Option<u64>,
    slices_since_learnt: u64,
    slice_end_ns: u64,
    baseline_ns: Option<u64>,
    cost_ns: Option<u64>,
    /// In this slice: all requests, and those during which nothing was copied.
    all: Latencies,
    alone: Latencies,
    /// Requests of the guest under way.
    under_way: u64,
}

impl Governor {
    /// For `budget_ns`, with slices of `slice_ns` and at most `max_in_flight` copies, at time `now_ns`.
    pub(super) fn new(budget_ns: u64, slice_ns: u64, max_in_flight: usize, now_ns: u64) -> Self {
        Governor {
            budget_ns,
            slice_ns: slice_ns.max(1),
            max_in_flight,
            allowed: 1,
            rest: 0,
            copies: 0,
            in_flight: 0,
            busy_since_ns: 0,
            busy_ns: 0,
            rest_until_ns: 0,
            learn_until_ns: None,
            slices_since_learnt: LEARN_SLICES,
            slice_end_ns: now_ns.saturating_add(slice_ns),
            baseline_ns: None,
            cost_ns: None,
            all: Latencies::default(),
            alone: Latencies::default(),
            under_way: 0,
        }
    }

    /// Copies that may be in flight now.
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }

    /// The budget keeps the job from copying as fast as it could.
    pub(super) fn holds_back(&self) -> bool {
        self.allowed < self.max_in_flight || self.rest > 0
    }

    /// What the copies cost each request of the guest in the last slice in which there were some, as a
    /// mean.
    pub(super) fn cost_ns(&self) -> Option<u64> {
        self.cost_ns
    }

    /// A request of the guest comes to the source.
    pub(super) fn request_begins(&mut self, now_ns: u64) -> Begun {
        self.under_way += 1;
        Begun {
            at_ns: now_ns,
            alone_since: (self.in_flight == 0).then_some(self.copies),
        }
    }

    /// The source has answered it, or its guest has lost interest.
    pub(super) fn request_ends(&mut self, request: Begun, now_ns: u64) {
        self.under_way -= 1;
        let latency_ns = now_ns.saturating_sub(request.at_ns);
        self.all.add(latency_ns);
        if request.alone_since == Some(self.copies) {
            self.alone.add(latency_ns);
        }
    }

    pub(super) fn copy_begins(&mut self, now_ns: u64) {
        if self.in_flight == 0 {
            self.busy_since_ns = now_ns;
        }
        self.in_flight += 1;
        self.copies += 1;
    }

    pub(super) fn copy_ends(&mut self, now_ns: u64) {
        self.in_flight -= 1;
        if self.in_flight == 0 {
            self.busy_ns += now_ns.saturating_sub(self.busy_since_ns);
        }
    }

    /// What the job may do now. Asked before copies are begun.
    pub(super) fn ask(&mut self, now_ns: u64) -> Leave {
        if let Some(until_ns) = self.learn_until_ns {
            let learnt = self.alone.requests >= LEARN_REQUESTS;
            if now_ns < until_ns && !learnt {
                // In small pieces, because there may be enough to learn from soon.
                return Leave::RestUntil(until_ns.min(now_ns + self.slice_ns.div_ceil(16)));
            }
            self.learn(now_ns);
        }
        if now_ns >= self.slice_end_ns {
            self.next_slice(now_ns);
            if self.learn_until_ns.is_some() {
                return self.ask(now_ns);
            }
        }
        if self.rest > 0 && self.in_flight == 0 && self.busy_ns > 0 {
            let rest_ns = self.busy_ns.saturating_mul(self.rest) / 4;
            self.busy_ns = 0;
            self.rest_until_ns = now_ns.saturating_add(rest_ns);
        }
        match now_ns < self.rest_until_ns {
            true => Leave::RestUntil(self.rest_until_ns),
            false => Leave::Copy,
        }
    }

    /// The rest for learning is over.
    fn learn(&mut self, now_ns: u64) {
        self.learn_until_ns = None;
        self.slices_since_learnt = 0;
        if let Some(mean_ns) = self.alone.mean_ns() {
            self.baseline_ns = Some(match self.baseline_ns {
                None => mean_ns,
                Some(before_ns) => before_ns.midpoint(mean_ns),
            });
        }
        self.begin_slice(now_ns);
    }

    fn begin_slice(&mut self, now_ns: u64) {
        self.all = Latencies::default();
        self.alone = Latencies::default();
        self.slice_end_ns = now_ns.saturating_add(self.slice_ns);
    }

    fn next_slice(&mut self, now_ns: u64) {
        self.slices_since_learnt += 1;
        let guest_is_there = self.all.requests > 0 || self.under_way > 0;
        if guest_is_there && self.slices_since_learnt >= LEARN_SLICES {
            self.begin_slice(now_ns);
            self.learn_until_ns = Some(now_ns.saturating_add(self.slice_ns / 2));
            return;
        }
        match (self.all.mean_ns(), self.baseline_ns) {
            (Some(mean_ns), Some(baseline_ns)) => {
                let cost_ns = mean_ns.saturating_sub(baseline_ns);
                self.cost_ns = Some(cost_ns);
                self.adapt(cost_ns);
            }
            // A guest has come of whom nothing is known: that is learnt next.
            (Some(_), None) => self.slices_since_learnt = LEARN_SLICES,
            // It waits for something that takes longer than a slice.
            (None, _) if self.under_way > 0 => {}
            (None, _) => {
                self.rest = 0;
                self.allowed = (self.allowed * 2).min(self.max_in_flight);
            }
        }
        self.begin_slice(now_ns);
    }

    fn adapt(&mut self, cost_ns: u64) {
        if cost_ns > self.budget_ns {
            match self.allowed {
                1 => self.rest = (self.rest * 2).clamp(1, MAX_REST),
                allowed => self.allowed = allowed / 2,
            }
        } else if cost_ns <= self.budget_ns / 4 * 3 {
            match self.rest {
                0 => self.allowed = (self.allowed + 1).min(self.max_in_flight),
                rest => self.rest = rest / 2,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const SLICE: u64 = 100 * MS;

    /// A source with a guest that asks every millisecond, one request at a time; a request takes
    /// `alone_ns`, and `each_ns` more for every copy in flight. A copy takes 5 ms, and there is always
    /// another one.
    struct Model {
        governor: Governor,
        now_ns: u64,
        alone_ns: u64,
        each_ns: u64,
        guest: bool,
        copied: u64,
        ends: Vec<u64>,
    }

    impl Model {
        fn new(budget_ns: u64, alone_ns: u64, each_ns: u64) -> Self {
            Model {
                governor: Governor::new(budget_ns, SLICE, 16, 0),
                now_ns: 0,
                alone_ns,
                each_ns,
                guest: true,
                copied: 0,
                ends: Vec::new(),
            }
        }

        fn run(&mut self, time_ns: u64) {
            let end_ns = self.now_ns + time_ns;
            while self.now_ns < end_ns {
                let now_ns = self.now_ns;
                let ended = self.ends.iter().filter(|end| **end <= now_ns).count();
                self.ends.retain(|end| *end > now_ns);
                for _ in 0..ended {
                    self.governor.copy_ends(now_ns);
                    self.copied += 1;
                }
                while self.governor.ask(now_ns) == Leave::Copy
                    && self.ends.len() < self.governor.allowed()
                {
                    self.governor.copy_begins(now_ns);
                    self.ends.push(now_ns + 5 * MS);
                }
                if self.guest {
                    let request = self.governor.request_begins(now_ns);
                    let cost_ns = self.each_ns * self.ends.len() as u64;
                    self.governor
                        .request_ends(request, now_ns + self.alone_ns + cost_ns);
                }
                self.now_ns += MS;
            }
        }
    }

    #[test]
    fn as_many_copies_as_the_budget_pays_for_are_in_flight() {
        let mut model = Model::new(MS / 2, MS, MS / 10);
        model.run(5_000 * MS);
        let mut most = 0;
        for _ in 0..100 {
            model.run(SLICE);
            most = most.max(model.governor.allowed());
            let cost_ns = model.governor.cost_ns().expect("it has measured");
            assert!(cost_ns <= MS * 6 / 10 + MS / 10, "{cost_ns} ns");
        }
        assert!((4..=6).contains(&most), "{most} copies");
        assert!(model.governor.holds_back());
    }

    #[test]
    fn a_guest_that_copies_cost_nothing_has_all_of_them() {
        let mut model = Model::new(MS / 2, MS, 0);
        model.run(4_000 * MS);
        assert_eq!(model.governor.allowed(), 16);
        assert!(!model.governor.holds_back());
    }

    #[test]
    fn without_a_guest_there_is_nobody_to_yield_to() {
        let mut model = Model::new(1, MS, 50 * MS);
        model.guest = false;
        model.run(1_000 * MS);
        assert_eq!(model.governor.allowed(), 16);
    }

    #[test]
    fn when_one_copy_is_too_much_it_rests_so_long_that_the_mean_is_kept() {
        let mut model = Model::new(MS / 2, MS, 2 * MS);
        model.run(5_000 * MS);
        let (mut costs, slices) = (0, 100);
        for _ in 0..slices {
            model.run(SLICE);
            costs += model.governor.cost_ns().expect("it has measured");
        }
        let mean_ns = costs / slices;
        assert!(mean_ns <= MS * 6 / 10, "{mean_ns} ns");
        assert!(mean_ns >= MS / 8, "{mean_ns} ns: it rests for too long");
    }

    #[test]
    fn it_never_starves_however_much_a_copy_costs() {
        let mut model = Model::new(1, MS, 900 * MS);
        model.run(5_000 * MS);
        let before = model.copied;
        model.run(10_000 * MS);
        let copied = model.copied - before;
        // One in seventeen turns of 5 ms, less what it learns in.
        assert!(copied >= 10_000 / 5 / 17 * 9 / 10, "{copied} copies");
    }

    #[test]
    fn a_slower_disk_is_learnt_and_not_taken_for_a_cost() {
        let mut model = Model::new(MS / 2, MS, 0);
        model.run(4_000 * MS);
        model.alone_ns = 20 * MS;
        model.run(30_000 * MS);
        assert_eq!(model.governor.allowed(), 16);
    }
}
