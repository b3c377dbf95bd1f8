//! A write of a guest that is on one disk and not on the other.

use blockjob_jobs::mirror::steps::Step;

use super::Cause;

use crate::event::{GuestKind, GuestWhat};
use crate::story::content::{Change, Content, Contents};
use crate::story::facts::{Copy, Facts, JobNews, Moment, Section};
use crate::story::words::{ms, range, sentence};

/// Whether the place holds one thing on the source and another on the target, and why.
pub(super) fn find(facts: &Facts, contents: &Contents, causes: &mut Vec<Cause>) {
    for job in 0..facts.jobs.len() {
        let Some((source, target)) = facts.sides_of_job(job) else {
            continue;
        };
        let Some(write) = lost_write(facts, contents, &source, &target) else {
            continue;
        };
        let lost = Lost {
            facts,
            contents,
            job,
            source: &source,
            target: &target,
            write,
        };
        causes.push(lost.tell());
    }
}

/// The last write on the source that the target never got.
fn lost_write(facts: &Facts, contents: &Contents, source: &str, target: &str) -> Option<Change> {
    let last = contents.last(source)?;
    let Content::Written(request) = last.content else {
        return None;
    };
    // What was given up may hold anything, and what nobody was told of may be missing.
    let request = &facts.requests[request];
    let promised = request.kind != GuestKind::Discard
        && !matches!(
            request.fate,
            Some((_, GuestWhat::Failed | GuestWhat::Abandons))
        );
    // Once the guest uses the target it writes there, and what it wrote to the source is history.
    let on_target = contents.changes.get(target);
    let later = on_target.is_some_and(|changes| {
        let direct = |change: &Change| change.copy.is_none() && change.at > last.at;
        changes.iter().any(direct)
    });
    (promised && !later && contents.on(target) != last.content).then_some(last)
}

/// Sentences as parts of one.
fn one_sentence(text: &str) -> String {
    const OURS: [&str; 4] = ["Copy ", "Nobody ", "Request ", "Section "];
    let parts = text.split(". ").map(|part| {
        let ours = OURS.iter().any(|word| part.starts_with(word));
        match part.split_at_checked(1) {
            Some((first, rest)) if ours => first.to_lowercase() + rest,
            _ => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("; ")
}

struct Lost<'a> {
    facts: &'a Facts,
    contents: &'a Contents,
    job: usize,
    source: &'a str,
    target: &'a str,
    write: Change,
}

impl Lost<'_> {
    fn tell(&self) -> Cause {
        let Content::Written(request) = self.write.content else {
            unreachable!("only writes of guests are lost");
        };
        let asked = self.facts.requests[request].asked;
        let last = self.last_arrival();
        let since = last.map_or(asked, |copy| copy.claimed.min(asked));
        let (at, mut text) = self.why(request);
        let id = self.facts.requests[request].id;
        let sentence = format!(
            "What request {id} wrote is on {} only: {}",
            self.source,
            one_sentence(&text)
        );
        let found = self.facts.content(self.contents.on(self.target));
        let brought = match last {
            Some(copy) => format!(", which copy {} brought", copy.number),
            None => String::new(),
        };
        let what = format!(
            " So what request {id} wrote is on {} only. On {} there is {found}{brought}.",
            self.source, self.target
        );
        text.push_str(&what);
        Cause {
            text,
            sentence,
            at,
            since,
        }
    }

    /// The copy that brought the target what it has.
    fn last_arrival(&self) -> Option<&Copy> {
        let copy = self.contents.last(self.target)?.copy?;
        Some(&self.facts.copies[copy])
    }

    /// The reads of copies that found the write, and those that came too soon; and when it was lost.
    fn why(&self, request: usize) -> (Moment, String) {
        let facts = self.facts;
        let reads = self.contents.reads.iter();
        let ours = reads.filter(|(copy, _)| facts.copies[**copy].job == self.job);
        let found = ours.clone().find(|(_, at)| **at > self.write.at);
        if let Some((copy, read)) = found {
            let lost = self.contents.last(self.target).map(|change| change.at);
            return (lost.unwrap_or(*read), self.overtaken(*copy));
        }
        let id = facts.requests[request].id;
        let landed = ms(self.write.at.at_ns);
        let at = self.write.at;
        if let Some(late) = self.after_the_work(request) {
            return late;
        }
        if let Some(text) = self.during_the_drain(id) {
            return (at, text);
        }
        // The last copy that could have seen it.
        let before = ours
            .map(|(copy, at)| (&facts.copies[*copy], *at))
            .next_back();
        let text = match before {
            Some((copy, read)) if copy.done.is_none_or(|done| done > self.write.at) => format!(
                "Copy {} read {} at {}. Request {id} landed after that, at {landed}, while the copy was \
                 still under way; and yet the place was called clean, and nobody copied it again.",
                copy.number,
                range(copy.span),
                ms(read.at_ns)
            ),
            Some((copy, read)) => format!(
                "Nobody copied the place after request {id} had landed, at {landed}: copy {}, the last one, \
                 had read it at {}.",
                copy.number,
                ms(read.at_ns)
            ),
            None => format!("Nobody ever read the place of request {id} to copy it."),
        };
        (at, text)
    }

    /// The write was read by a copy, and something older landed over it.
    fn overtaken(&self, copy: usize) -> String {
        let newer = &self.facts.copies[copy];
        match self.last_arrival() {
            Some(older) if older.number != newer.number => format!(
                "Copy {} had read the write and brought it; but copy {}, which had read before that, landed \
                 over it.",
                newer.number, older.number
            ),
            _ => format!(
                "Copy {} had read the write, and did not bring it.",
                newer.number
            ),
        }
    }

    /// The write came when the job had ended its work. It went wrong with the end of the section that let it
    /// go, if one did.
    fn after_the_work(&self, request: usize) -> Option<(Moment, String)> {
        let facts = self.facts;
        let pivot = facts
            .pivots
            .iter()
            .find(|pivot| *pivot.from == *self.source);
        let news = facts.jobs[self.job].news.iter();
        let mut ends = news.filter(|(_, news)| matches!(news, JobNews::RunEnd));
        let left = ends.next_back()?.0;
        let io = facts.requests[request]
            .ios
            .first()
            .map(|io| &facts.ios[*io])?;
        let id = facts.requests[request].id;
        if self.write.at < left || pivot.is_some_and(|pivot| pivot.at < io.begun) {
            return None;
        }
        let name = &facts.jobs[self.job].name;
        let pivoted = match pivot {
            Some(pivot) => format!("; and the pivot came at {}", ms(pivot.at.at_ns)),
            None => String::new(),
        };
        let (waited, _) = facts.waited_behind(request);
        let went = match waited.is_empty() {
            true => format!(". Request {id} came after that, and"),
            false => format!(": that let request {id} go, and it"),
        };
        // Those that it has ended to copy once more are no matter here.
        let mut steps = facts.jobs[self.job].news.iter().rev();
        let is_m14 = |news: &JobNews| matches!(news, JobNews::Step(Step::M14));
        let count = steps.find(|(_, news)| is_m14(news))?.0;
        let ours = |section: &&Section| {
            let ended = section.ended;
            let ended = ended.is_some_and(|ended| count < ended && ended < io.begun);
            ended && section.owner.starts_with("mirror") && *section.node == *self.source
        };
        Some(match facts.sections.iter().rev().find(ours) {
            Some(section) => {
                let ended = section.ended?;
                let text = format!(
                    "{} ended at {}, before the pivot{went} was done on {}, which was still in use. {name} had \
                 counted for the last time what is dirty{pivoted}.",
                    sentence(&facts.section_name(section)),
                    ms(ended.at_ns),
                    self.source
                );
                (ended, text)
            }
            _ => (
                self.write.at,
                format!(
                    "Request {id} began at {} at {} and landed at {}. {name} had counted for the last time \
                 what is dirty, and had ended its work at {}{pivoted}.",
                    self.source,
                    ms(io.begun.at_ns),
                    ms(self.write.at.at_ns),
                    ms(left.at_ns)
                ),
            ),
        })
    }
}

impl Lost<'_> {
    /// The write was under way when the job found nothing dirty, and landed while the source was drained.
    fn during_the_drain(&self, id: u32) -> Option<String> {
        let facts = self.facts;
        let steps = || facts.jobs[self.job].news.iter();
        let is_m14 = |news: &JobNews| matches!(news, JobNews::Step(Step::M14));
        let (count, _) = steps().rev().find(|(_, news)| is_m14(news))?;
        let drained = facts
            .sections
            .iter()
            .find(|section| section.begun > *count)?;
        let within = *count < self.write.at && drained.established? > self.write.at;
        within.then(|| {
            format!(
                "Request {id} was under way when {} found nothing dirty, at {}. It landed at {}, while the \
                 source was being drained, and after that nobody counted again.",
                facts.jobs[self.job].name,
                ms(count.at_ns),
                ms(self.write.at.at_ns)
            )
        })
    }
}

impl Facts {
    /// The disks that a job reads from and writes to.
    fn sides_of_job(&self, job: usize) -> Option<(String, String)> {
        use crate::story::facts::By;
        let ours = |by: &By| matches!(by, By::Copy(copy) if self.copies[*copy].job == job);
        let source = self
            .disk_ops
            .iter()
            .find(|op| ours(&op.by) && op.kind == crate::event::DiskKind::Read)?;
        let target = self
            .disk_ops
            .iter()
            .find(|op| ours(&op.by) && op.kind.changes())?;
        Some((source.disk.to_owned(), target.disk.to_owned()))
    }
}
