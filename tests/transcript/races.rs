//! The orders that the peer itself leaves open, each with a name and a reason.
//!
//! A reply whose step names a race is moved, in both transcripts, in front of the events just before it
//! that belong to the race; those events keep their order. What a script does not name is compared as it came.

use crate::play::Heading;

/// A rule for the place of one reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Race {
    /// A job with nothing to copy is ready before the command that starts it returns, or after.
    Ready,
    /// A pause takes hold at once when the job sleeps, and when its requests have ended otherwise; a
    /// resume likewise.
    Pause,
    /// A cancelled job that has nothing in flight ends before the command returns.
    End,
    /// Requests that fail do so whenever they come back.
    Error,
}

const RACES: [(&str, Race, &[&str]); 4] = [
    (
        "ready-and-return",
        Race::Ready,
        &[
            "\"status\": \"ready\"",
            "BLOCK_JOB_READY",
            "QUORUM_REPORT_BAD",
        ],
    ),
    (
        "pause-and-return",
        Race::Pause,
        &[
            "\"status\": \"paused\"",
            "\"status\": \"standby\"",
            "\"status\": \"running\"",
            "\"status\": \"ready\"",
            "BLOCK_JOB_READY",
        ],
    ),
    (
        "end-and-return",
        Race::End,
        &[
            "\"status\": \"aborting\"",
            "\"status\": \"waiting\"",
            "\"status\": \"pending\"",
            "\"status\": \"concluded\"",
            "\"status\": \"null\"",
            "BLOCK_JOB_CANCELLED",
            "BLOCK_JOB_COMPLETED",
        ],
    ),
    (
        "error-and-return",
        Race::Error,
        &[
            "BLOCK_JOB_ERROR",
            "\"status\": \"paused\"",
            "\"status\": \"aborting\"",
            "\"status\": \"concluded\"",
            "BLOCK_JOB_COMPLETED",
        ],
    ),
];

impl Race {
    /// The race of that name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn named(name: &str) -> Race {
        let found = RACES.iter().find(|(known, ..)| *known == name);
        found.unwrap_or_else(|| panic!("no race '{name}'")).1
    }

    fn covers(self, text: &str) -> bool {
        RACES
            .iter()
            .filter(|(_, race, _)| *race == self)
            .any(|(_, _, events)| events.iter().any(|event| text.contains(event)))
    }
}

/// A stream with the replies that have a race at the earliest place that it leaves them.
pub(crate) fn settle(stream: &[Heading]) -> Vec<Heading> {
    let mut settled: Vec<Heading> = Vec::new();
    for heading in stream {
        let place = match heading.race {
            None => settled.len(),
            Some(race) => settled
                .iter()
                .rposition(|before| !race.covers(&before.text))
                .map_or(0, |index| index + 1),
        };
        settled.insert(place, heading.clone());
    }
    settled
}

/// The rule `forget-drains`: takes out each pause that a drained section put on a job and took away again,
/// with nothing but such changes of other jobs between. Whoever changes the graph drains every node,
/// and how often is his own affair: the peer does it a dozen times to open one image.
pub(crate) fn forget_drains(stream: &mut Vec<Heading>) {
    let mut kept: Vec<Heading> = Vec::new();
    for heading in stream.drain(..) {
        let paused = paused_by(&heading.text).and_then(|pause| {
            kept.iter()
                .rev()
                .take_while(|before| is_of_drains(&before.text))
                .position(|before| before.text == pause)
        });
        match paused {
            Some(back) => drop(kept.remove(kept.len() - 1 - back)),
            None => kept.push(heading),
        }
    }
    *stream = kept;
}

/// What a pause puts on a job, and what its end does.
const PAUSES: [(&str, &str); 2] = [
    ("\"status\": \"paused\"", "\"status\": \"running\""),
    ("\"status\": \"standby\"", "\"status\": \"ready\""),
];

/// The event of the pause that this event ends.
fn paused_by(text: &str) -> Option<String> {
    let (pause, end) = PAUSES.iter().find(|(_, end)| text.contains(end))?;
    let event = text.contains("JOB_STATUS_CHANGE");
    event.then(|| text.replace(end, pause))
}

fn is_of_drains(text: &str) -> bool {
    text.contains("JOB_STATUS_CHANGE")
        && PAUSES
            .iter()
            .any(|(pause, end)| text.contains(pause) || text.contains(end))
}

#[cfg(test)]
fn heard(lines: &[&str], race: Option<Race>) -> Vec<Heading> {
    lines
        .iter()
        .map(|line| Heading {
            after: String::new(),
            text: (*line).to_owned(),
            race: race.filter(|_| line.contains("return")),
        })
        .collect()
}

#[cfg(test)]
fn texts(stream: &[Heading]) -> Vec<&str> {
    stream.iter().map(|heading| heading.text.as_str()).collect()
}

#[test]
fn a_reply_with_a_race_stands_before_its_events_and_no_others() {
    let race = Race::named("ready-and-return");
    let lines = ["\"status\": \"running\"", "\"status\": \"ready\"", "return"];
    let settled = settle(&heard(&lines, Some(race)));
    assert_eq!(texts(&settled), [lines[0], lines[2], lines[1]]);
}

#[test]
fn a_reply_without_a_race_stays() {
    let lines = ["\"status\": \"running\"", "\"status\": \"ready\"", "return"];
    assert_eq!(texts(&settle(&heard(&lines, None))), lines);
}

#[test]
fn a_drain_is_forgotten_and_a_pause_that_was_asked_for_is_not() {
    let event = |status: &str, id: &str| {
        format!("\"event\": \"JOB_STATUS_CHANGE\", \"status\": \"{status}\", \"id\": \"{id}\"")
    };
    let lines = [
        event("paused", "j"),
        event("standby", "k"),
        event("running", "j"),
        event("ready", "k"),
        event("paused", "j"),
        "return".to_owned(),
        event("running", "j"),
        event("paused", "j"),
        event("running", "k"),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut stream = heard(&lines, None);
    forget_drains(&mut stream);
    assert_eq!(texts(&stream), lines[4..]);
}
