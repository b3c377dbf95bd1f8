//! Jobs: steps, states, ends. And what the monitor tells them.

use blockjob_jobs::event::JobEvent;
use blockjob_jobs::mirror::steps::Step;
use blockjob_jobs::state::JobStatus;

use super::{About, Chronicle, Weight};
use crate::story::facts::JobNews;
use crate::story::words::{command, ms, step};

impl Chronicle<'_> {
    pub(super) fn jobs(&mut self) {
        let facts = self.facts;
        for (index, job) in facts.jobs.iter().enumerate() {
            let about = About {
                job: Some(index),
                ..About::default()
            };
            for (at, news) in &job.news {
                if let Some((weight, text)) = news_text(news, at.at_ns) {
                    let text = format!("{} {text}.", job.name);
                    self.say(*at, weight, about.clone(), text);
                }
            }
        }
        for deed in &facts.deeds {
            let command = command(deed.verb);
            let text = match &deed.refused {
                None => format!("the monitor asks for {command}."),
                Some(why) => format!("the monitor asks for {command}, and is refused: {why}."),
            };
            let weight = match deed.refused {
                None => Weight::Turn,
                Some(_) => Weight::Detail,
            };
            self.say(deed.at, weight, About::default(), text);
        }
    }
}

/// What a job does, without its name.
fn news_text(news: &JobNews, now_ns: u64) -> Option<(Weight, String)> {
    Some(match news {
        JobNews::Status { from, to } => status_text(*from, *to)?,
        JobNews::Step(it) => {
            let weight = match it {
                Step::M14 | Step::M16 | Step::M17 => Weight::Turn,
                _ => Weight::Detail,
            };
            (weight, step(*it)?.to_owned())
        }
        JobNews::Sleep { until_ns } if *until_ns > now_ns => {
            let sleep = ms(until_ns - now_ns);
            (Weight::Detail, format!("sleeps for {sleep} (M15)"))
        }
        JobNews::Sleep { .. } => return None,
        JobNews::PausePoint { pause_count } => (
            Weight::Plain,
            match pause_count {
                1 => "comes to a pause point, and somebody asks it to stand still".to_owned(),
                n => format!("comes to a pause point, and {n} ask it to stand still"),
            },
        ),
        JobNews::Cancel { force: true } => (Weight::Turn, "is cancelled by force".to_owned()),
        JobNews::Cancel { force: false } => (Weight::Turn, "is cancelled".to_owned()),
        JobNews::RunEnd => (
            Weight::Turn,
            "has left its coroutine: what is left to do waits for the main loop".to_owned(),
        ),
        JobNews::DeferredStart => (
            Weight::Turn,
            "is completed, which begins in the main loop now".to_owned(),
        ),
        JobNews::Event(event) => event_text(event)?,
    })
}

fn status_text(from: JobStatus, to: JobStatus) -> Option<(Weight, String)> {
    Some(match (from, to) {
        (_, JobStatus::Created) => (Weight::Turn, "is made".to_owned()),
        (JobStatus::Created, JobStatus::Running) => return None,
        (_, JobStatus::Ready) if from == JobStatus::Running => {
            let text = "has copied all that was dirty, and is READY (M13)";
            (Weight::Turn, text.to_owned())
        }
        (_, JobStatus::Paused | JobStatus::Standby) => (Weight::Turn, "stands still".to_owned()),
        (JobStatus::Paused | JobStatus::Standby, _) => (Weight::Turn, "goes on".to_owned()),
        (_, JobStatus::Aborting) => (Weight::Turn, format!("goes from {from} to aborting")),
        (_, JobStatus::Concluded) => (Weight::Plain, "is concluded".to_owned()),
        (_, to) => (Weight::Detail, format!("is {to}")),
    })
}

fn event_text(event: &JobEvent) -> Option<(Weight, String)> {
    Some(match event {
        JobEvent::Completed { error: None, .. } => (
            Weight::Turn,
            "tells its watchers that it has completed".to_owned(),
        ),
        JobEvent::Completed {
            error: Some(error), ..
        } => (
            Weight::Turn,
            format!("tells its watchers that it has failed: {error}"),
        ),
        JobEvent::Cancelled(_) => (
            Weight::Turn,
            "tells its watchers that it was cancelled".to_owned(),
        ),
        JobEvent::Error {
            operation, action, ..
        } => (
            Weight::Turn,
            format!(
                "meets an error of a {}, and the policy says: {}",
                operation.as_str(),
                action.as_str()
            ),
        ),
        JobEvent::StatusChange { .. } | JobEvent::Ready(_) | JobEvent::Pending { .. } => {
            return None;
        }
    })
}
