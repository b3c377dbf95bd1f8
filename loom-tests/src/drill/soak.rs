//! Drills on real threads, one after the other, for as long as somebody wants.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::dice::mix;
use super::hub::{Hub, Tally, describe, words_of};
use super::plan::Plan;

/// What a soak is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long, in seconds. The drill that is under way then is brought to its end.
    pub seconds: u64,
    /// Threads besides the main one.
    pub iothreads: usize,
    /// What the first drill is made of; each has a seed of its own, which follows from this.
    pub seed: u64,
}

/// When nothing has happened for so long, somebody waits for ever.
const STUCK: Duration = Duration::from_secs(30);
const A_MINUTE: Duration = Duration::from_secs(60);

/// The drill that is under way.
static NOW: Mutex<Option<(u64, Arc<Hub>)>> = Mutex::new(None);

fn now<R>(look: impl FnOnce(&mut Option<(u64, Arc<Hub>)>) -> R) -> R {
    look(&mut NOW.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Soaks, and prints what was done, each minute and at the end. A broken rule ends the process, after
/// the seed, the last events, and who waits for whom.
#[allow(clippy::disallowed_methods)] // A soak lasts for a time that a person has said.
pub fn run(options: &Options) -> ExitCode {
    println!(
        "soak: {} s, {} iothreads, seed {}",
        options.seconds, options.iothreads, options.seed
    );
    let again = format!(
        "again, as far as real threads repeat: cargo xtask soak --seconds 60 --iothreads {}",
        options.iothreads
    );
    std::panic::set_hook(Box::new(move |panic| {
        let why = words_of(panic);
        let place = panic.location().map(ToString::to_string);
        now(|now| {
            if let Some((seed, hub)) = now {
                if !why.contains("the last events:") {
                    eprintln!("{}", hub.report());
                }
                eprintln!("{again} --seed {seed}");
            }
        });
        eprintln!("{why} ({})", place.unwrap_or_default());
        // One thread's panic would leave the others waiting.
        std::process::exit(1);
    }));
    let over = Arc::new(AtomicBool::new(false));
    let watch = watch(over.clone());
    let (mut total, began, mut minutes) = (Tally::new(), Instant::now(), 0);
    let mut drills = 0_u64;
    while began.elapsed() < Duration::from_secs(options.seconds) {
        // The first is the seed itself, so that one that has failed can be begun with.
        let seed = match drills {
            0 => options.seed,
            _ => mix(options.seed, drills),
        };
        let hub = Hub::new();
        now(|now| *now = Some((seed, hub.clone())));
        super::run(&Plan::soak(seed, options.iothreads), &hub);
        drills += 1;
        for (deed, count) in hub.tally() {
            *total.entry(deed).or_default() += count;
        }
        let elapsed = began.elapsed();
        if elapsed >= A_MINUTE * (minutes + 1) {
            minutes = (elapsed.as_secs() / 60) as u32;
            println!("after {minutes} min: {drills} drills; {}", describe(&total));
        }
    }
    over.store(true, Ordering::Relaxed);
    watch.thread().unpark();
    if watch.join().is_err() {
        return ExitCode::FAILURE;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "after {seconds:.0} s, nothing found: {drills} drills; {}",
        describe(&total)
    );
    ExitCode::SUCCESS
}

/// Looks whether anything happens.
#[allow(clippy::disallowed_methods)] // It is not part of what it watches.
fn watch(over: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let seen = AtomicU64::new(0);
        let mut since = Instant::now();
        while !over.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_secs(1));
            let Some((_, hub)) = now(|now| now.clone()) else {
                continue;
            };
            let is = hub.seen();
            if seen.swap(is, Ordering::Relaxed) != is {
                since = Instant::now();
            } else if since.elapsed() > STUCK {
                panic!("PROGRESS: nothing has happened for {} s", STUCK.as_secs());
            }
        }
    })
}
