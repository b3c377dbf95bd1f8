//! What drained sections wait for, and whom those wait for that are established.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::request::ALL_NODES;

use super::build::Builder;
use super::{Actor, Why};
use crate::cast::OpenSection;

impl Builder<'_> {
    pub(super) fn sections_wait(&mut self) {
        for number in 0..self.sections.len() {
            let (section, actor) = self.sections[number].clone();
            if section.established() {
                self.established_waits(&section, actor);
            } else {
                self.beginning_waits(&section, actor);
            }
        }
    }

    /// It ends when its owner ends it.
    fn established_waits(&mut self, section: &OpenSection, actor: usize) {
        let of_job = (0..self.jobs.len())
            .find(|number| self.own_sections(*number, true).contains(&actor))
            .map(|number| self.jobs[number].actor);
        match of_job {
            Some(job) => self.wait(actor, job, Why::LetGo),
            None => {
                let name = section.owner();
                self.wait_for(actor, Actor::Owner { name }, Why::LetGo);
            }
        }
    }

    /// It begins when nothing is in flight at its nodes or at whoever uses them, as the engine asks.
    fn beginning_waits(&mut self, section: &OpenSection, actor: usize) {
        let mut open = self.drained_nodes(section);
        let mut seen: Vec<usize> = Vec::new();
        let mut any = false;
        while let Some(place) = open.pop() {
            if seen.contains(&place) {
                continue;
            }
            seen.push(place);
            for request in self.in_flight_at(place) {
                self.wait(actor, request, Why::End);
                any = true;
            }
            let parents = self.nodes[place].node.parents();
            let above = parents.iter().filter_map(|edge| edge.parent()?.as_node());
            open.extend(above.filter_map(|node| self.place(&node)));
        }
        let mut own = None;
        for number in 0..self.jobs.len() {
            let uses = self.jobs[number].nodes.iter();
            let uses_one = uses
                .filter_map(|node| self.place(node))
                .any(|place| seen.contains(&place));
            if !uses_one || !self.jobs[number].job.drained_poll() {
                continue;
            }
            let job = self.jobs[number].actor;
            // Which a job that asks for its own section answers as well: there it leaves itself out.
            let asks = self.own_sections(number, false).contains(&actor);
            if asks && !self.jobs[number].job.deferred_to_main_loop() {
                own = Some(job);
                continue;
            }
            self.wait(actor, job, Why::StandStill);
            any = true;
        }
        match own {
            _ if any => {}
            // It should have begun: that it does not leaves nobody but the job itself.
            Some(job) if self.idle => self.wait(actor, job, Why::StandStill),
            _ => self.wait_for(actor, Actor::Loop, Why::Turn),
        }
    }

    /// The places of the nodes that `section` is about.
    fn drained_nodes(&self, section: &OpenSection) -> Vec<usize> {
        if section.node() == ALL_NODES {
            let all = self.nodes.iter().enumerate();
            let of_it = all.filter(|(_, seen)| self.cast.lives_in(section.home, &seen.node));
            return of_it.map(|(place, _)| place).collect();
        }
        let Some(node) = self.cast.find_node(section.node()) else {
            return Vec::new();
        };
        let covered = |other: &Rc<Node>| match section.subtree() {
            true => node.reaches(other),
            false => Rc::ptr_eq(&node, other),
        };
        let all = self.nodes.iter().enumerate();
        all.filter(|(_, seen)| covered(&seen.node))
            .map(|(place, _)| place)
            .collect()
    }
}
