//! Who waits is woken, once there is something, however it was waited for before.

use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::rc::Rc;

use blockjob_runtime::AioContext;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::common::{Bell, in_context, pair, poll_once, watch};

#[test]
fn what_was_left_unread_is_still_there_for_the_next_wait() {
    in_context(|_| async move {
        let (mut ours, theirs) = pair();
        let theirs = watch(theirs);
        ours.write_all(b"abc").expect("it is connected");
        for letter in *b"abc" {
            theirs.readable().await.expect("it is watched");
            let mut heard = [0];
            theirs
                .get_ref()
                .read_exact(&mut heard)
                .expect("it is there");
            assert_eq!(heard, [letter]);
        }
        // Two waits, one after the other, are for the same thing.
        ours.write_all(b"d").expect("it is connected");
        theirs.readable().await.expect("it is watched");
        theirs.readable().await.expect("it is watched");
    });
}

#[test]
fn a_wait_that_was_over_before_it_began_is_over_and_the_next_one_is_not() {
    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let (mut ours, theirs) = pair();
    let theirs = watch(theirs);
    ours.write_all(b"x").expect("it is connected");
    let (bell, waker) = Bell::new();
    if poll_once(theirs.readable(), &waker).is_pending() {
        ctx.poll(false);
        assert_eq!(bell.rings(), 1);
    }
    theirs.get_ref().read_exact(&mut [0]).expect("it is there");
    let empty = theirs.get_ref().read(&mut [0]).expect_err("it was all");
    assert_eq!(empty.kind(), ErrorKind::WouldBlock);
    let (bell, waker) = Bell::new();
    // What was told of before nobody has heard yet: that may end one wait, and no more.
    let _ = poll_once(theirs.readable(), &waker);
    assert!(poll_once(theirs.readable(), &waker).is_pending());
    for _ in 0..3 {
        ctx.poll(false);
    }
    assert_eq!(bell.rings(), 0);
}

#[test]
fn a_writer_goes_on_when_there_is_room_again() {
    in_context(|ctx| async move {
        let (ours, theirs) = pair();
        let (mut ours, mut theirs) = (watch(ours), watch(theirs));
        let reader = ctx.coroutine("reader", {
            async move {
                let mut bytes = 0;
                let mut buffer = vec![0; 10_000];
                while bytes < 4 << 20 {
                    bytes += theirs.read(&mut buffer).await.expect("it comes");
                }
            }
        });
        reader.wake();
        ours.write_all(&vec![7; 4 << 20]).await.expect("it is read");
        while !reader.ended() {
            ctx.sleep(100_000).await;
        }
    });
}

#[test]
fn both_directions_can_be_waited_for_at_once() {
    in_context(|ctx| async move {
        let (ours, theirs) = pair();
        let ours = Rc::new(watch(ours));
        let reader = ctx.coroutine("reader", {
            let ours = ours.clone();
            async move {
                let read = ours.read_with(|mut stream| stream.read(&mut [0]));
                assert_eq!(read.await.expect("it comes"), 1);
            }
        });
        reader.enter();
        let writer = ctx.coroutine("writer", {
            let ours = ours.clone();
            async move {
                for _ in 0..100 {
                    let write = ours.write_with(|mut stream| stream.write(&[0; 65_536]));
                    write.await.expect("somebody reads it");
                }
            }
        });
        writer.enter();
        let mut theirs = watch(theirs);
        theirs.write_all(b"x").await.expect("it is connected");
        while !reader.ended() {
            ctx.sleep(10_000).await;
        }
        let mut buffer = vec![0; 65_536];
        while !writer.ended() {
            theirs.read(&mut buffer).await.expect("it comes");
            ctx.sleep(0).await;
        }
    });
}

#[test]
fn two_who_wait_for_the_same_are_both_served() {
    in_context(|ctx| async move {
        let (mut ours, theirs) = pair();
        let theirs = Rc::new(watch(theirs));
        let heard = Rc::new(RefCell::new(Vec::new()));
        let readers = ["first", "second"].map(|name| {
            let (theirs, heard) = (theirs.clone(), heard.clone());
            ctx.coroutine(name, async move {
                let mut byte = [0];
                let read = theirs.read_with(|mut stream| stream.read(&mut byte));
                assert_eq!(read.await.expect("it comes"), 1);
                heard.borrow_mut().extend(byte);
            })
        });
        readers.iter().for_each(|reader| reader.enter());
        for byte in *b"ab" {
            ours.write_all(&[byte]).expect("it is connected");
            let before = heard.borrow().len();
            while heard.borrow().len() == before {
                ctx.sleep(10_000).await;
            }
        }
        assert_eq!(*heard.borrow(), b"ab");
    });
}

/// Nothing that other contexts do is heard of here.
#[test]
fn a_context_wakes_who_waits_when_it_is_current_again() {
    let ctx = AioContext::new();
    let (mut ours, theirs) = pair();
    let current = Rc::new(RefCell::new(None));
    {
        let _current = ctx.make_current();
        let theirs = watch(theirs);
        let noted = current.clone();
        let reader = ctx.coroutine("reader", async move {
            theirs.readable().await.expect("it is watched");
            noted.replace(AioContext::try_current());
        });
        reader.enter();
    }
    ours.write_all(b"x").expect("it is connected");
    ctx.poll_while(|| current.borrow().is_none());
    assert_eq!(*current.borrow(), Some(ctx));
}
