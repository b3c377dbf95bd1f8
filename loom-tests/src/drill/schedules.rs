//! Drills under shuttle: threads take turns as a seed says, and each run is a word that repeats it.

mod policy;

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use super::hub::{Hub, Tally, describe, words_of};
use super::plan::Plan;
pub use policy::{Case, Cases, Policy};

/// What a run of many schedules is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// How turns are given.
    pub policies: Vec<Policy>,
    /// How many schedules, for each policy.
    pub schedules: u64,
    /// What the first one is made of.
    pub seed: u64,
    /// Whether what fails is printed as shuttle writes it, too.
    pub print: bool,
    /// The historical bug that is on.
    #[cfg(feature = "museum")]
    pub bug: Option<&'static blockjob_runtime::museum::Exhibit>,
}

/// More turns than any drill needs.
const MOST_STEPS: usize = 400_000;
/// What threads have for their stacks, in bytes.
const STACK_BYTES: usize = 1 << 20;

/// Which schedule it is, and since when; for the hook.
static NOW: Mutex<Option<(Case, u64, Arc<Hub>)>> = Mutex::new(None);

/// What was done in all runs of a policy.
static TOTAL: Mutex<Tally> = Mutex::new(Tally::new());

fn total<R>(look: impl FnOnce(&mut Tally) -> R) -> R {
    look(&mut TOTAL.lock().unwrap_or_else(PoisonError::into_inner))
}

fn now<R>(look: impl FnOnce(&mut Option<(Case, u64, Arc<Hub>)>) -> R) -> R {
    look(&mut NOW.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Runs the schedules, and prints a line a policy: its name, how many, in how many seconds, and whether all
/// hold. The first one that does not ends the process, after its report.
#[allow(clippy::disallowed_methods)] // How long it takes is real time.
pub fn run(options: &Options) -> ExitCode {
    let began = Instant::now();
    let hook = move |panic: &std::panic::PanicHookInfo<'_>| {
        let why = words_of(panic);
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        now(|now| {
            let Some((case, number, hub)) = now else {
                return eprintln!("{why} ({place})");
            };
            let seconds = began.elapsed().as_secs_f64();
            if !why.contains("the last events:") {
                eprintln!("{}", hub.report());
            }
            eprintln!("{why} ({place})");
            eprintln!("again: cargo xtask shuttle --case {case}");
            let why = why.lines().next().unwrap_or_default();
            println!("{} {number} {seconds:.1} fails {case} {why}", case.policy);
        });
        // The other threads' destructors would run outside of the execution.
        let _ = std::io::stdout().flush();
        std::process::exit(1);
    };
    std::panic::set_hook(Box::new(hook));
    for policy in &options.policies {
        let began = Instant::now();
        let cases = Cases::new(*policy, options.seed, options.schedules);
        let done = check(options, cases);
        let seconds = began.elapsed().as_secs_f64();
        println!("{}", describe(&total(std::mem::take)));
        println!("{policy} {done} {seconds:.1} holds");
    }
    ExitCode::SUCCESS
}

/// Runs one case again.
pub fn again(options: &Options, case: Case) -> ExitCode {
    let options = Options {
        policies: vec![case.policy],
        schedules: 1,
        seed: case.seed,
        ..options.clone()
    };
    run(&options)
}

fn config(print: bool) -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    config.silence_warnings = true;
    config.failure_persistence = match print {
        true => FailurePersistence::Print,
        false => FailurePersistence::None,
    };
    config
}

fn check(options: &Options, cases: Cases) -> usize {
    let current = cases.current();
    #[cfg(feature = "museum")]
    let bug = options.bug;
    let body = move || {
        let (case, number) = current.get();
        let hub = Hub::new();
        now(|now| *now = Some((case, number, hub.clone())));
        #[cfg(feature = "museum")]
        let _on = bug.map(blockjob_runtime::museum::switch_on);
        super::run(&Plan::small(case.seed), &hub);
        total(|total| {
            for (deed, count) in hub.tally() {
                *total.entry(deed).or_default() += count;
            }
        });
    };
    Runner::new(cases, config(options.print)).run(body)
}
