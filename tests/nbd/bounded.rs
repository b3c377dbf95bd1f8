//! What a client can have of the server, seen over a pipe in memory: no time passes but what we give.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use blockjob::block::driver::mem::MemOptions;
use blockjob::block::nbd::proto::{
    Greeting, OptionHeader, RequestHeader, SimpleReplyHeader, client_flag, cmd, error, opt,
};
use blockjob::daemon::Daemon;
use blockjob::export::nbd::{NbdServer, NbdServerOptions};
use blockjob::export::{ExportOptions, Exports, add};
use blockjob::runtime::AioContext;
use futures_lite::{AsyncRead, AsyncWrite};

const MIB: u32 = 1 << 20;

#[derive(Default)]
struct State {
    to_server: VecDeque<u8>,
    from_server: Vec<u8>,
    /// How many bytes more are taken from the server.
    room: usize,
    hung_up: bool,
    wakers: Vec<Waker>,
}

/// The server's end, and ours.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<State>>);

impl Pipe {
    fn wake(&self) {
        let wakers = std::mem::take(&mut self.0.borrow_mut().wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn send(&self, bytes: &[u8]) {
        self.0.borrow_mut().to_server.extend(bytes);
        self.wake();
    }

    fn take(&self, room: usize) {
        self.0.borrow_mut().room += room;
        self.wake();
    }

    fn hang_up(&self) {
        self.0.borrow_mut().hung_up = true;
        self.wake();
    }

    /// What the server has not read.
    fn unread(&self) -> usize {
        self.0.borrow().to_server.len()
    }

    fn taken(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().from_server)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        if state.to_server.is_empty() && !state.hung_up {
            state.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        let len = buffer.len().min(state.to_server.len());
        for (to, from) in buffer.iter_mut().zip(state.to_server.drain(..len)) {
            *to = from;
        }
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        let len = bytes.len().min(state.room);
        if len == 0 {
            state.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        state.room -= len;
        state.from_server.extend_from_slice(&bytes[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A server of a disk in memory that has a client at the other end of a pipe, past the handshake.
struct World {
    ctx: AioContext,
    daemon: Rc<Daemon>,
    server: Rc<NbdServer>,
    pipe: Pipe,
}

impl World {
    fn with(options: NbdServerOptions, test: impl FnOnce(&World)) {
        let ctx = AioContext::builder().virtual_time().build();
        let _current = ctx.make_current();
        let daemon = Daemon::new(&ctx);
        let disk = Box::new(MemOptions::new(64 << 20).build());
        let node = daemon.graph().add_node(Some("disk"), disk, false, &[]);
        daemon.owned.add_node(node.expect("the node can be made"));
        let server = NbdServer::new(&daemon, options);
        daemon.exports.set_nbd_server(Some(server.clone()));
        let export = ExportOptions {
            id: "e0".to_owned(),
            node_name: "disk".to_owned(),
            writable: true,
            writethrough: false,
            name: None,
            description: None,
            fixed_iothread: false,
        };
        add(&daemon, export).expect("it can be exported");
        let world = World {
            ctx,
            daemon,
            server,
            pipe: Pipe::default(),
        };
        test(&world);
        Exports::shut_down(&world.daemon);
        world.daemon.owned.clear();
        world.ctx.close();
    }

    /// Lets everything happen that can without time.
    fn settle(&self) {
        while self.ctx.has_work() {
            self.ctx.poll(false);
        }
    }

    fn connect(&self) {
        self.server.serve(Box::new(self.pipe.clone()));
        let flags = client_flag::FIXED_NEWSTYLE | client_flag::NO_ZEROES;
        self.pipe.send(&flags.to_be_bytes());
        let choose = OptionHeader {
            option: opt::EXPORT_NAME,
            len: 4,
        };
        self.pipe.send(&choose.encode());
        self.pipe.send(b"disk");
        self.pipe.take(Greeting::LEN + 10);
        self.settle();
        assert_eq!(self.pipe.taken().len(), Greeting::LEN + 10);
    }

    fn clients(&self) -> usize {
        let export = self.daemon.exports.find_nbd("disk");
        export.expect("it is there").clients()
    }
}

fn request(kind: u16, cookie: u64, len: u32) -> [u8; RequestHeader::LEN] {
    let header = RequestHeader {
        flags: 0,
        kind,
        cookie,
        offset: 0,
        len,
    };
    header.encode()
}

#[test]
fn who_takes_no_replies_is_not_read_from_and_loses_none() {
    const REQUESTS: u64 = 20_000;
    World::with(NbdServerOptions::default(), |world| {
        world.connect();
        for cookie in 0..REQUESTS {
            world.pipe.send(&request(99, cookie, 1));
        }
        world.settle();
        let all = REQUESTS as usize * RequestHeader::LEN;
        let read = all - world.pipe.unread();
        assert!(read < 200_000, "{read} bytes of requests were read");
        assert!(read > 0);
        world.pipe.take(usize::MAX);
        world.settle();
        let replies = world.pipe.taken();
        let (replies, rest) = replies.as_chunks::<{ SimpleReplyHeader::LEN }>();
        assert_eq!((replies.len() as u64, rest.len()), (REQUESTS, 0));
        for (cookie, reply) in (0..).zip(replies) {
            let reply = SimpleReplyHeader::decode(reply).expect("it is a reply");
            assert_eq!((reply.cookie, reply.error), (cookie, error::EINVAL));
        }
    });
}

#[test]
fn reads_that_nobody_takes_stop_at_two_of_the_longest_until_they_are_taken() {
    World::with(NbdServerOptions::default(), |world| {
        world.connect();
        for cookie in 0..5 {
            world.pipe.send(&request(cmd::READ, cookie, 32 * MIB));
        }
        world.settle();
        // Who has been read does not see this any more; who has not, does.
        let node = world.daemon.graph().find_node("disk").expect("it is there");
        let write = async move { node.co_write(0, bytes::Bytes::from_static(&[5])).await };
        world.ctx.run("write", write).expect("it can be written");
        world.pipe.take(usize::MAX);
        world.settle();
        let replies = world.pipe.taken();
        let replies = replies.chunks(SimpleReplyHeader::LEN + 32 * MIB as usize);
        let seen: Vec<u8> = replies.map(|reply| reply[SimpleReplyHeader::LEN]).collect();
        assert_eq!(seen, [0, 0, 5, 5, 5]);
    });
}

#[test]
fn a_silent_client_has_its_time_and_no_more() {
    let options = NbdServerOptions {
        max_connections: 0,
        handshake_max_secs: 10,
    };
    World::with(options, |world| {
        world.pipe.take(usize::MAX);
        world.server.serve(Box::new(world.pipe.clone()));
        world.settle();
        assert_eq!(world.server.clients(), 1);
        let begin_ns = world.ctx.now_ns();
        world.ctx.poll_while(|| world.server.clients() > 0);
        assert_eq!(world.ctx.now_ns() - begin_ns, 10_000_000_000);
        assert_eq!(world.pipe.taken().len(), Greeting::LEN);
    });
}

#[test]
fn requests_end_well_although_their_client_has_gone() {
    World::with(NbdServerOptions::default(), |world| {
        world.connect();
        assert_eq!(world.clients(), 1);
        world.pipe.send(&request(cmd::WRITE, 1, 4096));
        world.pipe.send(&[7; 4096]);
        // In the middle of another one.
        world.pipe.send(&request(cmd::WRITE, 2, 4096));
        world.pipe.send(&[8; 4000]);
        world.pipe.hang_up();
        world.pipe.take(usize::MAX);
        world.settle();
        assert_eq!((world.clients(), world.server.clients()), (0, 0));
        let node = world.daemon.graph().find_node("disk").expect("it is there");
        let buffer = bytes::BytesMut::zeroed(4096);
        let read = async move { node.co_read(0, buffer).await };
        let (buffer, done) = world.ctx.run("look", read);
        done.expect("it can be read");
        assert_eq!(
            buffer[..],
            [7; 4096],
            "the first was done, the second was not"
        );
    });
}
