//! The monitor: somebody who issues every command there is, at any step.
//!
//! Its deeds are decisions: what, and when. *When* is a time, a number of events from now, or a moment
//! in the life of a job; then the command is queued in the main context, as a monitor's input would be,
//! and which of the ready things runs first is a decision again.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_block::moving;
use blockjob_block::{Drained, Node};
use blockjob_jobs::driver::{JobChange, MirrorCopyMode};
use blockjob_jobs::job::Job;
use blockjob_jobs::mirror::steps::{MirrorEvent, Step};
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::JobTraceKind;
use blockjob_runtime::decide::Site;
use blockjob_runtime::{EventNotifier, Timer};

use crate::cast::{Cast, Pair};
use crate::check::Seen;
use crate::decide::time;
use crate::event::{Asked, MonitorEvent};
use crate::hub::Hub;
use crate::story::command;

static VERB: Site = Site::new("monitor.verb");
static WHEN: Site = Site::new("monitor.when");
static WHOM: Site = Site::new("monitor.whom");
static SPEED: Site = Site::new("monitor.speed");
static MODE: Site = Site::new("monitor.mode");
static HOLD: Site = Site::new("monitor.hold");
static WAY: Site = Site::new("monitor.way");
static WHERE: Site = Site::new("monitor.where");

/// What a monitor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `query-jobs`.
    Query,
    /// `job-pause`.
    Pause,
    /// `job-resume`.
    Resume,
    /// `block-job-set-speed`.
    SetSpeed,
    /// `block-job-complete`.
    Complete,
    /// `block-job-cancel`.
    Cancel,
    /// `block-job-cancel` with `force`.
    ForceCancel,
    /// A drained section of the source that ends at once.
    DrainSource,
    /// A drained section of the target that ends at once.
    DrainTarget,
    /// A drained section of everything that ends at once.
    DrainAll,
    /// A coroutine drains the source for a while.
    HoldSource,
    /// A coroutine drains the target for a while.
    HoldTarget,
    /// `blockdev-snapshot`: a new image on top of the source.
    Snapshot,
    /// `blockdev-mirror` again, of the same disk.
    SecondJob,
    /// `job-finalize`.
    Finalize,
    /// `job-dismiss`.
    Dismiss,
    /// `quit`: all jobs are cancelled.
    Quit,
    /// `block-job-change`: one of the copy modes.
    Change,
    /// `x-blockdev-set-iothread`: what the device uses moves to another context, with all that belongs to it.
    Move,
}

impl Verb {
    /// All of them, the dullest first.
    pub const ALL: [Verb; 19] = [
        Verb::Query,
        Verb::Pause,
        Verb::Resume,
        Verb::SetSpeed,
        Verb::Complete,
        Verb::Cancel,
        Verb::ForceCancel,
        Verb::DrainSource,
        Verb::DrainTarget,
        Verb::DrainAll,
        Verb::HoldSource,
        Verb::HoldTarget,
        Verb::Snapshot,
        Verb::SecondJob,
        Verb::Finalize,
        Verb::Dismiss,
        Verb::Quit,
        Verb::Change,
        Verb::Move,
    ];
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// When the next deed is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// After so many events of the world.
    Events(u64),
    /// After so many nanoseconds.
    Time(u64),
    /// When a mirror comes to a step.
    Step(Step),
    /// When a job gets into a state.
    Status(JobStatus),
    /// When the coroutine of a job has ended.
    RunEnd,
    /// When a deferred completion starts.
    DeferredStart,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Events(1) => f.write_str("at the next event"),
            When::Events(events) => write!(f, "after {events} events"),
            When::Time(time_ns) => write!(f, "after {}", time(*time_ns)),
            When::Step(step) => write!(f, "when a job comes to {step}"),
            When::Status(status) => write!(f, "when a job is {status}"),
            When::RunEnd => f.write_str("when a job has done its work"),
            When::DeferredStart => f.write_str("when mirror_exit begins"),
        }
    }
}

const MS: u64 = 1_000_000;

const WHENS: [When; 24] = [
    When::Events(1),
    When::RunEnd,
    When::Step(Step::M14),
    When::Step(Step::M16),
    When::Status(JobStatus::Ready),
    When::DeferredStart,
    When::Step(Step::M12),
    When::Step(Step::M15),
    When::Status(JobStatus::Pending),
    When::Step(Step::M5),
    When::Step(Step::M9),
    When::Step(Step::M11),
    When::Events(4),
    When::Events(16),
    When::Events(64),
    When::Events(256),
    When::Events(1024),
    When::Time(0),
    When::Time(MS / 10),
    When::Time(MS),
    When::Time(10 * MS),
    When::Time(99 * MS),
    When::Time(100 * MS),
    When::Time(350 * MS),
];

/// What is waited for, in the stream of events.
#[derive(Default)]
pub(crate) struct Triggers {
    waits_for: Cell<Option<(When, u64)>>,
    alarm: RefCell<Option<EventNotifier>>,
}

impl Triggers {
    pub(crate) fn disarm(&self) {
        self.waits_for.set(None);
        drop(self.alarm.borrow_mut().take());
    }

    /// An event of the world: if it is the one, the alarm goes off.
    pub(crate) fn event(&self, seen_events: u64, seen: &Seen<'_>) {
        let Some((when, since)) = self.waits_for.get() else {
            return;
        };
        let is_it = match (when, seen) {
            (When::Events(events), _) => seen_events >= since + events,
            (When::Step(step), Seen::Mirror(mirror)) => mirror.event == MirrorEvent::Step(step),
            (When::Status(status), Seen::Job(job)) => {
                matches!(job.what, JobTraceKind::Status { to, .. } if to == status)
            }
            (When::RunEnd, Seen::Job(job)) => job.what == JobTraceKind::RunEnd,
            (When::DeferredStart, Seen::Job(job)) => job.what == JobTraceKind::DeferredStart,
            _ => false,
        };
        if is_it {
            self.waits_for.set(None);
            if let Some(alarm) = &*self.alarm.borrow() {
                alarm.set();
            }
        }
    }
}

/// Whether it is asked of a job, and not of nodes.
const fn is_of_job(verb: Verb) -> bool {
    !matches!(
        verb,
        Verb::DrainSource | Verb::DrainTarget | Verb::Snapshot | Verb::SecondJob
    )
}

/// A disk of a pair.
#[derive(Clone, Copy)]
enum Side {
    Source,
    Target,
}

impl Side {
    fn of(self, pair: &Pair) -> Rc<Node> {
        match self {
            Side::Source => pair.source_node(),
            Side::Target => pair.target_node(),
        }
    }
}

/// The monitor of a world.
pub struct Monitor {
    cast: Rc<Cast>,
    hub: Rc<Hub>,
    verbs: Vec<Verb>,
    left: Cell<u64>,
    verb: Cell<Option<Verb>>,
    timer: RefCell<Option<Timer>>,
    /// Sections that its coroutines hold.
    held: Cell<usize>,
    snapshots: Cell<u32>,
}

impl Monitor {
    /// A monitor that does `deeds` deeds, each one of `verbs`.
    pub(crate) fn new(cast: &Rc<Cast>, hub: &Rc<Hub>, deeds: u64, verbs: Vec<Verb>) -> Rc<Monitor> {
        let monitor = Rc::new_cyclic(|myself: &Weak<Monitor>| {
            let on_time = myself.clone();
            let timer = cast.main.timer("monitor", move || {
                if let Some(monitor) = on_time.upgrade() {
                    monitor.act();
                }
            });
            let on_event = myself.clone();
            let alarm = cast.main.event_source("monitor", false, move || {
                if let Some(monitor) = on_event.upgrade() {
                    monitor.act();
                }
            });
            *hub.triggers.alarm.borrow_mut() = Some(alarm);
            Monitor {
                cast: cast.clone(),
                hub: hub.clone(),
                verbs,
                left: Cell::new(deeds),
                verb: Cell::new(None),
                timer: RefCell::new(Some(timer)),
                held: Cell::new(0),
                snapshots: Cell::new(0),
            }
        });
        monitor.prepare();
        monitor
    }

    /// Whether it has done its last deed, and holds no section.
    pub fn is_done(&self) -> bool {
        self.verb.get().is_none() && self.held.get() == 0
    }

    /// Does nothing more.
    pub(crate) fn stop(&self) {
        self.left.set(0);
        self.verb.set(None);
        self.hub.triggers.waits_for.set(None);
        if let Some(timer) = &*self.timer.borrow() {
            timer.disarm();
        }
    }

    /// Decides what is next, and when.
    fn prepare(self: &Rc<Self>) {
        self.verb.set(None);
        if self.left.get() == 0 || self.verbs.is_empty() || self.cast.world.is_calm() {
            return;
        }
        self.left.set(self.left.get() - 1);
        let decider = self.cast.world.decider();
        self.verb.set(Some(
            self.verbs[decider.pick_named(&VERB, self.verbs.len(), |it| {
                command(self.verbs[it]).to_owned()
            })],
        ));
        let when = WHENS[decider.pick_named(&WHEN, WHENS.len(), |it| WHENS[it].to_string())];
        match when {
            When::Time(time_ns) => {
                if let Some(timer) = &*self.timer.borrow() {
                    timer.arm(self.cast.world.now_ns() + time_ns);
                }
            }
            when => self
                .hub
                .triggers
                .waits_for
                .set(Some((when, self.hub.seen()))),
        }
    }

    /// Does what it has decided to do. It runs in the main loop, outside of coroutines.
    fn act(self: &Rc<Self>) {
        let Some(verb) = self.verb.take() else { return };
        let pairs = &self.cast.pairs;
        let number = self
            .cast
            .world
            .decider()
            .pick_named(&WHOM, pairs.len(), |it| pairs[it].job_id.clone());
        match verb {
            Verb::DrainAll | Verb::HoldSource | Verb::HoldTarget | Verb::Quit => {
                self.told(verb, number, |_| {
                    self.perform(verb, &pairs[number]);
                    Ok(())
                });
            }
            Verb::DrainSource => self.drain(verb, number, Side::Source),
            Verb::DrainTarget => self.drain(verb, number, Side::Target),
            Verb::Move => self.told(verb, number, |pair| self.move_away(pair)),
            verb => self.there(verb, number, move |monitor, pair| {
                monitor.perform_there(verb, pair)
            }),
        }
        self.prepare();
    }

    /// Does a deed and tells of it, and of how the job was before.
    fn told(&self, verb: Verb, number: usize, deed: impl FnOnce(&Pair) -> Result<(), String>) {
        let pair = &self.cast.pairs[number];
        let asked = pair.job().map(|job| Asked::of(&job));
        let result = deed(pair);
        self.hub.monitor(&MonitorEvent {
            verb,
            asked,
            refused: result.err(),
        });
    }

    /// Has a deed done, and told, where the pair of that number lives: nothing happens there between its
    /// look at the job and the command.
    fn there(
        self: &Rc<Self>,
        verb: Verb,
        number: usize,
        deed: impl FnOnce(&Rc<Self>, &Pair) -> Result<(), String> + 'static,
    ) {
        let me = self.clone();
        let pair = &self.cast.pairs[number];
        let of_job = pair.job().filter(|_| is_of_job(verb));
        let home = match of_job {
            Some(job) => self.cast.home_with(job.context()),
            None => pair.home.get(),
        };
        let home = &self.cast.homes[home];
        self.cast.command(home, "monitor", move || {
            me.told(verb, number, |pair| deed(&me, pair));
        });
    }

    /// What is done from main.
    fn perform(self: &Rc<Self>, verb: Verb, pair: &Pair) {
        match verb {
            Verb::DrainAll => self.drain_all(),
            Verb::HoldSource => self.hold(pair, Side::Source),
            Verb::HoldTarget => self.hold(pair, Side::Target),
            _ => {
                for home in &self.cast.homes {
                    let jobs = home.jobs.clone();
                    self.cast.command(home, "quit", move || {
                        for job in jobs.jobs() {
                            // A job that is ending already ends.
                            let _ = job.user_cancel(true);
                        }
                    });
                }
            }
        }
    }

    /// What is done where the pair lives.
    fn perform_there(self: &Rc<Self>, verb: Verb, pair: &Pair) -> Result<(), String> {
        match verb {
            Verb::Snapshot => self.snapshot(pair),
            Verb::SecondJob => crate::scenario::second_job(&self.cast, &self.hub, pair),
            verb => {
                let job = pair.job().filter(|job| job.status() != JobStatus::Null);
                let job = job.ok_or_else(|| "Job not found".to_owned())?;
                self.command(verb, &job).map_err(|error| error.to_string())
            }
        }
    }

    /// Drains one side for an instant: from main, or by a command that drains there.
    fn drain(self: &Rc<Self>, verb: Verb, number: usize, side: Side) {
        let pair = &self.cast.pairs[number];
        let resident = self.cast.home_of(pair).resident();
        let resident = resident.filter(|_| {
            let ways = ["from the main context", "by a command where it lives"];
            let name = |it: usize| ways[it].to_owned();
            self.cast.world.decider().pick_named(&WAY, 2, name) == 0
        });
        match resident {
            None => self.there(verb, number, move |monitor, pair| {
                let node = side.of(pair);
                // The target may have stayed behind before there was a job, and the source after it.
                if monitor.cast.home_of_node(&node) != pair.home.get() {
                    return Err("It lives elsewhere".to_owned());
                }
                drop(node.drained_begin("monitor"));
                Ok(())
            }),
            Some(home) => self.told(verb, number, |pair| {
                let name = side.of(pair).name().to_owned();
                let drained = moving::drained_begin(&self.cast.main, home, &name, "monitor");
                drained.map(drop).map_err(|error| error.to_string())
            }),
        }
    }

    /// Moves the family of what the device uses to one of the other homes.
    fn move_away(&self, pair: &Pair) -> Result<(), String> {
        // As every monitor does, it waits with this until the last command is done: here, it gives up.
        if self.cast.commands.get() > 0 {
            return Err("Another command is under way".to_owned());
        }
        let from = pair.home.get();
        let others = self.cast.homes.len() - 1;
        let to = |it: usize| (from + 1 + it) % (others + 1);
        let name = |it| self.cast.homes[to(it)].name.to_owned();
        let to = to(self.cast.world.decider().pick_named(&WHERE, others, name));
        let node = pair.device().node().ok_or("the device has no medium")?;
        let name = node.name().to_owned();
        drop(node);
        let resident = |home: usize| self.cast.homes[home].resident();
        let both = resident(from).zip(resident(to));
        let (from, to) = both.ok_or("there is nowhere to move to")?;
        let moved = moving::set_aio_context(&self.cast.main, &name, from, to);
        moved.map_err(|error| error.to_string())
    }

    fn drain_all(&self) {
        let homes = self.cast.homes.iter().filter_map(|home| home.resident());
        let homes: Vec<_> = homes.cloned().collect();
        match homes.is_empty() {
            true => drop(self.cast.graph.drain_all_begin("monitor")),
            false => drop(moving::drain_all_begin(&self.cast.main, &homes, "monitor")),
        }
    }

    fn command(&self, verb: Verb, job: &Rc<Job>) -> Result<(), blockjob_jobs::error::JobError> {
        match verb {
            Verb::Pause => job.user_pause(),
            Verb::Resume => job.user_resume(),
            Verb::SetSpeed => {
                let speeds = [0, 1 << 20, 64 << 10, 16 << 20, 1 << 14, 1 << 30];
                let name = |it: usize| match speeds[it] {
                    0 => "no limit".to_owned(),
                    speed => format!("{speed} bytes per second"),
                };
                let chosen = self
                    .cast
                    .world
                    .decider()
                    .pick_named(&SPEED, speeds.len(), name);
                job.set_speed(speeds[chosen])
            }
            Verb::Complete => job.complete(),
            Verb::Cancel => job.block_job_cancel(false),
            Verb::ForceCancel => job.block_job_cancel(true),
            Verb::Finalize => job.finalize(),
            Verb::Dismiss => job.dismiss(),
            Verb::Change => {
                let modes = [
                    MirrorCopyMode::WriteBlocking,
                    MirrorCopyMode::Background,
                    MirrorCopyMode::Auto,
                ];
                let name = |it: usize| format!("{:?}", modes[it]);
                let chosen = self
                    .cast
                    .world
                    .decider()
                    .pick_named(&MODE, modes.len(), name);
                let copy_mode = modes[chosen];
                job.change(JobChange::Mirror { copy_mode })
            }
            _ => {
                let progress = job.progress();
                self.cast.world.decider().absorb(progress.current());
                Ok(())
            }
        }
    }

    /// A coroutine of main's drains one side, and holds the section for a while.
    fn hold(self: &Rc<Self>, pair: &Pair, side: Side) {
        let (node, me) = (side.of(pair), self.clone());
        let times_ns = [0, MS / 100, MS, 20 * MS, 150 * MS];
        let time_ns = {
            let name = |it: usize| time(times_ns[it]);
            times_ns[self
                .cast
                .world
                .decider()
                .pick_named(&HOLD, times_ns.len(), name)]
        };
        self.held.set(self.held.get() + 1);
        let main = &self.cast.main;
        let coroutine = match self.cast.home_of(pair).resident().cloned() {
            None => main.coroutine("monitor", async move {
                let drained: Drained = node.co_drained_begin("monitor").await;
                me.cast.main.sleep(time_ns).await;
                drop(drained);
                me.held.set(me.held.get() - 1);
            }),
            Some(home) => {
                let name = node.name().to_owned();
                main.coroutine("monitor", async move {
                    let drained = moving::co_drained_begin(&home, &name, "monitor").await;
                    // Who lives elsewhere by then is not drained.
                    if let Ok(drained) = drained {
                        me.cast.main.sleep(time_ns).await;
                        drop(drained);
                    }
                    me.held.set(me.held.get() - 1);
                })
            }
        };
        coroutine.enter();
    }

    /// Puts a new image on top of the source, if nobody blocks that.
    fn snapshot(self: &Rc<Self>, pair: &Pair) -> Result<(), String> {
        self.snapshots.set(self.snapshots.get() + 1);
        crate::scenario::snapshot(&self.cast, pair, self.snapshots.get())
    }
}
