//! The labs as learners get them: for each a task, a file to begin with, hints, and a solution.
//!
//! What runs a learner's code is `blockjob_sim::lab`; what brings the labs to learners is `blockjob lab`.

#![forbid(unsafe_code)]

use std::sync::OnceLock;

use serde::Deserialize;

/// One lab.
#[derive(Debug)]
pub struct Lab {
    /// From 1.
    pub number: u32,
    /// The folder in `docs/labs`.
    pub folder: &'static str,
    /// The task.
    pub readme: &'static str,
    /// What the learner's file is to begin with.
    pub start: &'static str,
    /// One that passes.
    pub solution: &'static str,
    /// What `lab.toml` says.
    pub about: About,
}

/// What `lab.toml` of a lab says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What it is called.
    pub title: String,
    /// How long it takes, about.
    pub minutes: u32,
    /// So many seeds a learner's own run tries; 100 if it says nothing.
    #[serde(default = "default_seeds")]
    pub seeds: u64,
    /// What is in the sentence that the wrong solution fails with.
    pub wrong: String,
    /// Three, each telling more than the one before.
    pub hints: [String; 3],
}

const fn default_seeds() -> u64 {
    100
}

macro_rules! labs {
    ($($number:literal $folder:literal),* $(,)?) => {
        /// Number, folder, task, beginning, solution, manifest.
        const FILES: &[(u32, &str, &str, &str, &str, &str)] = &[$((
            $number,
            $folder,
            include_str!(concat!("../", $folder, "/README.md")),
            include_str!(concat!("../", $folder, "/start.rs")),
            include_str!(concat!("../", $folder, "/solution.rs")),
            include_str!(concat!("../", $folder, "/lab.toml")),
        )),*];
    };
}

labs! {
    1 "01-pause-point",
    2 "02-bottom-half",
    3 "03-lost-wake-up",
    4 "04-rate-limit",
    5 "05-clear-before-you-read",
    6 "06-in-flight-conflicts",
    7 "07-ready-once",
    8 "08-three-cancels",
    9 "09-make-drained-begin-end",
    10 "10-the-pivot",
    11 "11-your-own-mirror",
    12 "12-a-policy-that-hunts",
}

/// All labs, in their order.
///
/// # Panics
///
/// If a `lab.toml` is not well formed, which a test sees first.
pub fn all() -> &'static [Lab] {
    static LABS: OnceLock<Vec<Lab>> = OnceLock::new();
    LABS.get_or_init(|| {
        let labs = FILES
            .iter()
            .map(|&(number, folder, readme, start, solution, about)| {
                let about = toml::from_str(about);
                Lab {
                    number,
                    folder,
                    readme,
                    start,
                    solution,
                    about: about
                        .unwrap_or_else(|error| panic!("docs/labs/{folder}/lab.toml: {error}")),
                }
            });
        labs.collect()
    })
}

/// The lab of that number, if there is one.
pub fn by_number(number: u32) -> Option<&'static Lab> {
    all().iter().find(|lab| lab.number == number)
}

/// The seeds that `run` tries.
pub fn open_seeds(lab: &Lab) -> std::ops::Range<u64> {
    0..lab.about.seeds
}

/// The seeds that `grade` tries, which `run` never does: twice as many.
pub fn hidden_seeds(lab: &Lab) -> std::ops::Range<u64> {
    const FIRST: u64 = 7_000_000;
    FIRST..FIRST + 2 * lab.about.seeds
}
