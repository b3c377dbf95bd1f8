//! Drained sections that another context holds.
//!
//! The section itself lives with the nodes; what the other context holds is a word for it. When the
//! family moves, the section moves along, and the word leads to the new place.
//!
//! QEMU: `bdrv_drained_begin` (block/io.c) from the main thread, on a node of an iothread.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use blockjob_runtime::sync::{Arc, Mutex};
use blockjob_runtime::{AioContext, Reply, Resident};

use crate::drain::Drained;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::moving::Family;
use crate::moving::home::{Home, find_node, gone};
use crate::moving::packer::Packer;
use crate::moving::section::{FamilySection, PackedSection};
use crate::node::Node;

/// Where the parts of a section are that is held from elsewhere. Those in a parcel are nowhere.
#[derive(Default)]
struct Whereabouts {
    at: Vec<Resident<RemoteSection>>,
    /// Nobody holds it any more.
    ended: bool,
}

/// A drained section that another context holds, where its nodes are; or a part of it, if some of them have
/// moved away from the others.
pub(crate) struct RemoteSection {
    owner: &'static str,
    sections: RefCell<Vec<Drained>>,
    whereabouts: Arc<Mutex<Whereabouts>>,
    /// By which others know it.
    resident: RefCell<Option<Resident<RemoteSection>>>,
}

impl RemoteSection {
    /// Settles a section in the context of `graph`, or returns it if nobody wants it any more.
    fn settle(
        graph: &Graph,
        owner: &'static str,
        sections: Vec<Drained>,
        whereabouts: &Arc<Mutex<Whereabouts>>,
    ) -> Vec<Drained> {
        let section = Rc::new(RemoteSection {
            owner,
            sections: RefCell::new(sections),
            whereabouts: whereabouts.clone(),
            resident: RefCell::default(),
        });
        // Whoever lets go of it does so before, and then it ends here, or after, and then it is there to
        // be ended.
        let mut place = whereabouts.lock();
        if place.ended {
            return section.sections.take();
        }
        let mut known = graph.remote_sections.borrow_mut();
        known.retain(|section| section.strong_count() > 0);
        known.push(Rc::downgrade(&section));
        drop(known);
        let resident = graph.context().settle(section.clone());
        section.resident.replace(Some(resident.clone()));
        place.at.push(resident);
        Vec::new()
    }

    /// How many sections of nodes of the family it is made of.
    pub(crate) fn count_in(&self, family: &Family) -> usize {
        let sections = self.sections.borrow();
        let nodes = sections.iter().filter_map(Drained::node);
        nodes.filter(|(node, _)| family.contains(node)).count()
    }

    /// Takes along what it drains of the family, unless whoever held it has let go. Nodes that have left
    /// the family since stay drained where they are.
    pub(crate) fn pack(self: &Rc<Self>, packer: &Packer<'_>) -> Option<PackedRemote> {
        let mut whereabouts = self.whereabouts.lock();
        let moves = |section: &Drained| {
            let node = section.node();
            node.is_some_and(|(node, _)| packer.find(node).is_some())
        };
        let sections = self.sections.take();
        let (moving, staying): (Vec<_>, Vec<_>) = sections.into_iter().partition(moves);
        if whereabouts.ended {
            // What ends it here is still on its way, and until then it would keep the old nodes.
            drop(whereabouts);
            self.sections.replace(staying);
            packer.sections.borrow_mut().extend(moving);
            return None;
        }
        if staying.is_empty()
            && let Some(resident) = self.resident.take()
        {
            whereabouts.at.retain(|other| *other != resident);
            packer.nodes[0].context().evict(&resident);
        }
        drop(whereabouts);
        self.sections.replace(staying);
        let packed = moving
            .iter()
            .map(|section| PackedSection::of(packer, section));
        let packed = packed.collect();
        // They end when they cannot let anybody go on any more.
        packer.sections.borrow_mut().extend(moving);
        Some(PackedRemote {
            owner: self.owner,
            sections: packed,
            whereabouts: self.whereabouts.clone(),
        })
    }
}

/// A section that another context holds, on its way.
pub(crate) struct PackedRemote {
    owner: &'static str,
    sections: Vec<PackedSection>,
    whereabouts: Arc<Mutex<Whereabouts>>,
}

impl PackedRemote {
    /// Drains the nodes again.
    pub(crate) fn begin(self, nodes: &[Rc<Node>]) -> ArrivedRemote {
        let sections = self.sections.into_iter().map(|it| it.begin(nodes));
        ArrivedRemote {
            owner: self.owner,
            sections: sections.collect(),
            whereabouts: self.whereabouts,
        }
    }
}

/// A section that another context holds, at its new place, before that is known there.
pub(crate) struct ArrivedRemote {
    owner: &'static str,
    sections: Vec<Drained>,
    whereabouts: Arc<Mutex<Whereabouts>>,
}

impl ArrivedRemote {
    /// Makes the place known. If nobody holds the section any more, it may end, and is returned.
    pub(crate) fn settle(self, graph: &Graph) -> Vec<Drained> {
        RemoteSection::settle(graph, self.owner, self.sections, &self.whereabouts)
    }
}

/// A drained section in another context; dropping it ends it. It may be kept anywhere. When that context
/// ends, it stands for nothing.
#[must_use = "the section ends when this is dropped"]
pub struct RemoteDrained {
    whereabouts: Arc<Mutex<Whereabouts>>,
}

impl RemoteDrained {
    fn new() -> RemoteDrained {
        RemoteDrained {
            whereabouts: Arc::default(),
        }
    }
}

impl Drop for RemoteDrained {
    fn drop(&mut self) {
        let mut whereabouts = self.whereabouts.lock();
        whereabouts.ended = true;
        let parts = std::mem::take(&mut whereabouts.at);
        drop(whereabouts);
        for resident in parts {
            // Behind whatever was sent there before, and before whatever is sent later.
            let place = resident.handle().clone();
            place.schedule_oneshot("drained end", move |ctx| {
                let section = ctx.evict(&resident);
                drop(section);
            });
        }
    }
}

impl fmt::Debug for RemoteDrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whereabouts = self.whereabouts.lock();
        let places = whereabouts.at.iter().map(|it| it.handle().name());
        f.debug_tuple("RemoteDrained")
            .field(&Vec::from_iter(places))
            .finish()
    }
}

/// Asks for a drained section of the family of `node` in the context of `home`, and waits until it is
/// established there. Requests of the family that come meanwhile wait.
///
/// # Errors
///
/// There is no such node, or the context has ended.
pub async fn co_drained_begin<S: Home>(
    home: &Resident<S>,
    node: &str,
    owner: &'static str,
) -> BlockResult<RemoteDrained> {
    let drained = RemoteDrained::new();
    let (whereabouts, node, whom) = (drained.whereabouts.clone(), node.to_owned(), home.clone());
    let begun = home
        .handle()
        .request_co("drained begin", move |_| async move {
            let graph = whom.get().map(|home| home.place().graph().clone());
            let graph = graph.ok_or_else(no_home)?;
            let root = find_node(&graph, &node)?;
            let section = FamilySection::co_begin(&root, owner).await;
            drop(RemoteSection::settle(
                &graph,
                owner,
                section.sections,
                &whereabouts,
            ));
            Ok(())
        });
    begun.await.map_err(gone)??;
    Ok(drained)
}

/// As [`co_drained_begin`], from outside of coroutines: `main` goes on serving its own loop meanwhile.
///
/// QEMU: `bdrv_drained_begin` (block/io.c).
///
/// # Errors
///
/// There is no such node, or the context has ended.
///
/// # Panics
///
/// Inside of a coroutine.
pub fn drained_begin<S: Home>(
    main: &AioContext,
    home: &Resident<S>,
    node: &str,
    owner: &'static str,
) -> BlockResult<RemoteDrained> {
    let (home, node) = (home.clone(), node.to_owned());
    let begin = async move { co_drained_begin(&home, &node, owner).await };
    main.run("drained begin", begin)
}

/// Begins a drained section of all nodes of all `homes`: everywhere first, and then it waits for each. Of
/// a context that has ended there is nothing to drain.
///
/// QEMU: `bdrv_drain_all_begin` (block/io.c).
pub async fn co_drain_all_begin<S: Home>(
    homes: &[Resident<S>],
    owner: &'static str,
) -> Vec<RemoteDrained> {
    let begun: Vec<_> = homes.iter().map(|home| begin_all(home, owner)).collect();
    let mut sections = Vec::new();
    for (drained, established) in begun {
        if established.await.is_ok() {
            sections.push(drained);
        }
    }
    sections
}

fn begin_all<S: Home>(home: &Resident<S>, owner: &'static str) -> (RemoteDrained, Reply<()>) {
    let drained = RemoteDrained::new();
    let (whereabouts, whom) = (drained.whereabouts.clone(), home.clone());
    let established = home
        .handle()
        .request_co("drain all begin", move |_| async move {
            if let Some(graph) = whom.get().map(|home| home.place().graph().clone()) {
                let section = graph.co_drain_all_begin(owner).await;
                drop(RemoteSection::settle(
                    &graph,
                    owner,
                    vec![section],
                    &whereabouts,
                ));
            }
        });
    (drained, established)
}

/// As [`co_drain_all_begin`], from outside of coroutines.
///
/// # Panics
///
/// Inside of a coroutine.
pub fn drain_all_begin<S: Home>(
    main: &AioContext,
    homes: &[Resident<S>],
    owner: &'static str,
) -> Vec<RemoteDrained> {
    let homes = homes.to_vec();
    let begin = async move { co_drain_all_begin(&homes, owner).await };
    main.run("drain all begin", begin)
}

fn no_home() -> BlockError {
    BlockError::new(ErrorKind::Canceled, "The context is being taken down")
}
