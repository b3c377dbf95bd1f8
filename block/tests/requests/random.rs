//! Requests that overlap at random, on a driver that needs whole blocks and answers in any order:
//! every byte must be one that a history of whole requests could have left there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::Node;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use crate::common::{TestDriver, World};

const BLOCKS: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Zero,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    kind: Kind,
    offset: u64,
    bytes: u64,
    /// When it begins, in nanoseconds.
    at_ns: u64,
}

/// A write and the moments, as numbers of events, between which it was under way.
#[derive(Debug, Clone, Copy)]
struct Write {
    offset: u64,
    bytes: u64,
    value: u8,
    began: u64,
    ended: u64,
}

impl Write {
    fn covers(&self, place: u64) -> bool {
        (self.offset..self.offset + self.bytes).contains(&place)
    }
}

/// What was seen between two moments.
struct Look {
    offset: u64,
    seen: BytesMut,
    began: u64,
    ended: u64,
}

#[derive(Default)]
struct History {
    events: Cell<u64>,
    writes: RefCell<Vec<Write>>,
    looks: RefCell<Vec<Look>>,
}

impl History {
    fn event(&self) -> u64 {
        self.events.set(self.events.get() + 1);
        self.events.get()
    }

    /// Whether a look that began and ended then may have seen `value` at `place`: some write of it
    /// had begun, and none has replaced it as a whole before the look began.
    fn allows(&self, place: u64, value: u8, look: &Look) -> bool {
        let writes = self.writes.borrow();
        let here: Vec<_> = writes.iter().filter(|write| write.covers(place)).collect();
        here.iter().any(|write| {
            write.value == value
                && write.began < look.ended
                && !here
                    .iter()
                    .any(|later| later.began > write.ended && later.ended < look.began)
        })
    }

    /// Where something may begin or end: between two of these places all bytes have one history.
    fn borders(&self, align: u64) -> Vec<u64> {
        let writes = self.writes.borrow();
        let looks = self.looks.borrow();
        let mut borders: Vec<_> = (0..BLOCKS).map(|block| block * align).collect();
        borders.extend(writes.iter().flat_map(|w| [w.offset, w.offset + w.bytes]));
        borders.extend(looks.iter().map(|look| look.offset));
        borders.sort_unstable();
        borders.dedup();
        borders
    }

    fn check(&self, align: u64) {
        let borders = self.borders(align);
        for look in self.looks.borrow().iter() {
            for place in &borders {
                let index = place.checked_sub(look.offset);
                let Some(value) = index.and_then(|index| look.seen.get(index as usize)) else {
                    continue;
                };
                assert!(
                    self.allows(*place, *value, look),
                    "byte {place} cannot be {value} between {} and {}: {:#?}",
                    look.began,
                    look.ended,
                    self.writes.borrow()
                );
            }
        }
    }
}

async fn run_step(node: Rc<Node>, step: Step, value: u8, history: Rc<History>) {
    node.context().sleep_until(step.at_ns).await;
    let began = history.event();
    match step.kind {
        Kind::Read => {
            let buf = BytesMut::zeroed(step.bytes as usize);
            let (seen, result) = node.co_read(step.offset, buf).await;
            result.expect("reads");
            let look = Look {
                offset: step.offset,
                seen,
                began,
                ended: history.event(),
            };
            history.looks.borrow_mut().push(look);
            return;
        }
        Kind::Write => {
            let data = Bytes::from(vec![value; step.bytes as usize]);
            node.co_write(step.offset, data).await.expect("writes");
        }
        Kind::Zero => {
            let flags = Default::default();
            let zeroed = node.co_write_zeroes(step.offset, step.bytes, flags).await;
            zeroed.expect("writes");
        }
    }
    history.writes.borrow_mut().push(Write {
        offset: step.offset,
        bytes: step.bytes,
        value: if step.kind == Kind::Zero { 0 } else { value },
        began,
        ended: history.event(),
    });
}

fn run(align: u64, steps: &[Step], delays_ns: &[u64]) {
    let world = World::new();
    let driver = TestDriver::new(BLOCKS * align).with_align(align);
    driver.set_delays_ns(delays_ns);
    let node = world.node("disk", &driver, &[]);
    let history = Rc::new(History::default());
    history.writes.borrow_mut().push(Write {
        offset: 0,
        bytes: BLOCKS * align,
        value: 0,
        began: 0,
        ended: 0,
    });
    let steps: Vec<_> = steps
        .iter()
        .zip(1..)
        .map(|(step, value)| world.start(run_step(node.clone(), *step, value, history.clone())))
        .collect();
    // Nobody waits in a ring: in virtual time that would panic.
    for step in &steps {
        world.finish(step);
    }
    assert_eq!(node.in_flight(), 0);
    history.looks.borrow_mut().push(Look {
        offset: 0,
        seen: driver.content().as_slice().into(),
        began: u64::MAX,
        ended: u64::MAX,
    });
    history.check(align);
}

fn step(align: u64) -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        1 => Just(Kind::Read),
        3 => Just(Kind::Write),
        1 => Just(Kind::Zero),
    ];
    let size = BLOCKS * align;
    // One in four is aligned: it need not be padded, and still must not be undone by who is.
    let place = prop_oneof![
        3 => (0..size, 1..2 * align),
        1 => (0..BLOCKS, 1..3_u64).prop_map(move |(at, blocks)| (at * align, blocks * align)),
    ];
    (kind, place, 0..40_u64).prop_map(move |(kind, (offset, bytes), at_ns)| Step {
        kind,
        offset,
        bytes: bytes.min(size - offset),
        at_ns,
    })
}

fn script() -> impl Strategy<Value = (u64, Vec<Step>, Vec<u64>)> {
    prop_oneof![Just(512_u64), Just(4096)].prop_flat_map(|align| {
        (
            Just(align),
            prop::collection::vec(step(align), 2..16),
            prop::collection::vec(0..20_u64, 64),
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn unaligned_requests_that_overlap_leave_what_some_order_of_them_would((align, steps, delays_ns) in script()) {
        run(align, &steps, &delays_ns);
    }
}
