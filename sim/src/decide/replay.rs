//! Runs made again: exactly, or as near as may be.

use std::fmt;

use super::digest::START;
use super::log::{Log, shape_after};
use super::recording::{BUILD, Recording};
use super::sites::SiteTable;
use super::{Policy, Question};

/// Answers as a recording says, as long as what is asked is what was asked then.
///
/// From the first difference on it answers 0. A dull decision that is about something else than
/// then is only noticed when the run is over, by [`finish`](Self::finish).
pub struct Replay {
    recording: Recording,
    /// The next of the recording's moves.
    next: usize,
    at: u64,
    shape: u64,
    sites: SiteTable,
    drift: Option<Drift>,
}

/// Where a replay stopped being the run that was recorded. Places count from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Drift {
    /// Another question than the recorded one.
    #[error(
        "decision {at} was about {} with {} options, and now is about {} with {}",
        expected.0, expected.1, asked.0, asked.1
    )]
    Question {
        /// Which decision.
        at: u64,
        /// The site and the number of options that were recorded.
        expected: (String, u32),
        /// The site and the number of options that were asked for now.
        asked: (String, u32),
    },
    /// The run goes on where the recorded one had made all its decisions.
    #[error("the run made {at} decisions, and now goes on at {} with {} options", asked.0, asked.1)]
    Longer {
        /// How many decisions were recorded.
        at: u64,
        /// The site and the number of options of the first question after them.
        asked: (String, u32),
    },
    /// The run was over before the recorded one was.
    #[error("the run made {expected} decisions, and now is over after {at}")]
    Shorter {
        /// How many decisions there were now.
        at: u64,
        /// How many were recorded.
        expected: u64,
    },
    /// As many decisions, but one that took 0 was about something else.
    #[error("one of the {at} decisions, one that took 0, was about something else")]
    Shape {
        /// How many decisions there were, both times.
        at: u64,
    },
}

/// How a replay went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who made the recording, if it was not this build.
    pub other_build: Option<u64>,
    /// Where the run was another one than the recorded, if it was.
    pub drift: Option<Drift>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(build) = self.other_build {
            write!(
                f,
                "made by another build ({build:016x}, this is {BUILD:016x}), "
            )?;
        }
        match &self.drift {
            None => write!(f, "repeated exactly"),
            Some(drift) => write!(f, "drifted: {drift}"),
        }
    }
}

impl Replay {
    /// At the beginning of `recording`.
    pub fn new(recording: Recording) -> Self {
        Replay {
            recording,
            next: 0,
            at: 0,
            shape: START,
            sites: SiteTable::new(),
            drift: None,
        }
    }

    /// The first difference seen so far.
    pub fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref()
    }

    /// How the replay went, when its run is over.
    pub fn finish(&mut self) -> Verdict {
        let Recording {
            len, shape, build, ..
        } = self.recording;
        if self.drift.is_none() {
            let at = self.at;
            if at < len {
                self.drift = Some(Drift::Shorter { at, expected: len });
            } else if self.shape != shape {
                self.drift = Some(Drift::Shape { at });
            }
        }
        Verdict {
            other_build: (build != BUILD).then_some(build),
            drift: self.drift.clone(),
        }
    }

    /// The recorded answer, if the recording has this question.
    fn recorded(&mut self, question: &Question<'_>) -> Result<usize, Drift> {
        let asked = || (question.site.name.to_owned(), question.n as u32);
        let at = self.at;
        if at >= self.recording.len {
            return Err(Drift::Longer { at, asked: asked() });
        }
        let Some((_, entry)) = self.recording.moves.get(self.next).filter(|it| it.0 == at) else {
            return Ok(0);
        };
        let name = &self.recording.sites[usize::from(entry.site)];
        if *name != question.site.name || entry.n as usize != question.n {
            return Err(Drift::Question {
                at,
                expected: (name.clone().into_owned(), entry.n),
                asked: asked(),
            });
        }
        self.next += 1;
        Ok(entry.chosen as usize)
    }
}

impl Policy for Replay {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        if self.drift.is_some() {
            return 0;
        }
        match self.recorded(question) {
            Ok(chosen) => {
                let number = self.sites.number(question.site);
                let hash = self.sites.known(number).hash;
                self.shape = shape_after(self.shape, hash, question.n as u32);
                self.at += 1;
                chosen
            }
            Err(drift) => {
                self.drift = Some(drift);
                0
            }
        }
    }
}

/// Answers as a log says, whatever is asked: each site goes through its own answers of the log, in
/// their order, and then gets 0. An answer that is too high is the highest there is.
///
/// Of an unchanged log that is an exact replay. Of a changed one it keeps what can be kept: when a
/// site asks once more or once less, the answers of the others stay where they are.
pub struct Lenient {
    /// For each site of the log its name and its answers, and how many of them were given.
    answers: Vec<(String, Vec<u32>, usize)>,
    sites: SiteTable,
    /// For each number of `sites` its place in `answers`.
    places: Vec<Option<usize>>,
}

impl Lenient {
    /// At the beginning of `log`.
    pub fn new(log: &Log) -> Self {
        let names = log.sites().iter();
        let mut answers: Vec<_> = names.map(|it| (it.to_string(), Vec::new(), 0)).collect();
        for entry in log.entries() {
            answers[usize::from(entry.site)].1.push(entry.chosen);
        }
        Lenient {
            answers,
            sites: SiteTable::new(),
            places: Vec::new(),
        }
    }
}

impl Policy for Lenient {
    fn choose(&mut self, question: &Question<'_>) -> usize {
        let number = usize::from(self.sites.number(question.site));
        if number == self.places.len() {
            let name = question.site.name;
            self.places
                .push(self.answers.iter().position(|it| it.0 == name));
        }
        let Some(place) = self.places[number] else {
            return 0;
        };
        let (_, answers, given) = &mut self.answers[place];
        let answer = answers.get(*given).map_or(0, |it| *it as usize);
        *given += 1;
        answer.min(question.n - 1)
    }
}
