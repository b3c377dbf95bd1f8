//! What a mirror came to, for programs (`--json`) and for people.

use std::path::Path;

use blockjob::jobs::mirror::{MirrorEnd, MirrorStats, Receipt, Verified};
use serde::Serialize;

use crate::target::Target;
use crate::{say, size};

/// What is told beside the outcome itself.
pub(crate) struct Told<'a> {
    pub(crate) source: &'a Path,
    pub(crate) seconds: f64,
    pub(crate) json: bool,
}

/// The one object on standard output. Names end in their units; all numbers but `seconds` are whole.
#[derive(Debug, Serialize)]
struct OutcomeJson {
    /// `pivoted`, `point-in-time`, `abandoned` or `failed`.
    outcome: &'static str,
    /// The target is a flushed copy of the source: exactly then the exit status is 0.
    is_copy: bool,
    error: Option<String>,
    source: String,
    target: String,
    target_created: bool,
    target_removed: bool,
    len_bytes: u64,
    copied_bytes: u64,
    zeroed_bytes: u64,
    skipped_bytes: u64,
    recopied_bytes: u64,
    active_bytes: u64,
    flushes: u64,
    flushed: bool,
    /// `not-asked`, `unfinished`, `passed` or `failed`.
    verified: &'static str,
    /// The first byte that differed, if both sides were read back and did.
    first_difference: Option<u64>,
    seconds: f64,
}

/// Prints the object, if it was asked for.
pub(crate) fn print(receipt: &Receipt, target: &Target, removed: bool, told: &Told<'_>) {
    if !told.json {
        return;
    }
    let outcome = &receipt.outcome;
    let (name, error) = end(&outcome.end);
    let (verified, first_difference) = verified(&receipt.verified);
    let stats = outcome.stats;
    let object = OutcomeJson {
        outcome: name,
        is_copy: outcome.is_copy(),
        error,
        source: told.source.display().to_string(),
        target: target.path().display().to_string(),
        target_created: target.is_created(),
        target_removed: removed,
        len_bytes: outcome.len_bytes,
        copied_bytes: stats.copied_bytes,
        zeroed_bytes: stats.zeroed_bytes,
        skipped_bytes: stats.skipped_bytes,
        recopied_bytes: stats.recopied_bytes,
        active_bytes: stats.active_bytes,
        flushes: stats.flushes,
        flushed: outcome.flushed,
        verified,
        first_difference,
        seconds: told.seconds,
    };
    say::out(&serde_json::to_string(&object).expect("numbers and text are always JSON"));
}

fn end(end: &MirrorEnd) -> (&'static str, Option<String>) {
    match end {
        MirrorEnd::Pivoted => ("pivoted", None),
        MirrorEnd::PointInTime => ("point-in-time", None),
        MirrorEnd::Abandoned => ("abandoned", None),
        MirrorEnd::Failed(error) => ("failed", Some(error.to_string())),
    }
}

fn verified(verified: &Verified) -> (&'static str, Option<u64>) {
    match verified {
        Verified::NotAsked => ("not-asked", None),
        Verified::Unfinished => ("unfinished", None),
        Verified::Passed => ("passed", None),
        Verified::Failed(difference) => ("failed", Some(difference.offset)),
    }
}

/// What was done with the bytes, as a part of a sentence.
pub(crate) fn sentence(stats: &MirrorStats) -> String {
    let mut parts = vec![format!("{} copied", size::show(stats.copied_bytes))];
    let more = [
        (stats.recopied_bytes, "of them again"),
        (stats.zeroed_bytes, "zeroed"),
        (stats.skipped_bytes, "left as zeroes"),
        (stats.active_bytes, "written to both sides at once"),
    ];
    for (bytes, what) in more {
        if bytes > 0 {
            parts.push(format!("{} {what}", size::show(bytes)));
        }
    }
    parts.join(", ")
}
