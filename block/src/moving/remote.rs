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

/// Where a section is that is held from elsewhere.
enum Whereabouts {
    At(Resident<RemoteSection>),
    /// In a parcel.
    Travelling,
    /// Nobody holds it any more.
    Ended,
}

/// A drained section that another context holds, where its nodes are.
pub(crate) struct RemoteSection {
    owner: &'static str,
    sections: RefCell<Vec<Drained>>,
    whereabouts: Arc<Mutex<Whereabouts>>,
}

impl RemoteSection {
    /// Settles a section in the context of `graph`, if somebody still wants it.
    fn settle(
        graph: &Graph,
        owner: &'static str,
        sections: Vec<Drained>,
        whereabouts: &Arc<Mutex<Whereabouts>>,
    ) {
        let section = Rc::new(RemoteSection {
            owner,
            sections: RefCell::new(sections),
            whereabouts: whereabouts.clone(),
        });
        // Whoever lets go of it does so before, and then it ends here, or after, and then it is there to
        // be ended.
        let mut place = whereabouts.lock();
        if matches!(*place, Whereabouts::Ended) {
            drop(place);
            return;
        }
        let mut known = graph.remote_sections.borrow_mut();
        known.retain(|section| section.strong_count() > 0);
        known.push(Rc::downgrade(&section));
        drop(known);
        *place = Whereabouts::At(graph.context().settle(section));
    }

    pub(crate) fn owner(&self) -> &'static str {
        self.owner
    }

    /// How many sections of nodes it is made of.
    pub(crate) fn len(&self) -> usize {
        self.sections.borrow().len()
    }

    pub(crate) fn touches(&self, family: &Family) -> bool {
        let sections = self.sections.borrow();
        let mut nodes = sections.iter().filter_map(Drained::node);
        nodes.any(|(node, _)| family.contains(node))
    }

    /// True if none of its nodes would stay. Those that nobody uses any more do not count.
    pub(crate) fn is_within(&self, family: &Family) -> bool {
        let sections = self.sections.borrow();
        let mut nodes = sections.iter().map(Drained::node);
        nodes.all(|node| node.is_some_and(|(node, _)| family.contains(node)))
    }

    /// Takes it along, unless whoever held it has let go.
    pub(crate) fn pack(&self, packer: &Packer<'_>) -> Option<PackedRemote> {
        let mut whereabouts = self.whereabouts.lock();
        let before = std::mem::replace(&mut *whereabouts, Whereabouts::Travelling);
        let Whereabouts::At(resident) = before else {
            *whereabouts = before;
            return None;
        };
        drop(whereabouts);
        let sections = self.sections.take();
        let packed = sections
            .iter()
            .map(|section| PackedSection::of(packer, section));
        let packed = packed.collect();
        // They end when they cannot let anybody go on any more.
        packer.sections.borrow_mut().extend(sections);
        AioContext::current().evict(&resident);
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
    pub(crate) fn unpack(self, graph: &Graph, nodes: &[Rc<Node>]) {
        let sections = self.sections.into_iter().map(|it| it.begin(nodes));
        let sections = sections.collect();
        RemoteSection::settle(graph, self.owner, sections, &self.whereabouts);
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
            whereabouts: Arc::new(Mutex::new(Whereabouts::Travelling)),
        }
    }
}

impl Drop for RemoteDrained {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *self.whereabouts.lock(), Whereabouts::Ended);
        if let Whereabouts::At(resident) = before {
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
        match &*self.whereabouts.lock() {
            Whereabouts::At(resident) => {
                write!(f, "RemoteDrained(in {})", resident.handle().name())
            }
            Whereabouts::Travelling => f.write_str("RemoteDrained(on its way)"),
            Whereabouts::Ended => f.write_str("RemoteDrained(ended)"),
        }
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
            RemoteSection::settle(&graph, owner, section.sections, &whereabouts);
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
                RemoteSection::settle(&graph, owner, vec![section], &whereabouts);
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
