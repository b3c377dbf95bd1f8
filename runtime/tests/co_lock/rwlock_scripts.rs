//! Random scripts of read, write, upgrade, downgrade, leaving and giving up, against the model.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use blockjob_runtime::{CoRwlock, ReadGuard, WriteGuard};
use proptest::prelude::*;

use crate::common::CountingWaker;
use crate::rwlock_model::{Kind, Model};

const ACTORS: usize = 5;

#[derive(Debug, Clone, Copy)]
enum Op {
    /// If idle.
    Read,
    /// If idle.
    Write,
    /// If it reads.
    Upgrade,
    /// If it writes.
    Downgrade,
    /// Unlocks, or gives up waiting, also when it was woken and has not run.
    Leave,
    /// Lets a waiter run that has been woken.
    Run,
}

enum Held<'a> {
    Read(ReadGuard<'a>),
    Write(WriteGuard<'a>),
}

impl Held<'_> {
    fn kind(&self) -> Kind {
        match self {
            Held::Read(_) => Kind::Read,
            Held::Write(_) => Kind::Write,
        }
    }
}

enum Actor<'a> {
    Idle,
    Waits(Pin<Box<dyn Future<Output = Held<'a>> + 'a>>),
    Holds(Held<'a>),
}

struct World<'a> {
    lock: &'a CoRwlock,
    actors: Vec<(Actor<'a>, Arc<CountingWaker>)>,
    model: Model,
}

impl<'a> World<'a> {
    /// `who` begins to wait, or has it at once.
    fn begin(&mut self, who: usize, acquire: impl Future<Output = Held<'a>> + 'a) {
        let (actor, waker) = &mut self.actors[who];
        let mut acquire: Pin<Box<dyn Future<Output = Held<'a>> + 'a>> = Box::pin(acquire);
        let waker = Waker::from(waker.clone());
        *actor = match acquire.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(held) => Actor::Holds(held),
            Poll::Pending => Actor::Waits(acquire),
        };
    }

    fn step(&mut self, who: usize, op: Op) {
        let lock = self.lock;
        let actor = std::mem::replace(&mut self.actors[who].0, Actor::Idle);
        match (op, actor) {
            (Op::Read, Actor::Idle) => {
                self.begin(who, async { Held::Read(lock.read().await) });
                self.model.arrive(who, Kind::Read);
            }
            (Op::Write, Actor::Idle) => {
                self.begin(who, async { Held::Write(lock.write().await) });
                self.model.arrive(who, Kind::Write);
            }
            (Op::Upgrade, Actor::Holds(Held::Read(guard))) => {
                self.begin(who, async { Held::Write(guard.upgrade().await) });
                self.model.upgrade(who);
            }
            (Op::Downgrade, Actor::Holds(Held::Write(guard))) => {
                self.actors[who].0 = Actor::Holds(Held::Read(guard.downgrade()));
                self.model.downgrade(who);
            }
            (Op::Leave, actor @ (Actor::Waits(_) | Actor::Holds(_))) => {
                drop(actor);
                self.model.leave(who);
            }
            (Op::Run, Actor::Waits(mut acquire)) if self.actors[who].1.wakes() > 0 => {
                let cx = &mut Context::from_waker(Waker::noop());
                match acquire.as_mut().poll(cx) {
                    Poll::Ready(held) => self.actors[who].0 = Actor::Holds(held),
                    Poll::Pending => panic!("a woken waiter is inside"),
                }
            }
            (_, actor) => self.actors[who].0 = actor,
        }
        if !matches!(self.actors[who].0, Actor::Waits(_)) {
            self.actors[who].1 = Arc::default();
        }
    }

    fn check(&self) {
        for (who, (actor, waker)) in self.actors.iter().enumerate() {
            let expected = self.model.inside(who);
            match actor {
                Actor::Idle => assert_eq!(expected, None),
                Actor::Holds(held) => assert_eq!(expected, Some(held.kind()), "actor {who}"),
                Actor::Waits(_) => assert_eq!(
                    waker.wakes(),
                    u32::from(expected.is_some()),
                    "actor {who}: those who may go in have been woken, once, and nobody else"
                ),
            }
        }
    }
}

fn script() -> impl Strategy<Value = Vec<(usize, Op)>> {
    let op = prop_oneof![
        3 => Just(Op::Read),
        2 => Just(Op::Write),
        2 => Just(Op::Upgrade),
        2 => Just(Op::Downgrade),
        3 => Just(Op::Leave),
        3 => Just(Op::Run),
    ];
    prop::collection::vec((0..ACTORS, op), 1..80)
}

/// Everybody goes in when the model says so, and in the end the lock is free.
fn run(script: &[(usize, Op)]) {
    let lock = CoRwlock::new();
    let actors = (0..ACTORS).map(|_| (Actor::Idle, Arc::default())).collect();
    let mut world = World {
        lock: &lock,
        actors,
        model: Model::default(),
    };
    for (who, op) in script {
        world.step(*who, *op);
        world.check();
    }
    while let Some(who) = world.model.anybody() {
        world.step(who, Op::Run);
        world.step(who, Op::Leave);
        world.check();
    }
    world.step(0, Op::Write);
    assert!(
        matches!(world.actors[0].0, Actor::Holds(Held::Write(_))),
        "the lock is free"
    );
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn everybody_goes_in_when_the_model_says_so(script in script()) {
        run(&script);
    }
}

/// The same property, with the bug of the museum that it is there to find.
#[cfg(feature = "museum")]
mod museum {
    use blockjob_runtime::museum::{LCK_01, switch_on};
    use proptest::test_runner::{TestError, TestRunner};

    use super::*;

    /// Looks for a script in which somebody goes in too early, or too late, or never.
    fn search() -> Result<(), TestError<Vec<(usize, Op)>>> {
        let mut runner = TestRunner::new(config());
        runner.run(&script(), |script| {
            run(&script);
            Ok(())
        })
    }

    /// A script in ten or so finds it: 512 of them do not miss it.
    #[test]
    fn a_downgrade_that_wakes_nobody_is_found() {
        let on = switch_on(&LCK_01);
        let found = search();
        drop(on);
        let Err(TestError::Fail(_, script)) = found else {
            panic!("nobody was found asleep: {found:?}");
        };
        // What is left of it ends when the writer becomes a reader, and is nothing special without
        // the bug.
        assert!(
            matches!(script.last(), Some((_, Op::Downgrade))),
            "{script:?}"
        );
        run(&script);
        assert!(search().is_ok());
    }
}
