//! How long the reactor of this machine waits, and what ends a wait.

use std::io::{Read, Write};

use blockjob_runtime::clock::{Clock, RealClock};
use blockjob_runtime::reactor::{Reactor, RealReactor};

use crate::common::{
    Bell, PATIENCE_NS, context_with_reactor, looked_early, pair, poll_once, watch,
};

fn reactor() -> (RealClock, RealReactor) {
    let clock = RealClock::new();
    let reactor = RealReactor::new(clock.clone()).expect("there are descriptors");
    (clock, reactor)
}

/// True if something ends a wait that would else be endless.
fn is_ended(clock: &RealClock, reactor: &RealReactor) -> bool {
    let deadline_ns = clock.now_ns() + PATIENCE_NS;
    reactor.wait(Some(deadline_ns));
    clock.now_ns() < deadline_ns
}

#[test]
fn a_wait_that_was_unparked_before_it_begins_does_not_wait() {
    let (clock, reactor) = reactor();
    for _ in 0..3 {
        reactor.unpark_handle().unpark();
        assert!(is_ended(&clock, &reactor));
    }
}

#[test]
fn several_unparks_end_one_wait() {
    let (clock, reactor) = reactor();
    for _ in 0..5 {
        reactor.unpark_handle().unpark();
    }
    reactor.wait(None);
    let deadline_ns = clock.now_ns() + 3_000_000;
    reactor.wait(Some(deadline_ns));
    assert!(clock.now_ns() >= deadline_ns, "it ended early");
}

/// It looks at all that has happened, but this is not for it.
#[test]
fn a_look_does_not_use_up_an_unpark() {
    let (ctx, clock, reactor) = context_with_reactor();
    let _current = ctx.make_current();
    let (_ours, theirs) = pair();
    let _watched = watch(theirs);
    reactor.unpark_handle().unpark();
    reactor.poll();
    assert!(is_ended(&clock, &reactor));
}

/// Of all lengths: those that the system counts in milliseconds, those that it does not, and between.
#[test]
fn a_wait_ends_no_earlier_than_its_deadline() {
    let (clock, reactor) = reactor();
    for wait_ns in [1, 999, 70_000, 999_999, 1_000_000, 1_000_001, 3_999_999] {
        let deadline_ns = clock.now_ns() + wait_ns;
        reactor.wait(Some(deadline_ns));
        let early_ns = deadline_ns.saturating_sub(clock.now_ns());
        assert_eq!(early_ns, 0, "of {wait_ns} ns");
    }
}

#[test]
fn a_wait_whose_deadline_has_passed_ends_and_loses_nothing() {
    let (ctx, clock, reactor) = context_with_reactor();
    let _current = ctx.make_current();
    let (mut ours, theirs) = pair();
    let theirs = watch(theirs);
    let (bell, waker) = Bell::new();
    assert!(poll_once(theirs.readable(), &waker).is_pending());
    reactor.wait(Some(0));
    reactor.wait(Some(clock.now_ns()));
    ctx.poll(false);
    assert_eq!(bell.rings(), 0);
    ours.write_all(b"x").expect("it is connected");
    reactor.wait(Some(0));
    ctx.poll(false);
    assert_eq!(bell.rings(), 1);
}

/// A deadline in the far future is more than the system can count.
#[test]
fn a_wait_without_end_can_be_ended() {
    let (_, reactor) = reactor();
    for deadline_ns in [None, Some(u64::MAX)] {
        let handle = reactor.unpark_handle();
        #[allow(clippy::disallowed_methods)] // A foreign thread is the point.
        let other = std::thread::spawn(move || handle.unpark());
        reactor.wait(deadline_ns);
        other.join().expect("it only unparks");
    }
}

/// The system tells of room to write each time the other side reads. Who has waited for it once does
/// not want to hear of it for ever.
#[test]
fn a_client_that_reads_its_replies_does_not_end_the_waits_of_a_server() {
    let (ctx, _clock, reactor) = context_with_reactor();
    let _current = ctx.make_current();
    let (mut client, server) = pair();
    client.set_nonblocking(true).expect("it is a socket");
    let server = watch(server);
    let (_bell, waker) = Bell::new();

    // The server fills the pipe, and so it waits for room once.
    let fill = || server.write_with(|mut stream| stream.write(&[0; 4096]));
    while poll_once(fill(), &waker).is_ready() {}
    while client.read(&mut [0; 4096]).is_ok() {}
    assert!(looked_early(&ctx, &reactor, 1_000_000_000), "there is room");

    let mut round = || {
        let asked = poll_once(server.readable(), &waker);
        assert!(asked.is_pending(), "nobody has asked for anything");
        let replied = poll_once(
            server.write_with(|mut stream| stream.write(b"reply")),
            &waker,
        );
        assert!(replied.is_ready());
        client.read_exact(&mut [0; 5]).expect("it is a reply");
        looked_early(&ctx, &reactor, 2_000_000)
    };
    let ended = (0..10).filter(|_| round()).count();
    assert!(ended <= 2, "{ended} of 10 waits ended for nothing");

    // If there is no room again, it is told of again.
    while poll_once(fill(), &waker).is_ready() {}
    while client.read(&mut [0; 4096]).is_ok() {}
    let (bell, waker) = Bell::new();
    assert!(poll_once(server.writable(), &waker).is_pending() || bell.rings() == 0);
    assert!(looked_early(&ctx, &reactor, 1_000_000_000), "there is room");
}
