//! What is left waiting when a run ends: who waits for whom.

use std::rc::Rc;

use blockjob_jobs::state::JobStatus;

use super::facts::{Facts, JobNews, Section};
use super::focus::Focus;
use super::words::{does, list, ms, range};
use crate::event::DiskKind;

/// A sentence for each that waits.
pub(super) fn tell(facts: &Facts, focus: &Focus) -> Vec<String> {
    let mut waiting = Vec::new();
    for section in &facts.sections {
        if section.ended.is_none() {
            waiting.push(section_text(facts, section));
        }
    }
    for op in facts.disk_ops.iter().filter(|op| op.landed.is_none()) {
        let what = match op.kind {
            DiskKind::Flush => "the flush".to_owned(),
            kind => format!(
                "{} of {}",
                format!("{kind:?}").to_lowercase(),
                range(op.span)
            ),
        };
        let who = facts.who(&op.by);
        waiting.push(format!("{}: {what} ({who}) has not been done.", op.disk));
    }
    let requests = facts.requests.iter();
    for request in requests.filter(|request| facts.is_queued(request)) {
        let does = does(request.kind, request.span);
        let text = format!(
            "Request {} (guest {} {does}) is queued.",
            request.id, request.guest
        );
        waiting.push(text);
    }
    for job in &focus.jobs {
        waiting.extend(job_text(facts, *job));
    }
    waiting
}

fn section_text(facts: &Facts, section: &Section) -> String {
    let name = super::words::sentence(&facts.section_name(section));
    if section.established.is_some() {
        return format!("{name} has {} drained.", section.node);
    }
    let ios = facts.ios_at(&section.node).iter().map(|io| &facts.ios[*io]);
    let in_flight = ios.filter(|io| io.ended.is_none());
    let in_flight: Vec<_> = in_flight.map(|io| facts.io_name(io)).collect();
    let of_what = match in_flight.is_empty() {
        true => match facts.busy_jobs_at(&section.node) {
            jobs if jobs.is_empty() => "nothing is in flight there".to_owned(),
            jobs => format!("it waits for {} to stand still", list(jobs)),
        },
        false => format!("it waits for {}", list(in_flight)),
    };
    format!(
        "{name} is not established on {} since {}: {of_what}.",
        section.node,
        ms(section.begun.at_ns)
    )
}

impl Facts {
    fn status_of_job(&self, job: usize) -> Option<JobStatus> {
        let mut news = self.jobs[job].news.iter().rev();
        news.find_map(|(_, news)| match news {
            JobNews::Status { to, .. } => Some(*to),
            _ => None,
        })
    }

    /// The jobs that have used `node` and do not stand still.
    fn busy_jobs_at(&self, node: &Rc<str>) -> Vec<String> {
        let jobs = 0..self.jobs.len();
        let busy = jobs.filter(|job| {
            let status = self.status_of_job(*job);
            let still = matches!(
                status,
                None | Some(JobStatus::Paused | JobStatus::Standby | JobStatus::Null)
            );
            !still && self.jobs[*job].nodes.contains(node)
        });
        busy.map(|job| self.jobs[job].name.to_string()).collect()
    }
}

fn job_text(facts: &Facts, job: usize) -> Option<String> {
    let job_facts = &facts.jobs[job];
    let news = job_facts.news.iter().rev();
    let status = facts.status_of_job(job)?;
    if matches!(status, JobStatus::Concluded | JobStatus::Null) {
        return None;
    }
    let step = news.clone().find_map(|(at, news)| match news {
        JobNews::Step(step) => Some((*at, *step)),
        _ => None,
    });
    let mut text = format!("{} is {status}", job_facts.name);
    if let Some((at, step)) = step {
        text = format!("{text}, and came last to {step}, at {}", ms(at.at_ns));
    }
    let copies = facts.copies.iter();
    let open = copies.filter(|copy| copy.job == job && copy.done.is_none());
    let open: Vec<_> = open.map(|copy| format!("copy {}", copy.number)).collect();
    if !open.is_empty() {
        text = format!("{text}; {} not ended", have(open));
    }
    match job_facts.pause_count {
        0 => {}
        1 => text.push_str("; one asks it to stand still"),
        n => text = format!("{text}; {n} ask it to stand still"),
    }
    Some(format!("{text}."))
}

fn have(things: Vec<String>) -> String {
    let verb = if things.len() == 1 { "has" } else { "have" };
    format!("{} {verb}", list(things))
}
