//! Throttle groups: limits that several nodes share.
//!
//! One rule holds for each direction whenever nobody is in the middle of these functions: if a
//! request waits, the timer of the direction is armed, and the token says for whose request. When
//! the timer fires, that request goes; then the members take turns, and each whose turn comes
//! gets its first request through, until one has to wait again.
//!
//! A request counts from the moment in which it is let go, so whoever loses interest after
//! that, before it has run, has still used up its share.
//!
//! QEMU: block/throttle-groups.c.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

use blockjob_runtime::sync::Arc;
use blockjob_runtime::{AioContext, Timer};

use super::bucket::Bucket;
use super::groups::GroupMap;
use super::limits::{
    BPS_READ, BPS_TOTAL, BPS_WRITE, BUCKETS, Config, OPS_READ, OPS_TOTAL, OPS_WRITE, ThrottleLimits,
};
use super::member::{Direction, Member, Waiter};
use super::moving::PackedGroup;
use crate::error::BlockResult;
use crate::node::Node;
use crate::oneshot;

/// What the requests of one direction wait for.
pub(super) struct Lane {
    timer: Timer,
    /// The timer is armed, for the first request of the member that has the token.
    armed: Cell<bool>,
    /// The member whose turn it was last, or is when the timer fires.
    pub(super) token: Cell<u64>,
}

/// What has passed lately.
///
/// QEMU: `ThrottleState` (include/qemu/throttle.h).
#[derive(Clone)]
pub(super) struct Levels {
    config: Config,
    buckets: [Bucket; BUCKETS],
    pub(super) leaked_at_ns: u64,
}

/// A group of nodes that share limits, on the clock of one context.
///
/// QEMU: `ThrottleGroup` (block/throttle-groups.c).
pub struct ThrottleGroup {
    name: String,
    context: AioContext,
    pub(super) levels: RefCell<Levels>,
    members: RefCell<Vec<Rc<Member>>>,
    pub(super) lanes: [Lane; 2],
    pub(super) next_id: Cell<u64>,
    /// Where it is found by its name.
    pub(super) listed: RefCell<Weak<GroupMap>>,
    /// What the first member to be packed has packed of it.
    pub(super) packed: RefCell<Option<Arc<PackedGroup>>>,
}

impl ThrottleGroup {
    /// A group without members, whose nodes live in `context`.
    ///
    /// QEMU: `throttle_group_obj_complete` (block/throttle-groups.c).
    ///
    /// # Errors
    ///
    /// `Invalid` if the limits do not fit together, in QEMU's words.
    pub fn new(
        context: &AioContext,
        name: &str,
        limits: &ThrottleLimits,
    ) -> BlockResult<Rc<ThrottleGroup>> {
        let config = Config::default().with(limits)?;
        Ok(Self::build(
            context,
            name,
            Levels::new(config, context.now_ns()),
        ))
    }

    pub(super) fn build(context: &AioContext, name: &str, levels: Levels) -> Rc<ThrottleGroup> {
        let lane = |myself: &Weak<ThrottleGroup>, direction| {
            let group = myself.clone();
            Lane {
                timer: context.timer("throttle", move || {
                    if let Some(group) = group.upgrade() {
                        group.fire(direction);
                    }
                }),
                armed: Cell::new(false),
                token: Cell::new(0),
            }
        };
        Rc::new_cyclic(|myself| ThrottleGroup {
            name: name.to_owned(),
            context: context.clone(),
            levels: RefCell::new(levels),
            members: RefCell::default(),
            lanes: Direction::BOTH.map(|direction| lane(myself, direction)),
            next_id: Cell::new(1),
            listed: RefCell::default(),
            packed: RefCell::default(),
        })
    }

    pub(super) fn context(&self) -> &AioContext {
        &self.context
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The limits that hold, every member of them.
    ///
    /// QEMU: `throttle_group_get_limits` (block/throttle-groups.c).
    pub fn limits(&self) -> ThrottleLimits {
        self.levels.borrow().config.limits()
    }

    /// Changes the limits that `limits` names; the others stay. What has passed before is forgotten,
    /// and who waits is looked at anew.
    ///
    /// QEMU: `throttle_group_set_limits` (block/throttle-groups.c), which leaves those who wait alone.
    ///
    /// # Errors
    ///
    /// `Invalid` if the limits do not fit together then, in QEMU's words; nothing has changed.
    pub fn set_limits(&self, limits: &ThrottleLimits) -> BlockResult<()> {
        let config = self.levels.borrow().config.with(limits)?;
        *self.levels.borrow_mut() = Levels::new(config, self.context.now_ns());
        for direction in Direction::BOTH {
            self.disarm(direction);
            self.pump(direction);
        }
        Ok(())
    }

    /// How many nodes are in the group. While there is one, the group cannot be deleted.
    ///
    /// QEMU: `throttle_group_can_be_deleted` (block/throttle-groups.c).
    pub fn members(&self) -> usize {
        self.members.borrow().len()
    }

    /// How many requests of all members wait.
    pub fn pending(&self) -> usize {
        let members = self.members.borrow();
        let pending = |member: &Rc<Member>| {
            let both = Direction::BOTH.map(|direction| member.pending(direction));
            both.iter().sum::<usize>()
        };
        members.iter().map(pending).sum()
    }

    /// The nodes of its members.
    pub(super) fn nodes(&self) -> Vec<Rc<Node>> {
        let members = self.members.borrow();
        let nodes = members.iter().filter_map(|it| it.node.borrow().upgrade());
        nodes.collect()
    }

    pub(super) fn set_listed(&self, listed: Weak<GroupMap>) {
        *self.listed.borrow_mut() = listed;
    }

    fn new_id(&self) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        id
    }

    /// QEMU: `throttle_group_register_tgm` (block/throttle-groups.c).
    pub(super) fn join(&self, limits_disabled: bool) -> Rc<Member> {
        let member = Rc::new(Member::new(self.new_id(), limits_disabled));
        self.members.borrow_mut().push(member.clone());
        member
    }

    /// A member that has been one in another context, and whose turn it may be.
    pub(super) fn join_again(&self, id: u64) -> Rc<Member> {
        let member = Rc::new(Member::new(id, false));
        let mut members = self.members.borrow_mut();
        // Their turns go by their ids.
        let at = members.partition_point(|other| other.id < id);
        members.insert(at, member.clone());
        member
    }

    /// QEMU: `throttle_group_unregister_tgm` (block/throttle-groups.c).
    pub(super) fn leave(&self, member: &Rc<Member>) {
        for direction in Direction::BOTH {
            assert_eq!(member.pending(direction), 0, "who waits is lost");
        }
        self.members
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, member));
    }

    /// Returns when a request of `member` may go, and counts it.
    ///
    /// QEMU: `throttle_group_co_io_limits_intercept` (block/throttle-groups.c).
    pub(super) async fn intercept(&self, member: &Rc<Member>, direction: Direction, bytes: u64) {
        let lane = self.lane(direction);
        // Those who wait already come first, whosever they are.
        if member.limits_disabled.get() || (!lane.armed.get() && self.wait_ns(direction) == 0) {
            lane.pass_token(member, member.limits_disabled.get());
            self.account(direction, bytes);
            return;
        }
        let (granted, receiver) = oneshot::channel();
        let id = self.new_id();
        let waiter = Waiter { id, bytes, granted };
        member.push(direction, waiter);
        let waiting = Waiting {
            group: self,
            member,
            direction,
            id,
        };
        self.pump(direction);
        receiver.await;
        drop(waiting);
    }

    /// The node of a member is drained, so none of its requests waits any longer; or it is not
    /// drained any more.
    ///
    /// QEMU: `throttle_group_restart_tgm` (block/throttle-groups.c), `throttle_drain_begin`
    /// (block/throttle.c).
    pub(super) fn set_limits_disabled(&self, member: &Rc<Member>, disabled: bool) {
        member.limits_disabled.set(disabled);
        if !disabled {
            return;
        }
        for direction in Direction::BOTH {
            while let Some(waiter) = member.pop(direction) {
                self.grant(direction, waiter);
            }
        }
        // When all of it has been counted, it is seen for how long the others wait.
        for direction in Direction::BOTH {
            self.pass_over(member, direction);
        }
    }

    /// If the timer was armed for a request of `member`, and there is none left, it is armed for
    /// the next one of somebody else.
    fn pass_over(&self, member: &Rc<Member>, direction: Direction) {
        let lane = self.lane(direction);
        if lane.armed.get() && lane.token.get() == member.id && member.pending(direction) == 0 {
            self.disarm(direction);
            self.pump(direction);
        }
    }

    fn lane(&self, direction: Direction) -> &Lane {
        &self.lanes[direction as usize]
    }

    fn disarm(&self, direction: Direction) {
        let lane = self.lane(direction);
        lane.timer.disarm();
        lane.armed.set(false);
    }

    /// The time of a request has come.
    ///
    /// QEMU: `timer_cb` (block/throttle-groups.c).
    fn fire(&self, direction: Direction) {
        let lane = self.lane(direction);
        lane.armed.set(false);
        // It goes even if the other direction has used up what both share meanwhile: else one could
        // starve the other. The next one waits the longer for it.
        let member = self.member(lane.token.get());
        if let Some(waiter) = member.and_then(|member| member.pop(direction)) {
            self.grant(direction, waiter);
        }
        self.pump(direction);
    }

    fn member(&self, id: u64) -> Option<Rc<Member>> {
        let members = self.members.borrow();
        members.iter().find(|member| member.id == id).cloned()
    }

    /// Lets requests go in turns, until one has to wait.
    ///
    /// QEMU: `schedule_next_request` (block/throttle-groups.c).
    fn pump(&self, direction: Direction) {
        let lane = self.lane(direction);
        while !lane.armed.get() {
            let Some(member) = self.next_member(direction) else {
                return;
            };
            lane.token.set(member.id);
            let wait_ns = self.wait_ns(direction);
            if wait_ns > 0 {
                lane.armed.set(true);
                let now_ns = self.context.now_ns();
                lane.timer.arm(now_ns.saturating_add(wait_ns));
            } else if let Some(waiter) = member.pop(direction) {
                self.grant(direction, waiter);
            }
        }
    }

    /// The next member, after the one that has the token, with a request that waits.
    ///
    /// QEMU: `next_throttle_token` (block/throttle-groups.c).
    fn next_member(&self, direction: Direction) -> Option<Rc<Member>> {
        let members = self.members.borrow();
        let token = self.lane(direction).token.get();
        // If that one has left, so will those who joined later not be passed over: ids grow.
        let after = members.partition_point(|member| member.id <= token);
        let (before, after) = members.split_at(after);
        let mut turns = after.iter().chain(before);
        turns.find(|member| member.pending(direction) > 0).cloned()
    }

    fn grant(&self, direction: Direction, waiter: Waiter) {
        self.account(direction, waiter.bytes);
        waiter.granted.send(());
    }

    fn account(&self, direction: Direction, bytes: u64) {
        self.levels.borrow_mut().account(direction, bytes);
    }

    fn wait_ns(&self, direction: Direction) -> u64 {
        let mut levels = self.levels.borrow_mut();
        levels.leak_to(self.context.now_ns());
        levels.wait_ns(direction)
    }
}

impl Lane {
    /// A request has gone at once: it was its member's turn. One that goes because of a drained
    /// section leaves the token to whom the timer is armed for.
    fn pass_token(&self, member: &Member, drained: bool) {
        if !drained {
            self.token.set(member.id);
        }
    }
}

impl Levels {
    /// QEMU: `throttle_config` (util/throttle.c).
    fn new(config: Config, now_ns: u64) -> Levels {
        Levels {
            config,
            buckets: config.rates.map(Bucket::new),
            leaked_at_ns: now_ns,
        }
    }

    /// QEMU: `throttle_do_leak` (util/throttle.c).
    pub(super) fn leak_to(&mut self, now_ns: u64) {
        let delta_ns = now_ns.saturating_sub(self.leaked_at_ns);
        self.leaked_at_ns = now_ns;
        for bucket in &mut self.buckets {
            bucket.leak(delta_ns);
        }
    }

    /// QEMU: `throttle_compute_wait_for` (util/throttle.c).
    fn wait_ns(&self, direction: Direction) -> u64 {
        let concerned = buckets(direction);
        let waits = concerned.map(|bucket| self.buckets[bucket].wait_ns());
        waits.into_iter().max().unwrap_or(0)
    }

    /// QEMU: `throttle_account` (util/throttle.c).
    fn account(&mut self, direction: Direction, bytes: u64) {
        let op_size = self.config.op_size;
        for bucket in buckets(direction) {
            let counts_bytes = bucket <= BPS_WRITE;
            let (amount, per) = match (counts_bytes, op_size > 0 && bytes > op_size) {
                (true, _) => (bytes, 1),
                (false, true) => (bytes, op_size),
                (false, false) => (1, 1),
            };
            self.buckets[bucket].fill(amount, per);
        }
    }
}

/// The buckets that a request fills.
fn buckets(direction: Direction) -> [usize; 4] {
    match direction {
        Direction::Read => [BPS_TOTAL, OPS_TOTAL, BPS_READ, OPS_READ],
        Direction::Write => [BPS_TOTAL, OPS_TOTAL, BPS_WRITE, OPS_WRITE],
    }
}

/// Takes a request that waits off its queue when its future is dropped.
struct Waiting<'a> {
    group: &'a ThrottleGroup,
    member: &'a Rc<Member>,
    direction: Direction,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.member.remove(self.direction, self.id) {
            self.group.pass_over(self.member, self.direction);
        }
    }
}

impl fmt::Debug for ThrottleGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThrottleGroup")
            .field("name", &self.name)
            .field("members", &self.members())
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
