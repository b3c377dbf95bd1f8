//! Requests that overlap at random: every byte that is read must be one that a history of whole
//! requests could have left there, and never what a cluster of the file held before.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use blockjob_block::BlockBackend;
use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::qcow2::CreateOptions;
use blockjob_runtime::AioContext;
use bytes::Bytes;
use proptest::prelude::*;

use crate::common::{BoxFuture, Folder, World, join_all, read};
use crate::peer;
use crate::random::Dice;

const CLUSTER: u64 = 4096;
const SIZE: u64 = 6 * CLUSTER;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Zero,
    Unmap,
    Discard,
    Flush,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    kind: Kind,
    offset: u64,
    bytes: u64,
    /// When it begins, in nanoseconds.
    at_ns: u64,
}

/// Something that has changed bytes, and the moments, as numbers of events, between which it ran.
struct Change {
    range: Range<u64>,
    value: u8,
    began: u64,
    ended: u64,
}

/// What was seen between two moments.
struct Look {
    offset: u64,
    seen: Vec<u8>,
    began: u64,
    ended: u64,
}

#[derive(Default)]
struct History {
    events: Cell<u64>,
    changes: RefCell<Vec<Change>>,
    looks: RefCell<Vec<Look>>,
}

impl History {
    fn event(&self) -> u64 {
        self.events.set(self.events.get() + 1);
        self.events.get()
    }

    /// A change of `value` had begun when the look ended, and was not replaced as a whole before the
    /// look began.
    fn allows(&self, place: u64, value: u8, look: &Look) -> bool {
        let changes = self.changes.borrow();
        let here: Vec<_> = changes
            .iter()
            .filter(|change| change.range.contains(&place))
            .collect();
        here.iter().any(|change| {
            change.value == value
                && change.began < look.ended
                && !here
                    .iter()
                    .any(|later| later.began > change.ended && later.ended < look.began)
        })
    }

    fn check(&self) {
        for look in self.looks.borrow().iter() {
            for (at, value) in look.seen.iter().enumerate() {
                let place = look.offset + at as u64;
                assert!(
                    self.allows(place, *value, look),
                    "{value} at {place}, seen between {} and {}",
                    look.began,
                    look.ended
                );
            }
        }
    }

    /// Takes note of a change that begins; its end is set later.
    fn begin(&self, range: Range<u64>, value: u8) -> usize {
        let began = self.event();
        let mut changes = self.changes.borrow_mut();
        changes.push(Change {
            range,
            value,
            began,
            ended: u64::MAX,
        });
        changes.len() - 1
    }

    fn end(&self, index: usize) {
        let ended = self.event();
        self.changes.borrow_mut()[index].ended = ended;
    }
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        3 => Just(Kind::Read),
        4 => Just(Kind::Write),
        1 => Just(Kind::Zero),
        2 => Just(Kind::Unmap),
        2 => Just(Kind::Discard),
        1 => Just(Kind::Flush),
    ];
    let offset = prop_oneof![0..SIZE, (0..SIZE / CLUSTER).prop_map(|at| at * CLUSTER)];
    let bytes = prop_oneof![1..CLUSTER, (1..4_u64).prop_map(|count| count * CLUSTER)];
    (kind, offset, bytes, 0_u64..30_000).prop_map(|(kind, offset, bytes, at_ns)| Step {
        kind,
        offset,
        bytes: bytes.min(SIZE - offset),
        at_ns,
    })
}

async fn look(history: &History, backend: &BlockBackend, offset: u64, bytes: u64) {
    let began = history.event();
    let seen = read(backend, offset, bytes as usize).await.expect("reads");
    let ended = history.event();
    history.looks.borrow_mut().push(Look {
        offset,
        seen,
        began,
        ended,
    });
}

async fn take(history: &History, backend: &BlockBackend, step: Step, value: u8) {
    let Step {
        kind,
        offset,
        bytes,
        ..
    } = step;
    let range = offset..offset + bytes;
    let flags = ZeroFlags {
        may_unmap: kind == Kind::Unmap,
        no_fallback: false,
    };
    match kind {
        Kind::Read => look(history, backend, offset, bytes).await,
        Kind::Flush => backend.flush().await.expect("flushes"),
        Kind::Write => {
            let change = history.begin(range, value);
            let data = Bytes::from(vec![value; bytes as usize]);
            backend.write(offset, data).await.expect("writes");
            history.end(change);
        }
        Kind::Zero | Kind::Unmap => {
            let change = history.begin(range, 0);
            let zeroed = backend.write_zeroes(offset, bytes, flags).await;
            zeroed.expect("zeroes");
            history.end(change);
        }
        Kind::Discard => {
            let start = offset.next_multiple_of(CLUSTER);
            let end = range.end & !(CLUSTER - 1);
            let change = history.begin(start..end.max(start), 0);
            backend.discard(offset, bytes).await.expect("discards");
            history.end(change);
        }
    }
}

fn run(seed: u64, steps: &[Step]) {
    let context = AioContext::builder()
        .virtual_time()
        .decide(Rc::new(Dice::new(seed)))
        .build();
    let world = World::on(context);
    let driver = MemOptions::new(0)
        .growable(true)
        .latency_ns(1000)
        .cluster_size(1 << 20)
        .build();
    let disk = driver.disk();
    let file = world.leaf(driver, false);
    let options = CreateOptions {
        cluster_size: CLUSTER,
        ..CreateOptions::new(SIZE)
    };
    world.try_create(&file, options).expect("creates");
    let node = world.image(&file, false, None);
    let backend = world.backend(&node);
    let history = Rc::new(History::default());
    let blank = history.begin(0..SIZE, 0);
    history.end(blank);
    let futures: Vec<BoxFuture<()>> = steps
        .iter()
        .enumerate()
        .map(|(index, step)| -> BoxFuture<()> {
            let (history, backend) = (history.clone(), backend.clone());
            let (context, step) = (world.context.clone(), *step);
            Box::pin(async move {
                context.sleep(step.at_ns).await;
                take(&history, &backend, step, index as u8 + 1).await;
            })
        })
        .collect();
    let (last, user) = (history.clone(), backend.clone());
    world.run(async move {
        join_all(futures).await;
        look(&last, &user, 0, SIZE).await;
    });
    history.check();
    world.flush(&node);
    peer::check(&Folder::new().dump("image", &disk));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_byte_is_one_that_whole_requests_could_have_left(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        if peer::peer_is_here() {
            run(seed, &steps);
        }
    }
}
