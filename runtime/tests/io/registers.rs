//! What can be watched, once, and what happens to what is watched no longer.

use std::fs::File;
use std::io::{ErrorKind, Write};

use blockjob_runtime::AioContext;
use blockjob_runtime::io::Async;
use blockjob_runtime::reactor::Reactor;
use futures_lite::AsyncReadExt;

use crate::common::{Bell, context_with_reactor, in_context, pair, poll_once, watch};

#[test]
fn a_descriptor_is_watched_once_by_a_context_and_by_others_as_well() {
    let (ctx, other) = (AioContext::new(), AioContext::new());
    let (ours, _theirs) = pair();
    let first = {
        let _current = ctx.make_current();
        let first = Async::new(&ours).expect("it can be watched");
        let error = Async::new(&ours).expect_err("it is watched already");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        first
    };
    let _current = other.make_current();
    Async::new(&ours).expect("this one does not watch it");
    drop(first);
    let _current = ctx.make_current();
    Async::new(&ours).expect("it is not watched any more");
}

#[test]
fn what_is_always_ready_cannot_be_watched() {
    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let directory = env!("CARGO_MANIFEST_DIR");
    for path in [directory, &format!("{directory}/Cargo.toml"), "/dev/null"] {
        let file = File::open(path).expect("it is there");
        let error = Async::new(file).expect_err("there is nothing to wait for");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{path}: {error}");
    }
}

#[test]
fn in_virtual_time_nothing_can_be_watched() {
    let ctx = AioContext::builder().virtual_time().build();
    let _current = ctx.make_current();
    let error = Async::new(pair().0).expect_err("there is no machine");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
#[should_panic(expected = "there is none")]
fn without_a_context_nothing_can_be_watched() {
    let _ = Async::new(pair().0);
}

/// The socket lives on under another number, so its end does not end the watch.
#[test]
fn what_is_dropped_while_it_is_ready_wakes_nobody() {
    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let (mut ours, theirs) = pair();
    let _kept = theirs.try_clone().expect("there are descriptors");
    let dropped = watch(theirs);
    let (before, waker) = Bell::new();
    assert!(poll_once(dropped.readable(), &waker).is_pending());
    ours.write_all(b"x").expect("it is connected");
    drop(dropped);

    // It gets the place of the other one in the books of the context.
    let (_quiet, silent) = pair();
    let silent = watch(silent);
    let (after, waker) = Bell::new();
    assert!(poll_once(silent.readable(), &waker).is_pending());
    for _ in 0..3 {
        ctx.poll(false);
    }
    assert_eq!((before.rings(), after.rings()), (0, 0));
}

/// The look has found it, and then it goes, before anybody is woken.
#[test]
fn what_was_found_ready_can_still_be_dropped() {
    let (ctx, _clock, reactor) = context_with_reactor();
    let _current = ctx.make_current();
    let (mut ours, theirs) = pair();
    let theirs = watch(theirs);
    let (bell, waker) = Bell::new();
    assert!(poll_once(theirs.readable(), &waker).is_pending());
    ours.write_all(b"x").expect("it is connected");
    reactor.poll();
    drop(theirs);
    let (_quiet, silent) = pair();
    let silent = watch(silent);
    let (other, waker) = Bell::new();
    assert!(poll_once(silent.readable(), &waker).is_pending());
    while ctx.poll(false) {}
    assert_eq!((bell.rings(), other.rings()), (1, 0));
}

#[test]
fn what_a_context_has_watched_may_outlive_it() {
    let (mut ours, theirs) = pair();
    let ctx = AioContext::new();
    let watched = {
        let _current = ctx.make_current();
        watch(theirs)
    };
    ctx.close();
    drop(ctx);
    ours.write_all(b"x").expect("it is connected");
    let bare = watched.into_inner();
    let other = AioContext::new();
    other.run("reader", async move {
        let mut heard = [0];
        watch(bare)
            .read_exact(&mut heard)
            .await
            .expect("it is there");
    });
}

#[test]
fn a_thousand_descriptors_are_served() {
    const SOCKETS: usize = 1_000;
    raise_limit(4 * SOCKETS as u64);
    in_context(|ctx| async move {
        let (ours, theirs): (Vec<_>, Vec<_>) = (0..SOCKETS).map(|_| pair()).unzip();
        let readers: Vec<_> = theirs
            .into_iter()
            .map(|theirs| {
                let reader = ctx.coroutine("reader", async move {
                    let mut heard = [0];
                    watch(theirs)
                        .read_exact(&mut heard)
                        .await
                        .expect("it comes");
                });
                reader.enter();
                reader
            })
            .collect();
        // All at once: more than the system tells of in one call.
        for mut ours in &ours {
            ours.write_all(b"x").expect("it is connected");
        }
        while !readers.iter().all(|reader| reader.ended()) {
            ctx.sleep(100_000).await;
        }
    });
}

fn raise_limit(wanted: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        setrlimit(Resource::Nofile, limit).expect("so many descriptors are allowed");
    }
}
