//! QEMU's `/aio/coroutine/*`, and coroutines that others start and wake.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;

use blockjob_runtime::sync::thread;
use blockjob_runtime::{AioContext, Coroutine, yield_now};

use crate::common::{Diary, ended, enter, settle, spawn};

/// How often two coroutines wake each other. A stack that grew with it would overflow.
const CHAIN_LENGTH: u32 = 25_000;

/// Wakes `peer` and yields, until the shared count is at its end; returns how often it saw it.
async fn play(peer: Rc<Cell<Option<Coroutine>>>, count: Rc<Cell<u32>>, seen: Rc<Cell<u32>>) {
    loop {
        let peer_now = peer.take().expect("set before the first run");
        peer_now.wake();
        peer.set(Some(peer_now));
        seen.set(count.get());
        if count.get() == CHAIN_LENGTH {
            return;
        }
        count.set(count.get() + 1);
        yield_now().await;
    }
}

in_both_lives! {
    fn two_coroutines_that_wake_each_other_25_000_times_do_not_grow_the_stack(ctx) {
        let count = Rc::new(Cell::new(0));
        let [first_peer, second_peer]: [Rc<Cell<Option<Coroutine>>>; 2] = Default::default();
        let [first_seen, second_seen]: [Rc<Cell<u32>>; 2] = Default::default();
        let first = play(first_peer.clone(), count.clone(), first_seen.clone());
        let first = ctx.coroutine("first", first);
        let second = play(second_peer.clone(), count.clone(), second_seen.clone());
        let second = ctx.coroutine("second", second);
        first_peer.set(Some(second.clone()));
        second_peer.set(Some(first.clone()));
        enter(&ctx, &first);
        settle(&ctx);
        assert_eq!((first_seen.get(), second_seen.get()), (CHAIN_LENGTH, CHAIN_LENGTH));
        assert!(ended(&ctx, &first) && ended(&ctx, &second));
        first_peer.take();
        second_peer.take();
    }

    /// The poll that runs it makes progress, the next one does not.
    fn a_coroutine_that_a_foreign_thread_wakes_runs_in_its_home(ctx) {
        let ran_on = Rc::new(Cell::new(None));
        let coroutine = ctx.coroutine("guest", {
            let ran_on = ran_on.clone();
            async move { ran_on.set(Some(thread::current().id())) }
        });
        let foreign = coroutine.clone();
        #[allow(clippy::disallowed_methods)] // A foreign thread is the point.
        thread::spawn(move || foreign.wake()).join().expect("wake does not panic");
        assert_eq!(ran_on.get(), None);
        assert!(ctx.poll(true));
        assert_eq!(ran_on.get(), Some(thread::current().id()));
        assert!(!ctx.poll(false));
    }

    fn a_coroutine_that_a_foreign_thread_starts_is_made_and_runs_in_its_home(ctx) {
        let (sender, receiver) = mpsc::channel();
        let handle = ctx.handle();
        #[allow(clippy::disallowed_methods)] // A foreign thread is the point.
        thread::spawn(move || {
            handle.start("guest", move || {
                let not_send = Rc::new(7);
                async move {
                    sender.send((*not_send, thread::current().id())).expect("the test listens");
                    yield_now().await;
                    unreachable!("nobody enters it again");
                }
            });
        })
        .join()
        .expect("start does not panic");
        assert!(receiver.try_recv().is_err());
        assert!(ctx.poll(true));
        assert_eq!(receiver.try_recv(), Ok((7, thread::current().id())));
        assert_eq!(ctx.live_coroutines(), 1, "it has yielded");
        ctx.close();
        assert_eq!(ctx.live_coroutines(), 0);
    }

    fn starting_and_ending_leaves_nothing_behind(ctx) {
        let diary = Diary::default();
        for _ in 0..100 {
            spawn(&ctx, "brief", {
                let (diary, ctx) = (diary.clone(), ctx.clone());
                async move {
                    ctx.sleep(0).await;
                    diary.note("x");
                }
            });
        }
        assert_eq!(ctx.live_coroutines(), 100);
        ctx.poll_while(|| diary.len() < 100);
        assert_eq!((ctx.live_coroutines(), ctx.armed_timers()), (0, 0));
    }

    fn run_returns_what_the_coroutine_returns(ctx) {
        let doubled = ctx.run("doubler", {
            let ctx = ctx.clone();
            async move {
                ctx.sleep(1).await;
                21 * 2
            }
        });
        assert_eq!(doubled, 42);
    }
}

/// Two threads, each with a context, wake each other's coroutine; a lost wake-up hangs.
#[test]
fn two_contexts_that_wake_each_other_10_000_times_lose_no_wake_up() {
    const ROUNDS: u32 = 10_000;
    /// Waits for the peer's coroutine, then for `ROUNDS` wakes, waking back each time.
    fn player(mine: mpsc::Sender<Coroutine>, peers: mpsc::Receiver<Coroutine>, serves: bool) {
        let ctx = AioContext::new();
        ctx.run("player", async move {
            let me = Coroutine::current().expect("this is a coroutine");
            mine.send(me).expect("the peer listens");
            let peer = peers.recv().expect("the peer speaks");
            if serves {
                peer.wake();
            }
            for round in 0..ROUNDS {
                yield_now().await;
                if !serves || round + 1 < ROUNDS {
                    peer.wake();
                }
            }
        });
    }
    let (first, seconds_peer) = mpsc::channel();
    let (second, firsts_peer) = mpsc::channel();
    #[allow(clippy::disallowed_methods)] // Two threads are the point.
    let other = thread::spawn(move || player(second, seconds_peer, false));
    player(first, firsts_peer, true);
    other.join().expect("the other player ends");
}
