//! What a model is, and how one is checked and reported.
//!
//! A process checks one model. What goes wrong in a model is a panic inside of one of loom's threads, and
//! there is no way back from there: the other threads' destructors would run outside of the execution.
//! So the hook that reports the panic also ends the process.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::models::GROUPS;

/// Something that must hold in every order.
pub struct Model {
    /// A sentence, as of a test.
    pub name: &'static str,
    /// How many preemptions an execution may have: switches away from a thread that could go on.
    pub bound: usize,
    /// Builds everything anew, starts the threads and asserts.
    pub body: fn(),
}

/// Models of one protocol.
pub struct Group {
    /// What `cargo xtask loom` calls it.
    pub name: &'static str,
    /// The files of the runtime that have this protocol's orderings.
    pub files: &'static [&'static str],
    /// Its models.
    pub models: &'static [Model],
}

/// Makes the constant `GROUP` of a file of models: its name, the files that it is about, and its models
/// with their bounds.
macro_rules! group {
    ($group:literal about $files:expr; $($name:ident within $bound:literal,)+) => {
        /// The models of this file.
        pub(crate) const GROUP: $crate::check::Group = $crate::check::Group {
            name: $group,
            files: $files,
            models: &[$(
                $crate::check::Model { name: stringify!($name), bound: $bound, body: $name },
            )+],
        };
    };
}
pub(crate) use group;

/// The executions of the model that is being checked. Not loom's atomic: it outlives them.
static EXECUTIONS: AtomicU64 = AtomicU64::new(0);

/// How a model ended.
enum Verdict {
    Holds,
    /// It held for as long as there was time.
    Cut,
    Fails(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Holds => f.write_str("holds"),
            Verdict::Cut => f.write_str("cut"),
            Verdict::Fails(why) => write!(f, "fails {}", why.replace('\n', " ")),
        }
    }
}

/// What was asked for on the command line.
#[derive(Default)]
struct Options {
    bound: Option<usize>,
    seconds: Option<u64>,
    #[cfg(feature = "museum")]
    bug: Option<&'static blockjob_runtime::museum::Exhibit>,
}

/// The program: see its `main.rs`.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => {
            for group in GROUPS {
                println!("group {} {}", group.name, group.files.join(","));
                for Model { name, bound, .. } in group.models {
                    println!("model {} {name} {bound}", group.name);
                }
            }
            ExitCode::SUCCESS
        }
        #[cfg(feature = "museum")]
        ["exhibits"] => {
            use blockjob_runtime::museum::{EXHIBITS, Finder};
            let ours = EXHIBITS.iter().filter(|e| e.found_by == Finder::Loom);
            for exhibit in ours.filter(|exhibit| exhibit.state.is_here()) {
                println!("{} {}", exhibit.id, exhibit.title);
            }
            ExitCode::SUCCESS
        }
        ["run", group, name, options @ ..] => match (find(group, name), read(options)) {
            (Some(model), Some(options)) => check(model, options),
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("loom-models list");
    eprintln!("loom-models run GROUP MODEL [--bound N] [--seconds N] [--bug ID]");
    ExitCode::from(2)
}

fn find(group: &str, name: &str) -> Option<&'static Model> {
    let group = GROUPS.iter().find(|candidate| candidate.name == group)?;
    group.models.iter().find(|model| model.name == name)
}

fn read(mut words: &[&str]) -> Option<Options> {
    let mut options = Options::default();
    while let [option, value, rest @ ..] = words {
        match *option {
            "--bound" => options.bound = Some(value.parse().ok()?),
            "--seconds" => options.seconds = Some(value.parse().ok()?),
            #[cfg(feature = "museum")]
            "--bug" => options.bug = Some(blockjob_runtime::museum::find(value)?),
            _ => return None,
        }
        words = rest;
    }
    words.is_empty().then_some(options)
}

/// Checks one model and prints a line about it.
#[allow(clippy::disallowed_methods)] // How long a check takes is real time.
fn check(model: &'static Model, options: Options) -> ExitCode {
    let began = Instant::now();
    let bound = options.bound.unwrap_or(model.bound);
    let report = move |verdict: &Verdict| {
        let executions = EXECUTIONS.load(Ordering::Relaxed);
        let seconds = began.elapsed().as_secs_f64();
        println!("{} {bound} {executions} {seconds:.3} {verdict}", model.name);
    };
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| Some(payload.downcast_ref::<String>()?.as_str()));
        let why = text.unwrap_or("a panic without words").to_owned();
        let place = panic.location().map(|at| format!(" ({at})"));
        report(&Verdict::Fails(why + &place.unwrap_or_default()));
        // The process ends here: see the module.
        let _ = std::io::stdout().flush();
        std::process::exit(1);
    }));
    let limit = options.seconds.map(Duration::from_secs);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(bound);
    builder.max_branches = 20_000;
    builder.max_duration = limit;
    // Time is looked at so often only.
    builder.checkpoint_interval = 500;
    builder.check(move || {
        EXECUTIONS.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "museum")]
        let _on = options.bug.map(blockjob_runtime::museum::switch_on);
        (model.body)();
    });
    let cut = limit.is_some_and(|limit| began.elapsed() >= limit);
    report(if cut { &Verdict::Cut } else { &Verdict::Holds });
    ExitCode::SUCCESS
}
