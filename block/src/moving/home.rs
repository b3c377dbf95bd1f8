//! The move as one call, with all that must happen on the three sides of it.

use std::rc::Rc;

use blockjob_runtime::sync::{Arc, Mutex};
use blockjob_runtime::{AioContext, Gone, Resident};

use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::graph::Graph;
use crate::moving::Place;
use crate::moving::family::Family;
use crate::moving::pack::{Parcel, pack};
use crate::moving::remote::co_drained_begin;
use crate::moving::unpack::{Moved, unpack};
use crate::node::Node;

/// Who owns the nodes of a context, and whatever else of a program lives there.
pub trait Home: 'static {
    /// What travels with a family besides what its users hand over.
    type Goods: Send + 'static;

    /// Where families live here.
    fn place(&self) -> Place;

    /// Whether `family` may leave, as far as that is not for its users to say. Must only look.
    ///
    /// # Errors
    ///
    /// Why not.
    fn can_move(&self, family: &Family) -> BlockResult<()> {
        let _ = family;
        Ok(())
    }

    /// How many references to `node` are its own, or of others for whom it speaks.
    fn holds(&self, node: &Node) -> usize;

    /// `family` leaves: lets go of the references, and hands over what goes with it.
    fn pack(&self, family: &Family) -> Self::Goods;

    /// A family has arrived, and is still drained: takes references.
    fn arrived(&self, goods: Self::Goods, moved: &Moved);
}

pub(crate) fn gone(gone: Gone) -> BlockError {
    BlockError::new(ErrorKind::Canceled, gone.to_string())
}

/// QEMU: `bdrv_lookup_bs` (block.c).
pub(crate) fn find_node(graph: &Graph, name: &str) -> BlockResult<Rc<Node>> {
    graph.find_node(name).ok_or_else(|| {
        let text = format!("Cannot find device='' nor node-name='{name}'");
        BlockError::new(ErrorKind::NotFound, text)
    })
}

/// What is asked of everybody, with what the home itself has to say.
fn check<S: Home>(home: &S, node: &str) -> BlockResult<Family> {
    let place = home.place();
    // Held by nobody else while strangers are looked for.
    let weak = Rc::downgrade(&find_node(place.graph(), node)?);
    let family = weak.upgrade().map(|root| Family::of(&root));
    let family = family.expect("somebody owns each node that has a name");
    family.check(&|node| home.holds(node))?;
    home.can_move(&family)?;
    Ok(family)
}

/// A family that is under way between two homes.
struct Luggage<S: Home> {
    content: Option<(Parcel, S::Goods)>,
    /// Nobody sees to it any more that it arrives.
    abandoned: bool,
}

/// Sees to it that a family arrives: if the move is given up half-way, at the home that it comes from.
struct Courier<S: Home> {
    luggage: Arc<Mutex<Luggage<S>>>,
    from: Resident<S>,
}

impl<S: Home> Courier<S> {
    fn new(from: &Resident<S>) -> Courier<S> {
        Courier {
            luggage: Arc::new(Mutex::new(Luggage {
                content: None,
                abandoned: false,
            })),
            from: from.clone(),
        }
    }
}

impl<S: Home> Drop for Courier<S> {
    fn drop(&mut self) {
        let mut luggage = self.luggage.lock();
        luggage.abandoned = true;
        if luggage.content.is_some() {
            drop(luggage);
            let luggage = self.luggage.clone();
            self.from
                .post("unpack", move |home| arrive(&**home, &luggage));
        }
    }
}

/// False if the family is not drained any more: it has grown.
fn pack_into<S: Home>(home: &S, node: &str, luggage: &Mutex<Luggage<S>>) -> BlockResult<bool> {
    // Jobs may have ended meanwhile, and others begun.
    let family = check(home, node)?;
    if !family.is_drained() || luggage.lock().abandoned {
        return Ok(false);
    }
    let goods = home.pack(&family);
    let content = (pack(family), goods);
    let mut luggage = luggage.lock();
    if luggage.abandoned {
        // That has come to pass just now.
        drop(luggage);
        let moved = unpack(content.0, &home.place());
        home.arrived(content.1, &moved);
        return Ok(false);
    }
    luggage.content = Some(content);
    Ok(true)
}

fn arrive<S: Home>(home: &S, luggage: &Mutex<Luggage<S>>) {
    let taken = luggage.lock().content.take();
    if let Some((parcel, goods)) = taken {
        let moved = unpack(parcel, &home.place());
        home.arrived(goods, &moved);
    }
}

/// Moves the family of the node that is called `node` from one home to another one: asks everybody, drains
/// the family, packs it, unpacks it there, and ends the section. If it is refused nothing has changed.
///
/// It may be awaited in a coroutine that does not use the family, in whichever context. If that is dropped
/// half-way, the family is where it was or where it was to go, and its section ends.
///
/// QEMU: `bdrv_try_change_aio_context` (block.c).
///
/// # Errors
///
/// There is no such node; somebody cannot move, and says why; or one of the contexts has ended.
pub async fn co_set_aio_context<S: Home>(
    node: &str,
    from: &Resident<S>,
    to: &Resident<S>,
) -> BlockResult<()> {
    if from == to {
        return Ok(());
    }
    let name = node.to_owned();
    // Whoever cannot move must not be made to wait for that.
    let asked = from.request("can move", move |home| check(&**home, &name).map(drop));
    asked.await.map_err(gone)??;
    let courier = Courier::new(from);
    let mut sections = Vec::new();
    loop {
        sections.push(co_drained_begin(from, node, "set-aio-context").await?);
        let (packed, name) = (courier.luggage.clone(), node.to_owned());
        let sent = from.request("pack", move |home| pack_into(&**home, &name, &packed));
        // Somebody has come who is not drained yet.
        if sent.await.map_err(gone)?? {
            break;
        }
    }
    let (arriving, back) = (courier.luggage.clone(), courier.luggage.clone());
    let arrived = to
        .request("unpack", move |home| arrive(&**home, &arriving))
        .await;
    if let Err(error) = arrived {
        // Nobody was there to take it in: it comes back.
        let back = from
            .request("unpack", move |home| arrive(&**home, &back))
            .await;
        return Err(gone(back.err().unwrap_or(error)));
    }
    drop(sections);
    Ok(())
}

/// As [`co_set_aio_context`], from outside of coroutines: `main` goes on serving its own loop meanwhile.
///
/// # Errors
///
/// As [`co_set_aio_context`].
///
/// # Panics
///
/// Inside of a coroutine.
pub fn set_aio_context<S: Home>(
    main: &AioContext,
    node: &str,
    from: &Resident<S>,
    to: &Resident<S>,
) -> BlockResult<()> {
    let (node, from, to) = (node.to_owned(), from.clone(), to.clone());
    let moving = async move { co_set_aio_context(&node, &from, &to).await };
    main.run("set_aio_context", moving)
}
