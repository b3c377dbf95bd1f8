//! Drained sections around a node with busy clients, in this process.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use blockjob::block::Node;
use blockjob::block::nbd::proto::{RequestHeader, SimpleReplyHeader, cmd};
use blockjob::daemon::{Daemon, open};
use blockjob::export::nbd::{NbdServer, NbdServerOptions};
use blockjob::export::{ExportOptions, add};
use blockjob::runtime::AioContext;
use blockjob::runtime::io::Async;

use super::client::Client;

/// The other end of a pipe, which the context works at while we wait.
struct Pipe {
    stream: UnixStream,
    ctx: AioContext,
}

impl Pipe {
    fn until<T>(
        &mut self,
        mut act: impl FnMut(&mut UnixStream) -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        loop {
            match act(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.ctx.poll(false);
                }
                result => return result,
            }
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.until(|stream| stream.read(buffer))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.until(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn with_client(test: impl FnOnce(&AioContext, &Rc<Daemon>, &Rc<Node>, Client<Pipe>)) {
    let ctx = AioContext::new();
    let _current = ctx.make_current();
    let daemon = Daemon::new(&ctx);
    // Its requests take a while, always: a file may have done them by the time it is asked.
    let options = "driver=null-co,node-name=disk,size=1048576,latency-ns=100000";
    let options = open::parse_blockdev(options).expect("they are right");
    open::blockdev_add(&daemon, &options).expect("it can be opened");
    let node = daemon.graph().find_node("disk").expect("it was made");
    let server = NbdServer::new(&daemon, NbdServerOptions::default());
    daemon.exports.set_nbd_server(Some(server.clone()));
    let options = ExportOptions {
        id: "e0".to_owned(),
        node_name: "disk".to_owned(),
        writable: true,
        writethrough: false,
        name: None,
        description: None,
        fixed_iothread: false,
    };
    add(&daemon, options).expect("it can be exported");
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
    server.serve(Box::new(Async::new(theirs).expect("it can be watched")));
    ours.set_nonblocking(true).expect("it is a socket");
    let pipe = Pipe {
        stream: ours,
        ctx: ctx.clone(),
    };
    test(&ctx, &daemon, &node, Client::simple(pipe, "disk"));
    blockjob::export::Exports::close_all(&daemon);
    server.close();
    ctx.close();
}

/// Sends writes until the pipe takes no more; returns how many.
fn stuff(client: &mut Client<Pipe>, first: u64) -> u64 {
    let mut sent = first;
    loop {
        let header = RequestHeader {
            flags: 0,
            kind: cmd::WRITE,
            cookie: sent,
            offset: (sent % 256) * 4096,
            len: 4096,
        };
        let request = [&header.encode()[..], &[sent as u8; 4096]].concat();
        match client.stream.stream.write(&request) {
            Ok(written) if written == request.len() => sent += 1,
            Ok(part) => {
                client
                    .stream
                    .write_all(&request[part..])
                    .expect("it goes on");
                return sent + 1;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
    }
}

fn replies(client: &mut Client<Pipe>, count: u64) {
    for _ in 0..count {
        let mut header = [0; SimpleReplyHeader::LEN];
        client.stream.read_exact(&mut header).expect("it answers");
        let reply = SimpleReplyHeader::decode(&header).expect("it is a reply");
        assert_eq!(reply.error, 0);
    }
}

#[test]
fn a_drained_section_begins_although_a_client_never_rests_and_nothing_happens_in_it() {
    with_client(|ctx, daemon, node, mut client| {
        let sent = stuff(&mut client, 0);
        let export = daemon.exports.find_nbd("disk").expect("it is there");
        ctx.poll_while(|| export.in_flight() == 0);
        // It would never return if requests went on beginning.
        let drained = node.drained_begin("test");
        assert_eq!(export.in_flight(), 0);
        let before = node.wr_highest_offset();
        let sent = stuff(&mut client, sent);
        for _ in 0..100 {
            ctx.poll(false);
            assert_eq!(
                export.in_flight(),
                0,
                "a request began in a drained section"
            );
        }
        assert_eq!(node.wr_highest_offset(), before);
        drop(drained);
        replies(&mut client, sent);
    });
}

#[test]
fn no_more_than_sixteen_requests_are_under_way_however_many_are_sent() {
    with_client(|ctx, daemon, _node, mut client| {
        let export = daemon.exports.find_nbd("disk").expect("it is there");
        let sent = stuff(&mut client, 0);
        assert!(sent > 20, "the pipe holds {sent}");
        ctx.poll_while(|| export.in_flight() == 0);
        assert_eq!(export.in_flight(), 16);
        replies(&mut client, sent);
        assert_eq!(export.in_flight(), 0);
    });
}

#[test]
fn a_client_that_comes_in_a_drained_section_is_served_when_it_ends() {
    with_client(|ctx, daemon, node, mut client| {
        let export = daemon.exports.find_nbd("disk").expect("it is there");
        let drained = node.drained_begin("test");
        let sent = stuff(&mut client, 0);
        for _ in 0..100 {
            ctx.poll(false);
        }
        assert_eq!((export.clients(), export.in_flight()), (1, 0));
        drop(drained);
        replies(&mut client, sent);
    });
}
