//! The other side goes.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::common::{in_context, pair, watch};

#[test]
fn a_reader_hears_that_the_other_side_has_closed() {
    in_context(|ctx| async move {
        let (ours, theirs) = pair();
        let mut ours = watch(ours);
        let closing = ctx.timer("close", {
            let mut theirs = Some(theirs);
            move || drop(theirs.take())
        });
        closing.arm(ctx.now_ns() + 1_000_000);
        let mut buffer = [0; 8];
        assert_eq!(ours.read(&mut buffer).await.expect("it is the end"), 0);
        // It stays closed, for all who ask.
        ours.readable().await.expect("it is watched");
        assert_eq!(ours.read(&mut buffer).await.expect("it is the end"), 0);
    });
}

#[test]
fn a_writer_hears_that_nobody_reads_any_more() {
    in_context(|ctx| async move {
        let (ours, theirs) = pair();
        let mut ours = watch(ours);
        let closing = ctx.timer("close", {
            let mut theirs = Some(theirs);
            move || drop(theirs.take())
        });
        closing.arm(ctx.now_ns() + 1_000_000);
        let much = vec![0; 16 << 20];
        let error = ours.write_all(&much).await.expect_err("nobody reads it");
        let expected = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
        assert!(expected.contains(&error.kind()), "{error}");
    });
}

#[test]
fn what_was_sent_before_the_end_is_read_before_it() {
    in_context(|ctx| async move {
        let (ours, mut theirs) = pair();
        let ours = watch(ours);
        theirs.write_all(b"last words").expect("it is connected");
        drop(theirs);
        // Both are told of together.
        ctx.sleep(1_000_000).await;
        let mut heard = [0; 4];
        let mut text: Vec<u8> = Vec::new();
        loop {
            ours.readable().await.expect("it is watched");
            match ours.get_ref().read(&mut heard).expect("it is ready") {
                0 => break,
                bytes => text.extend(&heard[..bytes]),
            }
        }
        assert_eq!(text, b"last words");
    });
}

#[test]
fn who_has_taken_all_hears_of_an_end_that_was_told_of_before() {
    in_context(|ctx| async move {
        let (ours, mut theirs) = pair();
        let ours = watch(ours);
        theirs.write_all(b"bye").expect("it is connected");
        // It still listens: only this direction has ended.
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        ctx.sleep(1_000_000).await;
        let mut heard = [0; 8];
        let bytes = ours.read_with(|mut stream| stream.read(&mut heard)).await;
        assert_eq!(bytes.expect("it is there"), 3);
        ours.note_drained();
        ours.readable().await.expect("it is watched");
        let bytes = ours.read_with(|mut stream| stream.read(&mut heard)).await;
        assert_eq!(bytes.expect("it is the end"), 0);
    });
}
