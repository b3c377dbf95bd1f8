//! Contexts in threads of their own, and descriptors that go from one to the other.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use blockjob_runtime::sync::thread;
use blockjob_runtime::{AioContext, AioHandle, IoThread};
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use crate::common::{in_context, pair, watch};

/// Sends back, increased by one, each byte that comes.
async fn serve(stream: UnixStream) {
    let mut stream = watch(stream);
    let mut byte = [0];
    while stream.read(&mut byte).await.expect("it can be read") == 1 {
        byte[0] = byte[0].wrapping_add(1);
        stream.write_all(&byte).await.expect("it can be written");
    }
}

fn serve_in(handle: &AioHandle) -> UnixStream {
    let (ours, theirs) = pair();
    handle.start("server", move || serve(theirs));
    ours
}

fn ask(stream: &mut UnixStream, question: u8) -> u8 {
    let mut answer = [0];
    stream.write_all(&[question]).expect("it is served");
    stream.read_exact(&mut answer).expect("it is served");
    answer[0]
}

#[test]
fn each_context_serves_its_own_sockets_in_its_own_thread() {
    let threads = ["a", "b"].map(IoThread::new);
    let clients = threads.each_ref().map(|thread| serve_in(thread.handle()));
    // The second one works while the first one is kept from it, and the other way round.
    for kept in 0..2 {
        let (mut keeper, kept_one) = pair();
        threads[kept].handle().schedule_oneshot("keep", {
            let mut kept_one = kept_one.try_clone().expect("there are descriptors");
            move |_| kept_one.read_exact(&mut [0]).expect("somebody lets it go")
        });
        let mut other = clients[1 - kept]
            .try_clone()
            .expect("there are descriptors");
        for question in 0..100 {
            assert_eq!(ask(&mut other, question), question + 1);
        }
        keeper.write_all(&[0]).expect("it is kept");
        let mut kept = clients[kept].try_clone().expect("there are descriptors");
        assert_eq!(ask(&mut kept, 7), 8);
    }
    drop(clients);
    threads.into_iter().for_each(IoThread::stop);
}

#[test]
fn a_socket_that_moves_to_another_context_takes_along_what_was_not_read() {
    in_context(|ctx| async move {
        let (mut ours, theirs) = pair();
        let mut theirs = watch(theirs);
        ours.write_all(b"abc").expect("it is connected");
        let mut heard = [0];
        theirs.read_exact(&mut heard).await.expect("it is there");
        assert_eq!(&heard, b"a");
        // More comes while it belongs to nobody.
        let bare = theirs.into_inner();
        ours.write_all(b"de").expect("it is connected");

        let elsewhere = thread::Builder::new().spawn(move || {
            let ctx = AioContext::new();
            let (heard, bare) = ctx.run("reader", async move {
                let mut theirs = watch(bare);
                let mut heard = [0; 4];
                theirs.read_exact(&mut heard).await.expect("it is there");
                (heard, theirs.into_inner())
            });
            assert_eq!(&heard, b"bcde");
            bare
        });
        let bare = elsewhere
            .expect("there are threads")
            .join()
            .expect("it has read all");

        // And back again, where its end is heard of.
        let mut theirs = watch(bare);
        let end = ctx.timer("end", {
            let mut ours = Some(ours);
            move || drop(ours.take())
        });
        end.arm(ctx.now_ns() + 1_000_000);
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.expect("it ends");
        assert!(rest.is_empty());
    });
}

/// Here nobody has tried to read it before he waits.
#[test]
fn who_waits_in_the_other_context_hears_of_what_was_there_before() {
    let ctx = AioContext::new();
    let (mut ours, theirs) = pair();
    let bare = {
        let _current = ctx.make_current();
        watch(theirs).into_inner()
    };
    ours.write_all(b"x").expect("it is connected");
    let other = AioContext::new();
    other.run("waiter", async move {
        let theirs = watch(bare);
        theirs.readable().await.expect("it is watched");
    });
}
