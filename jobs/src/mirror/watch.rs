//! What a mirror knows of how it gets on: it feeds the rates, asks for a forecast, turns its copy mode,
//! and holds itself back for the sake of the guest.
//!
//! QEMU has no counterpart.

use std::cell::{Cell, RefCell};
use std::future::Future;

use blockjob_block::bitmap::NodeBitmap;
use futures_lite::future;

use super::auto::{Auto, Situation};
use super::budget::{Begun, Governor, Leave};
use super::convergence::{Forecast, RateWindow, Rates, Sample};
use super::options::MirrorOptions;
use super::state::MirrorJob;
use crate::driver::MirrorCopyMode;
use crate::error_policy::IoStatus;
use crate::job::Job;
use crate::marks;

/// What is watched of a mirror.
#[derive(Clone)]
pub(super) struct Watch {
    window: RefCell<RateWindow>,
    auto: RefCell<Auto>,
    /// What the user has asked for; what is in force is another thing.
    asked: Cell<MirrorCopyMode>,
    /// Bytes made dirty by writes that went past the bitmap of the source.
    dirtied_bytes: Cell<u64>,
    /// Bytes that are not dirty any more.
    cleaned_bytes: Cell<u64>,
    /// When the last of them were cleaned, by a clock that stands still while the mirror does.
    cleaned_at_ns: Cell<u64>,
    last_claim: Cell<u64>,
    passed_once: Cell<bool>,
    /// Since when it stands still, and what had been made dirty by then.
    still_since: Cell<Option<(u64, u64)>>,
    /// For how long it has stood still, and what was made dirty meanwhile.
    still: Cell<(u64, u64)>,
    governor: Option<RefCell<Governor>>,
    /// When a guest was last let go because of its budget.
    let_go_ns: Cell<Option<u64>>,
}

impl Watch {
    pub(super) fn new(options: &MirrorOptions, now_ns: u64) -> Self {
        let tuning = options.tuning;
        let governor = options.guest_latency_ns.map(|budget_ns| {
            let governor = Governor::new(
                budget_ns,
                tuning.slice_time_ns,
                tuning.max_in_flight,
                now_ns,
            );
            RefCell::new(governor)
        });
        Watch {
            // A quarter of a second with the default.
            window: RefCell::new(RateWindow::new(tuning.slice_time_ns / 2 * 5)),
            auto: RefCell::default(),
            asked: Cell::new(options.copy_mode),
            dirtied_bytes: Cell::new(0),
            cleaned_bytes: Cell::new(0),
            cleaned_at_ns: Cell::new(now_ns),
            last_claim: Cell::new(0),
            passed_once: Cell::new(false),
            still_since: Cell::new(None),
            still: Cell::new((0, 0)),
            governor,
            let_go_ns: Cell::new(None),
        }
    }

    /// An active write has left `bytes` dirty that were clean.
    pub(super) fn dirtied(&self, bytes: u64) {
        self.dirtied_bytes.set(self.dirtied_bytes.get() + bytes);
    }

    /// The bitmap is given up: what it has counted stays counted.
    pub(super) fn keep_dirtied(&self, bitmap: &NodeBitmap) {
        self.dirtied(bitmap.dirtied_granules() * bitmap.bits().granularity());
    }

    /// `bytes` were copied, or covered by an active write.
    pub(super) fn cleaned(&self, bytes: u64, now_ns: u64) {
        if bytes > 0 {
            self.cleaned_at_ns.set(now_ns - self.still.get().0);
        }
        self.cleaned_bytes.set(self.cleaned_bytes.get() + bytes);
    }

    /// Granules from `offset` on are claimed. They are in order, until they begin anew.
    pub(super) fn claimed(&self, offset: u64) {
        if self.last_claim.replace(offset) > offset {
            self.passed_once.set(true);
        }
    }

    pub(super) fn copy_begins(&self, now_ns: u64) {
        if let Some(governor) = &self.governor {
            governor.borrow_mut().copy_begins(now_ns);
        }
    }

    pub(super) fn copy_ends(&self, now_ns: u64) {
        if let Some(governor) = &self.governor {
            governor.borrow_mut().copy_ends(now_ns);
        }
    }

    /// A guest's write was let go because its budget was used up.
    pub(super) fn guest_let_go(&self, now_ns: u64) {
        self.let_go_ns.set(Some(now_ns));
    }
}

/// What keeps a mirror from copying, or from copying faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// It was asked to stand still, by its user or a drained section.
    Pause,
    /// An error has stopped it.
    Error,
    /// Its speed limit.
    Speed,
    /// What it may cost the guest.
    GuestLatency,
    /// Other jobs fill the memory that all share.
    Memory,
}

/// How a mirror gets on with whoever writes to its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convergence {
    /// How the guest's writes get to the target now: never [`MirrorCopyMode::Auto`].
    pub mode: MirrorCopyMode,
    /// What the user has asked for.
    pub asked_mode: MirrorCopyMode,
    /// Bytes to be copied.
    pub dirty_bytes: u64,
    /// Bytes that are being copied.
    pub in_flight_bytes: u64,
    /// Bytes per second, of the window; `None` before there is one.
    pub rates: Option<Rates>,
    /// What will come of it.
    pub forecast: Forecast,
    /// What holds it back.
    pub limit: Option<Limit>,
    /// What it may cost the guest, in nanoseconds a request, if that was said.
    pub guest_latency_ns: Option<u64>,
    /// What the copies in the background cost each request of the guest lately, as a mean in
    /// nanoseconds; only measured if a budget was set.
    pub guest_cost_ns: Option<u64>,
}

impl MirrorJob {
    /// The mode that the user has asked for; [`copy_mode`](Self::copy_mode) is the one in force.
    pub fn asked_copy_mode(&self) -> MirrorCopyMode {
        self.watch.asked.get()
    }

    /// The user asks for another mode. With [`MirrorCopyMode::Auto`] it is decided anew.
    pub(super) fn ask_copy_mode(&self, asked: MirrorCopyMode) {
        self.watch.asked.set(asked);
        self.watch.auto.borrow_mut().clean();
        self.set_copy_mode(asked.to_begin_with());
    }

    /// Whether it catches up with the guest, and how fast. Asking changes nothing.
    pub fn convergence(&self) -> Convergence {
        let watch = &self.watch;
        let now = self.sample();
        let window = watch.window.borrow();
        let rates = window.rates(now);
        let (dirty_bytes, in_flight_bytes) = (self.dirty_bytes(), self.bytes_in_flight.get());
        let limit = self.limit(rates, window.window_ns());
        let ready = self.job().is_some_and(|job| job.is_ready());
        let forecast = match limit {
            _ if ready => Forecast::Ready,
            Some(Limit::Pause | Limit::Error) => Forecast::Waits,
            _ if !self.initialized.get() => Forecast::Unknown,
            _ => window.forecast(dirty_bytes + in_flight_bytes, rates),
        };
        let governor = watch.governor.as_ref();
        Convergence {
            mode: self.copy_mode(),
            asked_mode: self.asked_copy_mode(),
            dirty_bytes,
            in_flight_bytes,
            rates,
            forecast,
            limit,
            guest_latency_ns: self.options.guest_latency_ns,
            guest_cost_ns: governor.and_then(|governor| governor.borrow().cost_ns()),
        }
    }

    fn limit(&self, rates: Option<Rates>, window_ns: u64) -> Option<Limit> {
        let job = self.job()?;
        if job.io_status() != IoStatus::Ok {
            return Some(Limit::Error);
        }
        if job.pause_count() > 0 {
            return Some(Limit::Pause);
        }
        let speed = job.speed_bytes_per_s();
        if speed > 0 && rates.is_none_or(|rates| rates.copy >= speed / 10 * 8) {
            return Some(Limit::Speed);
        }
        if self.waits_for_room() > 0 {
            return Some(Limit::Memory);
        }
        let watch = &self.watch;
        let let_go_ns = watch.let_go_ns.get();
        let now_ns = self.context.now_ns();
        let let_go = let_go_ns.is_some_and(|at_ns| now_ns - at_ns < window_ns);
        let governor = watch.governor.as_ref();
        let held_back = governor.is_some_and(|governor| governor.borrow().holds_back());
        (let_go || held_back).then_some(Limit::GuestLatency)
    }

    fn sample(&self) -> Sample {
        let watch = &self.watch;
        let (still_ns, still_bytes) = watch.still.get();
        let (now_ns, dirtied_bytes) = match watch.still_since.get() {
            Some(then) => then,
            None => (self.context.now_ns(), self.dirtied_bytes()),
        };
        Sample {
            at_ns: now_ns - still_ns,
            dirtied_bytes: dirtied_bytes - still_bytes,
            copied_bytes: watch.cleaned_bytes.get(),
            copied_at_ns: watch.cleaned_at_ns.get(),
        }
    }

    fn dirtied_bytes(&self) -> u64 {
        let bitmap = self.dirty_bitmap.borrow();
        let granules = bitmap.as_ref().map_or(0, |map| map.dirtied_granules());
        granules * self.options.granularity + self.watch.dirtied_bytes.get()
    }

    /// The job stands still from now on, and nothing that it could be measured by happens.
    pub(super) fn stands_still(&self) {
        if self.watch.still_since.get().is_none() {
            let then = (self.context.now_ns(), self.dirtied_bytes());
            self.watch.still_since.set(Some(then));
        }
    }

    /// The job goes on.
    pub(super) fn goes_on(&self) {
        if let Some((since_ns, dirtied_then)) = self.watch.still_since.take() {
            let (still_ns, still_bytes) = self.watch.still.get();
            let passed_ns = self.context.now_ns() - since_ns;
            let dirtied = self.dirtied_bytes() - dirtied_then;
            self.watch
                .still
                .set((still_ns + passed_ns, still_bytes + dirtied));
        }
    }

    /// M8: `left_bytes` are dirty or in flight.
    pub(super) fn look_at_rates(&self, left_bytes: u64) {
        let watch = &self.watch;
        if left_bytes == 0 {
            watch.passed_once.set(true);
            watch.auto.borrow_mut().clean();
        }
        let mut window = watch.window.borrow_mut();
        // Told so often that what stood still meanwhile need not be taken off first.
        if !window.is_due(self.context.now_ns() - watch.still.get().0) {
            return;
        }
        let now = self.sample();
        window.add(now);
        let undecided = watch.asked.get() == MirrorCopyMode::Auto
            && self.copy_mode() == MirrorCopyMode::Background;
        let situation = Situation {
            rates: window.rates(now),
            window_ns: window.window_ns(),
            left_bytes,
            passed_once: watch.passed_once.get(),
            copied_bytes: now.copied_bytes,
        };
        if undecided && watch.auto.borrow_mut().look(situation) {
            self.context.mark(&marks::AUTO_TURNED);
            tracing::debug!(target: "blockjob::mirror", ?situation, "turns to write-blocking");
            self.set_copy_mode(MirrorCopyMode::WriteBlocking);
        }
    }

    /// Copies that may be in flight now.
    pub(super) fn max_in_flight(&self) -> usize {
        let max = self.options.tuning.max_in_flight;
        match &self.watch.governor {
            Some(governor) => governor.borrow().allowed().min(max),
            None => max,
        }
    }

    /// Until when no copy may begin, for the sake of the guest.
    pub(super) fn rest_until_ns(&self) -> Option<u64> {
        let governor = self.watch.governor.as_ref()?;
        match governor.borrow_mut().ask(self.context.now_ns()) {
            Leave::Copy => None,
            Leave::RestUntil(until_ns) => Some(until_ns),
        }
    }

    /// Rests until `until_ns`, or until somebody wants something of the job.
    pub(super) async fn rest(&self, job: &Job, until_ns: u64) {
        self.context.mark(&marks::GUEST_SPARED);
        let now_ns = self.context.now_ns();
        job.sleep_ns(until_ns.saturating_sub(now_ns)).await;
    }

    /// A request of the guest to the source, which is measured if there is a budget.
    pub(super) async fn measured<T>(&self, request: impl Future<Output = T>) -> T {
        let _measuring = self.watch.governor.as_ref().map(|governor| Measuring {
            mirror: self,
            governor,
            begun: governor.borrow_mut().request_begins(self.context.now_ns()),
        });
        request.await
    }

    /// Waits for `wait`, but not longer than until `deadline_ns`. False if it has not ended then.
    pub(super) async fn in_time(
        &self,
        deadline_ns: Option<u64>,
        wait: impl Future<Output = ()>,
    ) -> bool {
        let Some(deadline_ns) = deadline_ns else {
            wait.await;
            return true;
        };
        let ended = async {
            wait.await;
            true
        };
        let late = async {
            self.context.sleep_until(deadline_ns).await;
            false
        };
        // What has ended at the deadline has ended in time.
        future::or(ended, late).await
    }
}

/// A request of the guest that is being measured.
struct Measuring<'a> {
    mirror: &'a MirrorJob,
    governor: &'a RefCell<Governor>,
    begun: Begun,
}

impl Drop for Measuring<'_> {
    fn drop(&mut self) {
        let now_ns = self.mirror.context.now_ns();
        self.governor.borrow_mut().request_ends(self.begun, now_ns);
    }
}
