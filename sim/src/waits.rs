//! Who waits for whom, at one moment: jobs, drained sections, requests, disks, guests.
//!
//! Everything here is read off what the engine shows of itself; nothing is recorded beforehand. So the
//! same picture explains a run that stands still, a job that a user asks about, and a rule that is
//! broken: a job that cannot end is not a timeout but a chain that leads to somebody.
//!
//! An edge says that its one end cannot go on before the other does something. Where somebody waits
//! for any one of several, as a mirror does for the first of its copies that ends, there is one actor
//! that stands for all of them. So a cycle is a deadlock.
//!
//! Two kinds of edges are *inferred*: copies that are under way although no request is wait for each
//! other's buffers, and a drained section of a job that nobody else holds up counts the job itself.
//! That holds only while nothing can happen at the present instant, and only then are they drawn.

mod actor;
mod build;
mod build_active;
mod build_drains;
mod build_jobs;
mod text;
mod verdict;

pub use actor::{Actor, Wait, Why};
pub(crate) use verdict::{held_up, ring, verdict};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct WaitGraph {
    actors: Vec<Actor>,
    waits: Vec<Wait>,
}

impl WaitGraph {
    /// Everybody who waits or is waited for.
    pub fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// Who waits for whom.
    pub fn waits(&self) -> &[Wait] {
        &self.waits
    }

    /// What `actor`, a place in [`actors`](Self::actors), waits for.
    pub fn waits_of(&self, actor: usize) -> impl Iterator<Item = Wait> {
        let waits = self.waits.iter().copied();
        waits.filter(move |wait| wait.from == actor)
    }

    /// Where the job named `job` is among the actors.
    pub fn job(&self, job: &str) -> Option<usize> {
        let named = |actor: &Actor| matches!(actor, Actor::Job { name, .. } if **name == *job);
        self.actors.iter().position(named)
    }

    /// A ring of actors each of whom waits for the next, and the last for the first; the first one
    /// that is found.
    pub fn cycle(&self) -> Option<Vec<Wait>> {
        let mut search = Search {
            graph: self,
            seen: vec![Mark::New; self.actors.len()],
            path: Vec::new(),
        };
        (0..self.actors.len()).find_map(|actor| search.visit(actor))
    }

    /// The chain that holds the job named `job`, from what it waits for first to somebody who waits for
    /// nobody, or to one whom the chain has met before. Empty if it waits for nobody.
    pub fn holder_of(&self, job: &str) -> Vec<Wait> {
        self.job(job)
            .map_or_else(Vec::new, |actor| self.chain(actor, &mut Vec::new()))
    }

    /// The chain from `from` on. Actors in `told` are where others ended, and it ends there, too.
    pub(crate) fn chain(&self, from: usize, told: &mut Vec<usize>) -> Vec<Wait> {
        let mut chain = Vec::new();
        let mut at = from;
        while !told.contains(&at) {
            told.push(at);
            let Some(next) = self.waits_of(at).next() else {
                break;
            };
            chain.push(next);
            at = next.to;
        }
        chain
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// A search in depth.
struct Search<'a> {
    graph: &'a WaitGraph,
    seen: Vec<Mark>,
    path: Vec<Wait>,
}

impl Search<'_> {
    fn visit(&mut self, actor: usize) -> Option<Vec<Wait>> {
        if self.seen[actor] != Mark::New {
            return None;
        }
        self.seen[actor] = Mark::Open;
        for wait in self.graph.waits_of(actor) {
            self.path.push(wait);
            if self.seen[wait.to] == Mark::Open {
                let start = self.path.iter().position(|step| step.from == wait.to);
                let start = start.expect("whoever is open is on the path");
                return Some(self.path.split_off(start));
            }
            if let Some(cycle) = self.visit(wait.to) {
                return Some(cycle);
            }
            self.path.pop();
        }
        self.seen[actor] = Mark::Done;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(waits: &[(usize, usize)]) -> WaitGraph {
        let last = waits.iter().map(|(from, to)| *from.max(to)).max();
        WaitGraph {
            actors: vec![Actor::Clock; last.map_or(0, |last| last + 1)],
            waits: waits
                .iter()
                .map(|(from, to)| Wait {
                    from: *from,
                    to: *to,
                    why: Why::End,
                })
                .collect(),
        }
    }

    #[test]
    fn a_ring_is_found_wherever_it_is_and_starts_where_it_closes() {
        let graph = graph(&[(0, 1), (0, 2), (2, 3), (3, 4), (4, 2), (1, 4)]);
        let cycle = graph.cycle().expect("2 waits for itself");
        let places: Vec<_> = cycle.iter().map(|wait| wait.from).collect();
        assert_eq!(places, [4, 2, 3]);
        assert_eq!(cycle[2].to, 4);
    }

    #[test]
    fn who_waits_for_himself_is_a_ring_of_one() {
        assert_eq!(graph(&[(0, 1), (1, 1)]).cycle().map(|it| it.len()), Some(1));
    }

    #[test]
    fn two_ways_to_the_same_end_are_no_ring() {
        assert!(graph(&[(0, 1), (0, 2), (1, 3), (2, 3)]).cycle().is_none());
        assert!(graph(&[]).cycle().is_none());
    }

    #[test]
    fn a_chain_ends_where_it_has_been_before() {
        let chain = graph(&[(0, 1), (1, 0)]).chain(0, &mut Vec::new());
        assert_eq!(chain.iter().map(|wait| wait.to).collect::<Vec<_>>(), [1, 0]);
    }
}
