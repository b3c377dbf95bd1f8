//! A throttle group moves to another context, with all of its members: whoever shares a group belongs to the
//! family.
//!
//! What has passed lately stays in the buckets, and leaks on there: contexts need not have the same origin of
//! time for that. Whoever holds the old group holds an empty one, and finds the new one by its name in
//! [`Graph::throttle_groups`], if it was among the groups of a graph or program before.
//!
//! QEMU: `throttle_group_detach_aio_context`, `throttle_group_attach_aio_context`
//! (block/throttle-groups.c).

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use blockjob_runtime::sync::Arc;

use super::group::{Levels, ThrottleGroup};
use super::member::Direction;
use super::{Place, ThrottleDriver};
use crate::driver::Driver;
use crate::graph::Graph;
use crate::moving::PackedDriver;

/// A group on its way; all of its members share it.
pub(super) struct PackedGroup {
    name: String,
    levels: Levels,
    tokens: [u64; 2],
    next_id: u64,
    listed: bool,
}

/// A member on its way.
struct PackedThrottle {
    group: Arc<PackedGroup>,
    id: u64,
}

/// A group that has arrived, for its members that follow.
pub(crate) type ArrivedGroups = RefCell<Vec<ArrivedGroup>>;

/// See [`ArrivedGroups`].
pub(crate) struct ArrivedGroup {
    packed: Arc<PackedGroup>,
    group: Weak<ThrottleGroup>,
}

impl ThrottleGroup {
    fn pack(&self) -> Arc<PackedGroup> {
        let mut packed = self.packed.borrow_mut();
        let packed = packed.get_or_insert_with(|| {
            let mut levels = self.levels.borrow().clone();
            levels.leak_to(self.context().now_ns());
            let listed = self.listed.take().upgrade();
            if let Some(listed) = &listed {
                listed.borrow_mut().remove(self.name());
            }
            Arc::new(PackedGroup {
                name: self.name().to_owned(),
                levels,
                tokens: Direction::BOTH.map(|it| self.lanes[it as usize].token.get()),
                next_id: self.next_id.get(),
                listed: listed.is_some(),
            })
        });
        packed.clone()
    }
}

impl PackedGroup {
    fn unpack(&self, graph: &Graph) -> Rc<ThrottleGroup> {
        let context = graph.context();
        let mut levels = self.levels.clone();
        levels.leaked_at_ns = context.now_ns();
        let group = ThrottleGroup::build(context, &self.name, levels);
        group.next_id.set(self.next_id);
        for (lane, token) in group.lanes.iter().zip(self.tokens) {
            lane.token.set(token);
        }
        if self.listed {
            graph.throttle_groups().enter(&group);
        }
        group
    }
}

impl ThrottleDriver {
    pub(super) fn pack_up(&self) -> Box<dyn PackedDriver> {
        let place = self.place.borrow();
        Box::new(PackedThrottle {
            group: place.group.pack(),
            id: place.member.id,
        })
    }
}

impl PackedDriver for PackedThrottle {
    fn unpack(self: Box<Self>, graph: &Rc<Graph>) -> Box<dyn Driver> {
        let mut arrived = graph.arrived_groups.borrow_mut();
        let mut others = arrived.iter();
        let there = others.find(|other| Arc::ptr_eq(&other.packed, &self.group));
        let group = there.and_then(|there| there.group.upgrade());
        let group = group.unwrap_or_else(|| {
            let group = self.group.unpack(graph);
            arrived.retain(|other| other.group.strong_count() > 0);
            arrived.push(ArrivedGroup {
                packed: self.group.clone(),
                group: Rc::downgrade(&group),
            });
            group
        });
        let member = group.join_again(self.id);
        Box::new(ThrottleDriver {
            place: RefCell::new(Place { group, member }),
        })
    }
}
