//! One run: a world is built, the storm, the calm, the end.
//!
//! First everything that the configuration allows may happen: faults, every schedule, every command.
//! That is the *storm*, and it ends when guests and monitor have done all they do. Then it is *calm*: no
//! faults, a fair schedule, resting guests. Whatever could not end then never will: that a job ends is
//! checked here and nowhere else.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use blockjob_jobs::error::JobError;
use blockjob_jobs::job::Job;
use blockjob_jobs::state::JobStatus;
use blockjob_runtime::trace::{Mark, Wants};

use crate::cast::Cast;
use crate::check::{self, Checker};
use crate::config::{Config, Field};
use crate::decide::{Decider, Policy};
use crate::event::{Asked, MonitorEvent};
use crate::failure::{Failure, Rule};
use crate::hub::Hub;
use crate::monitor::{Monitor, Verb};
use crate::scenario;
use crate::sweep::place_of_last_panic;
use crate::waits;
use crate::world::{Halt, Spares, World};

/// So many steps may the world take after the storm before somebody is said to wait for ever.
const CALM_STEPS: u64 = 200_000;

/// So often in a row jobs are nursed at one moment: each time brings them a state further, but one that
/// is told to complete again and again may run a turn each time and come to nothing new.
const MAX_NURSED: usize = 8;

/// So many steps may the world take without time going on.
const INSTANT_STEPS: u64 = 50_000;

/// So long may a monitor wait for its moment when the guests have ended, in nanoseconds.
const PATIENCE_NS: u64 = 500_000_000;

/// What a program adds to each run: it is called in the main context before anything begins, and can
/// start coroutines, jobs, timers there, ask the world's decider, and look at everybody.
pub type Prologue = Rc<dyn Fn(&Rc<Cast>)>;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The first rule that was broken.
    pub failure: Option<Failure>,
    /// A digest of all decisions and of what the disks did.
    pub digest: u64,
    /// How many decisions were made.
    pub decisions: u64,
    /// How many steps the world took.
    pub steps: u64,
    /// How many events the checkers were told.
    pub events: u64,
    /// How long it took, in nanoseconds of the world's clock.
    pub virtual_ns: u64,
    /// The marks that were hit, and how often.
    pub marks: Vec<(&'static Mark, u64)>,
}

/// Runs one configuration after another, each under a policy of its own.
pub struct Runner {
    decider: Rc<Decider>,
    checkers: Vec<Box<dyn Checker>>,
    prologues: Vec<Prologue>,
    runtime: Wants,
    spares: Rc<Spares>,
}

impl Runner {
    /// A runner with all checkers.
    pub fn new() -> Runner {
        Self::with_checkers(check::all())
    }

    /// A runner with these checkers.
    pub fn with_checkers(checkers: Vec<Box<dyn Checker>>) -> Runner {
        Runner {
            decider: Decider::new(Box::new(crate::decide::Random::new(0))),
            checkers,
            prologues: Vec::new(),
            runtime: Wants::NOTHING,
            spares: Rc::default(),
        }
    }

    /// Adds a checker.
    pub fn add_checker(&mut self, checker: Box<dyn Checker>) {
        self.checkers.push(checker);
    }

    /// Adds something to each run. Whoever is added keeps the run from ending by [`Cast::keep_open`], and is
    /// heard in its story and seen in its picture by [`Cast::note`].
    pub fn add_prologue(&mut self, prologue: impl Fn(&Rc<Cast>) + 'static) {
        self.prologues.push(Rc::new(prologue));
    }

    /// Which events of the runtime itself, of coroutines and callbacks, the checkers are told, if they
    /// ask for them. It costs time, and changes no run.
    pub fn set_runtime_events(&mut self, runtime: Wants) {
        self.runtime = runtime;
    }

    /// Who made the choices of the last run; its log is that of the run.
    pub fn decider(&self) -> &Rc<Decider> {
        &self.decider
    }

    /// Runs `config`, with the choices that `policy` makes.
    pub fn run(&mut self, config: &Config, policy: Box<dyn Policy>) -> Report {
        self.run_watched(config, policy, Vec::new(), Wants::NOTHING)
    }

    /// The same, with more checkers, which look on after the others and are dropped in the end. What
    /// `runtime` names is traced, too, for those that want it. Recorders are such checkers: not every
    /// run has one.
    pub fn run_watched(
        &mut self,
        config: &Config,
        policy: Box<dyn Policy>,
        watchers: Vec<Box<dyn Checker>>,
        runtime: Wants,
    ) -> Report {
        self.decider.restart(policy);
        let mut checkers = std::mem::take(&mut self.checkers);
        let own = checkers.len();
        checkers.extend(watchers);
        for checker in &mut checkers {
            checker.reset();
        }
        let world = World::new(self.decider.clone(), self.spares.clone());
        let hub = Hub::new(config, &self.decider, checkers, self.runtime.or(runtime));
        world.set_watch(Some(hub.clone()));
        let played = catch_unwind(AssertUnwindSafe(|| {
            let play = Play::new(config, &world, &hub);
            play.play(&self.prologues);
        }));
        if let Err(panic) = played {
            hub.fail(from_panic(&*panic, &world));
        }
        let report = Report {
            failure: hub.failure(),
            digest: self.decider.digest(),
            decisions: self.decider.decisions(),
            steps: world.steps(),
            events: hub.seen(),
            virtual_ns: world.now_ns(),
            marks: hub.marks.take(),
        };
        // What a broken run leaves behind may panic once more; that is no news.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            world.close();
            hub.dismiss();
        }));
        self.checkers = hub.take_checkers();
        self.checkers.truncate(own);
        report
    }
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

fn from_panic(panic: &(dyn Any + Send), world: &World) -> Failure {
    let at = place_of_last_panic();
    let (rule, place, text) = match panic.downcast_ref::<Halt>() {
        // Whoever watches was told of it and has said why, if there was anybody on the stage.
        Some(_) => (Rule::Progress, "stuck", "the run cannot go on".to_owned()),
        None => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("the engine panicked");
            let rule = check::home::rule_of_panic(text).unwrap_or(Rule::Panic);
            // What the engine asserts names whom it is about; what anybody else has written may not.
            let at = at.filter(|_| rule == Rule::Panic);
            let text = at.map_or(text.to_owned(), |at| format!("{text} ({at})"));
            (rule, "engine", text)
        }
    };
    Failure {
        rule,
        place: place.to_owned(),
        parties: Vec::new(),
        text,
        at_ns: world.now_ns(),
        decisions: world.decider().decisions(),
    }
}

/// A run on its way.
struct Play {
    cast: Rc<Cast>,
    world: Rc<World>,
    hub: Rc<Hub>,
    monitor: Rc<Monitor>,
    started: bool,
    /// The names of the jobs that were told to end.
    told: RefCell<Vec<Rc<str>>>,
}

impl Play {
    fn new(config: &Config, world: &Rc<World>, hub: &Rc<Hub>) -> Play {
        world.limit_steps(config.get(Field::Steps), CALM_STEPS);
        if config.get(Field::Latency) > 0 && config.get(Field::TargetLatency) > 0 {
            world.limit_instant(INSTANT_STEPS);
        }
        let cast = scenario::build(config, world, hub);
        let monitor = Monitor::new(&cast, hub, config.get(Field::Deeds), config.verbs());
        Play {
            cast,
            world: world.clone(),
            hub: hub.clone(),
            monitor,
            started: false,
            told: RefCell::default(),
        }
    }

    fn play(mut self, prologues: &[Prologue]) {
        let _current = self.cast.main.make_current();
        for prologue in prologues {
            prologue(&self.cast);
        }
        for guest in self.guests() {
            guest.start();
        }
        let stormed = self.storm();
        if self.hub.failure().is_some() {
            return;
        }
        // A world that stands still in the storm may only wait for a command.
        let calmed = match stormed {
            Err(halt @ (Halt::TooLong | Halt::Spins)) => Err(halt),
            Ok(()) | Err(_) => self.calm(),
        };
        if self.hub.failure().is_some() {
            return;
        }
        match calmed {
            Ok(()) => self.curtain(),
            Err(halt) => self.report_halt(halt),
        }
    }

    fn guests(&self) -> Vec<Rc<crate::guest::Guest>> {
        let pairs = self.cast.pairs.iter();
        pairs.flat_map(|pair| pair.guests.iter().cloned()).collect()
    }

    fn start_jobs(&mut self) {
        if !self.started {
            self.started = true;
            scenario::start_jobs(&self.cast);
        }
    }

    fn storm(&mut self) -> Result<(), Halt> {
        let start = self.cast.config.get(Field::Start);
        let world = self.world.clone();
        let mut rests_until = None;
        let mut eager = self.cast.config.is(Field::Eager).then_some(0);
        world.run_until(|| {
            if !self.started && self.cast.requests_done() >= start {
                self.start_jobs();
            }
            if self.hub.has_failed() || world.is_calm() {
                return true;
            }
            if let Some(seen) = &mut eager
                && *seen != self.hub.job_news()
            {
                self.end_who_is_ready();
                *seen = self.hub.job_news();
            }
            if !self.started || !self.cast.guests_rest() {
                return false;
            }
            // The moment for which the monitor waits may never come.
            let rests = rests_until.get_or_insert(world.now_ns() + PATIENCE_NS);
            self.monitor.is_done() || world.now_ns() > *rests
        })
    }

    fn calm(&mut self) -> Result<(), Halt> {
        self.world.calm();
        self.monitor.stop();
        for guest in self.guests() {
            guest.stop();
        }
        self.start_jobs();
        let world = self.world.clone();
        let mut nursed = None;
        world.run_until(|| {
            // Only what jobs do changes what there is to do for them.
            let news = || Some((self.hub.job_news(), world.steps() / 64));
            for _ in 0..MAX_NURSED {
                if nursed == news() {
                    break;
                }
                nursed = news();
                self.nurse();
            }
            self.hub.has_failed()
                || (self.monitor.is_done()
                    && !self.cast.is_kept_open()
                    && self.cast.guests_rest()
                    && self.cast.has_no_jobs())
        })
    }

    fn end_who_is_ready(&self) {
        for job in self.cast.all_jobs() {
            if job.status() == JobStatus::Ready && !job.cancel_requested() {
                self.end(&job);
            }
        }
    }

    /// Does for each job what a user would do to see it end.
    fn nurse(&self) {
        for job in self.cast.all_jobs() {
            let remedy: fn(&Rc<Job>) -> Result<(), JobError> = match job.status() {
                JobStatus::Pending => |job| job.finalize(),
                JobStatus::Concluded => |job| job.dismiss(),
                _ if job.is_user_paused() => |job| job.user_resume(),
                _ if job.speed_bytes_per_s() > 0 => |job| job.set_speed(0),
                JobStatus::Ready if !job.cancel_requested() && !job.deferred_to_main_loop() => {
                    self.end(&job);
                    continue;
                }
                _ => continue,
            };
            // Whoever comes too early is refused, and comes again.
            let _ = self.there(&job, remedy);
        }
    }

    /// Has a command given to `job` where it lives.
    fn there<R: 'static>(&self, job: &Rc<Job>, command: impl FnOnce(&Rc<Job>) -> R + 'static) -> R {
        let job = job.clone();
        let mut homes = self.cast.homes.iter();
        let home = homes.find(|home| home.context == *job.context());
        let home = home.expect("a job lives in one of the homes");
        self.cast.command(home, "operator", move || command(&job))
    }

    /// Ends a job as it is to be ended. Once: each time would enter the job, and nothing else.
    fn end(&self, job: &Rc<Job>) {
        if self.told.borrow().contains(job.label()) {
            return;
        }
        let end = self.cast.config.get(Field::End);
        let hub = self.hub.clone();
        let done = self.there(job, move |job| {
            let asked = Some(Asked::of(job));
            let verb = match end {
                0 => job.complete().map(|()| Verb::Complete),
                1 => job.block_job_cancel(false).map(|()| Verb::Cancel),
                _ => job.block_job_cancel(true).map(|()| Verb::ForceCancel),
            }?;
            // It is a user's command as the monitor's are.
            hub.monitor(&MonitorEvent {
                verb,
                asked,
                refused: None,
            });
            Ok::<_, JobError>(())
        });
        // Whoever comes too early is refused, and comes again.
        if done.is_err() {
            return;
        }
        self.told.borrow_mut().push(job.label().clone());
    }

    /// Looks at what is left on the stage.
    fn curtain(&self) {
        self.hub.settled();
        // Guests have abandoned requests that may still be under way.
        let quiet = || check::quiesce::is_quiet(&self.cast);
        if let Err(halt) = self.world.run_until(quiet) {
            return self.report_halt(halt);
        }
        for pair in &self.cast.pairs {
            if self.hub.failure().is_none() {
                check::data::read_all(&self.cast, &self.hub, pair);
            }
        }
        self.hub.ended();
    }

    fn report_halt(&self, halt: Halt) {
        self.hub.fail(waits::verdict(&self.cast, halt));
    }
}
