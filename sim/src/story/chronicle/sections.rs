//! Drained sections: who asks for them, what they wait for, what they hold back. And changes of the graph.

use blockjob_block::request::ALL_NODES;

use super::{About, Chronicle, Weight};
use crate::story::facts::Section;
use crate::story::words::{list, ms, owner};

impl Chronicle<'_> {
    pub(super) fn sections(&mut self) {
        let facts = self.facts;
        for section in &facts.sections {
            self.section(section);
        }
        for pivot in &facts.pivots {
            let about = About {
                node: Some(pivot.from.clone()),
                ..About::default()
            };
            let text = format!(
                "the pivot: whoever used {} uses {} from now on.",
                pivot.from, pivot.to
            );
            self.say(pivot.at, Weight::Turn, about, text);
        }
    }

    fn section(&mut self, section: &Section) {
        let facts = self.facts;
        let name = facts.section_name(section);
        let about = About {
            node: (*section.node != *ALL_NODES).then(|| section.node.clone()),
            ..About::default()
        };
        let what = match &*section.node {
            ALL_NODES => "everything",
            node => node,
        };
        let waits = !section.in_flight.is_empty()
            || section
                .established
                .is_none_or(|at| at.at_ns > section.begun.at_ns);
        let pulse = !waits
            && !section.owner.starts_with("mirror")
            && section
                .ended
                .is_some_and(|ended| ended.at_ns == section.begun.at_ns);
        // What only comes and goes is told nowhere but where all is told.
        let weight = if pulse { Weight::Detail } else { Weight::Plain };
        let mut text = format!("{} drains {what}: {name}.", owner(section.owner));
        let in_flight = section.in_flight.iter();
        let in_flight: Vec<_> = in_flight.map(|io| facts.io_name(&facts.ios[*io])).collect();
        if waits && !in_flight.is_empty() {
            text = format!("{text} It waits for {}.", list(in_flight));
        } else if waits {
            text = format!(
                "{text} It waits for a job to stand still, or for a request that was let go and has not run."
            );
        } else if pulse {
            text = format!("{text} It ends at once.");
        } else {
            text = format!("{text} Nothing is in flight there, and the section is established.");
        }
        self.say(section.begun, weight, about.clone(), text);
        if let (true, Some(at)) = (waits, section.established) {
            let waited = ms(at.at_ns - section.begun.at_ns);
            let text = format!("{name} is established, after {waited}.");
            self.say(at, weight, about.clone(), text);
        }
        if let (false, Some(at)) = (pulse, section.ended) {
            let text = format!("{name} ends: {what} is in use again.");
            self.say(at, weight, about, text);
        }
    }
}
