//! The document of a simulated run.

use super::document::{Broken, Disk, Document, Event, JobFact, Origin, StoryLine, StoryText};
use crate::case::Case;
use crate::config::{Config, Field};
use crate::export::Value;
use crate::failure::{Failure, Rule};
use crate::record::{Record, Who};
use crate::story::{Length, Line, Story};

/// So many sentences are told of a run, which is that of about two million events; of one that has more only
/// those that touch its failure, or the first ones.
const MAX_LINES: usize = 200_000;

/// A command that is longer is not pasted into a shell.
const MAX_COMMAND: usize = 4_000;

/// What a record does not know of its run.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The scenario that it was drawn from.
    pub scenario: Option<String>,
    /// The seed of its schedule.
    pub seed: Option<u64>,
    /// Who made the decisions.
    pub policy: Option<String>,
    /// The command that makes the run again; without it the one that replays its log.
    pub command: Option<String>,
    /// What was done with it, as an addition to the title: `shrunk`.
    pub note: Option<String>,
}

/// The document of `record`.
pub fn of_record(record: &Record, about: &About) -> Document {
    let mut document = Document::new(&title(record, about), Origin::Sim);
    let log = log_of(record);
    let replays = Some(format!("blockjob sim replay '{log}'"));
    let replays = replays.filter(|command| command.len() <= MAX_COMMAND);
    document.command = about.command.clone().or(replays);
    document.log = Some(log);
    document.bug.clone_from(&record.bug);
    document.scenario.clone_from(&about.scenario);
    document.policy.clone_from(&about.policy);
    document.config = told(&record.config);
    document.digest = Some(format!("{:016x}", record.report.digest));
    document.end_ns = record.report.virtual_ns;
    document.lost = record.lost;
    document.jobs = jobs(&record.config);
    add_events(&mut document, record);
    for (index, decision) in record.log.iter().enumerate() {
        let labels = record.names.of(index as u64);
        document.decision(
            decision.site,
            decision.n,
            decision.chosen,
            labels.as_deref(),
        );
    }
    document.disks = disks(&document, record.config.len_bytes());
    tell(&mut document, record, MAX_LINES);
    document
}

/// The text of the case that `record` is of.
fn log_of(record: &Record) -> String {
    let case = Case::new(&record.config, &record.log);
    let case = match &record.bug {
        None => case,
        Some(bug) => case
            .with_bug(bug)
            .expect("it has been switched on by that id"),
    };
    case.to_string()
}

fn title(record: &Record, about: &About) -> String {
    let mut title = match (&about.scenario, about.seed) {
        (Some(scenario), Some(seed)) => format!("{scenario}, seed {seed}"),
        (Some(scenario), None) => scenario.clone(),
        _ => "A run".to_owned(),
    };
    if let Some(bug) = &record.bug {
        title = format!("{title}, with {bug}");
    }
    if let Some(note) = &about.note {
        title = format!("{title}, {note}");
    }
    match &record.report.failure {
        Some(failure) => format!("{title}: {} at {}", failure.rule, failure.place),
        None => format!("{title}: no rule was broken"),
    }
}

/// The fields that differ from their defaults.
fn told(config: &Config) -> Vec<(String, String, String)> {
    let fields = Field::ALL.iter().copied();
    let other = fields.filter(|field| config.get(*field) != field.default_value());
    let row = |field: Field| {
        let value = field.value_text(config.get(field));
        (field.key().to_owned(), value, field.doc().to_owned())
    };
    other.map(row).collect()
}

fn jobs(config: &Config) -> Vec<JobFact> {
    let count = match config.is(Field::Mirror) {
        true => config.get(Field::Jobs),
        false => 0,
    };
    let side = |side: &str, number: u64| match number {
        0 => side.to_owned(),
        number => format!("{side}{number}"),
    };
    let job = |number| JobFact {
        name: format!("job{number}"),
        source: side("source", number),
        target: side("target", number),
        granularity_bytes: config.get(Field::Granularity),
        length_bytes: config.len_bytes(),
    };
    (0..count).map(job).collect()
}

/// The disks of the jobs, and those that are named in events.
fn disks(document: &Document, bytes: u64) -> Vec<Disk> {
    let mut names = document.texts_in("disk");
    for job in &document.jobs {
        names.extend([job.source.clone(), job.target.clone()]);
    }
    names.sort();
    names.dedup();
    let disk = |name| Disk { name, bytes };
    names.into_iter().map(disk).collect()
}

fn add_events(document: &mut Document, record: &Record) {
    // The same coroutine runs many times in a row.
    let mut last: Option<(Who, String)> = None;
    for entry in &record.entries {
        if let Some(who) = &entry.coroutine
            && last.as_ref().is_none_or(|(known, _)| known != who)
        {
            last = Some((who.clone(), who.to_string()));
        }
        let name = last.as_ref().map(|(_, name)| name.as_str());
        let flat = entry.what.flat();
        document.event::<&str>(&Event {
            at_ns: entry.at_ns,
            decisions: entry.decisions,
            context: &entry.context,
            coroutine: name.filter(|_| entry.coroutine.is_some()),
            kind: flat.kind,
            fields: &flat.fields,
        });
    }
}

/// The story of a run in at most so many sentences, and how many were left out for that.
fn story_in(record: &Record, most: usize) -> (Story, usize) {
    let mut story = Story::of(record, Length::Long);
    let all = story.lines.len();
    if all > most {
        story = Story::of(record, Length::Short);
        story.lines.truncate(most);
    }
    let left_out = all - story.lines.len();
    (story, left_out)
}

/// Adds the story, in at most so many sentences, and how the run failed.
fn tell(document: &mut Document, record: &Record, most: usize) {
    let failure = record.report.failure.as_ref();
    let (story, left_out) = story_in(record, most);
    let line = |line: &Line| StoryLine {
        at_ns: line.at.at_ns,
        event: place(record, line.at.seq),
        text: line.text.clone(),
    };
    document.story = StoryText {
        lines: story.lines.iter().map(line).collect(),
        causes: story.causes.clone(),
        waiting: story.waiting.clone(),
        left_out,
    };
    let wrong = story.wrong.as_ref();
    document.failure = failure.map(|failure| broken(record, failure, wrong));
}

/// The place in the document of the event of that number; that of the first one if it was let go.
fn place(record: &Record, seq: u64) -> u64 {
    let first = record.entries.first().map_or(0, |entry| entry.seq);
    seq.saturating_sub(first)
}

fn broken(record: &Record, failure: &Failure, wrong: Option<&Line>) -> Broken {
    // Nothing is recorded after the event at which a checker has failed.
    let event = record.entries.len().saturating_sub(1) as u64;
    let (wrong_event, sentence) = match wrong {
        Some(wrong) => (place(record, wrong.at.seq), wrong.text.clone()),
        None => (
            last_sign(record, failure).unwrap_or(event),
            format!("{}.", capital(failure.text.trim_end_matches('.'))),
        ),
    };
    Broken {
        rule: failure.rule.name().to_owned(),
        place: failure.place.clone(),
        text: failure.text.clone(),
        parties: failure.parties.clone(),
        at_ns: failure.at_ns,
        decisions: failure.decisions,
        event,
        sentence,
        wrong_event: wrong_event.min(event),
    }
}

/// Where nothing goes on any more, it went wrong when something was last done: the last event of one of the
/// parties, or of anybody.
fn last_sign(record: &Record, failure: &Failure) -> Option<u64> {
    let stands_still = matches!(
        failure.rule,
        Rule::Progress | Rule::WaitGraph | Rule::Wake | Rule::Quiesce
    );
    if !stands_still {
        return None;
    }
    let of_party = |value: &Value| match value {
        Value::Text(text) => failure.parties.contains(text),
        Value::Number(_) | Value::Flag(_) => false,
    };
    let mut entries = record.entries.iter().enumerate().rev();
    let last = entries.find(|(_, entry)| {
        let fields = entry.what.flat().fields;
        fields.iter().any(|(_, value)| of_party(value))
    });
    last.map(|(place, _)| place as u64)
}

/// With a capital letter, unless it begins with the name of a job or a node.
fn capital(text: &str) -> String {
    let named = text
        .split(' ')
        .next()
        .is_some_and(|word| word.ends_with(|it: char| it.is_ascii_digit()));
    match text.split_at_checked(1) {
        Some((first, rest)) if !named => first.to_uppercase() + rest,
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::decide::Random;
    use crate::run::Runner;

    #[test]
    fn of_more_sentences_than_may_be_told_the_others_are_counted() {
        let config = Config::parse("requests=20").expect("it is well formed");
        let policy = Box::new(Random::new(1));
        let record = Record::of(&mut Runner::new(), &config, policy, usize::MAX);
        let all = Story::of(&record, Length::Long).lines.len();
        assert!(all > 20, "the story has only {all} sentences");
        let (whole, left_out) = story_in(&record, all);
        assert_eq!((whole.lines.len(), left_out), (all, 0));
        let (cut, left_out) = story_in(&record, 10);
        assert_eq!((cut.lines.len(), left_out), (10, all - 10));
        let mut document = Document::new("a run", Origin::Sim);
        tell(&mut document, &record, 10);
        let told = &document.story;
        assert_eq!((told.lines.len(), told.left_out), (10, all - 10));
    }
}
