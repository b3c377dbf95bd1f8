//! The picture as sentences, on one screen.

use std::fmt;

use super::{Actor, Wait, WaitGraph};

/// So many sentences, at most.
const MAX_SENTENCES: usize = 16;

impl WaitGraph {
    /// The chain as a sentence without a full stop: who waits for whom, who waits for whom.
    pub(crate) fn sentence(&self, chain: &[Wait]) -> String {
        let mut text = String::new();
        for (index, wait) in chain.iter().enumerate() {
            match index {
                0 => text.push_str(&self.actors[wait.from].to_string()),
                _ => text.push_str("; that"),
            }
            let (who, whom) = (&self.actors[wait.from], &self.actors[wait.to]);
            let waits = match who.is_many() && index == 0 {
                true => "wait",
                false => "waits",
            };
            text.push_str(&format!(" {waits} for {whom}{}", wait.why.clause()));
        }
        text
    }

    /// One sentence for each who waits: first jobs, then whoever they have not led to.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut sentences = Vec::new();
        let is_job = |place: &usize| matches!(self.actors[*place], Actor::Job { .. });
        let all = 0..self.actors.len();
        let jobs = all.clone().filter(is_job);
        let others = all.filter(|place| !is_job(place));
        for actor in jobs.chain(others) {
            let waits: Vec<_> = self.waits_of(actor).collect();
            if told.contains(&actor) {
                continue;
            }
            let chain = self.chain(actor, &mut told);
            if chain.is_empty() {
                continue;
            }
            let mut text = self.sentence(&chain);
            if waits.len() > 1 {
                text.push_str(&format!("; and for {} more", waits.len() - 1));
            }
            sentences.push(text);
        }
        sentences
    }
}

impl fmt::Display for WaitGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences = self.sentences();
        for (index, sentence) in sentences.iter().enumerate() {
            if index == MAX_SENTENCES {
                return writeln!(f, "And {} more.", sentences.len() - index);
            }
            writeln!(f, "{sentence}.")?;
        }
        Ok(())
    }
}
