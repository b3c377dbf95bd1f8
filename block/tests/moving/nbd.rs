//! The NBD client: its socket moves with it, and what it knows of writes that are not safe yet.
//!
//! The peer's `qemu-nbd` serves one client, and ends with it: so it must not notice that its client has moved.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use blockjob_block::driver::nbd::{
    ByteStream, Connecting, NbdDriver, NbdOptions, PackedStream, PackedTransport, Transport,
};
use blockjob_block::{BlockError, BlockResult, ErrorKind};
use blockjob_runtime::AioContext;
use blockjob_runtime::io::Async;

use crate::world::{LAX, World};

const LEN: u64 = 1 << 20;
const SECOND_NS: u64 = 1_000_000_000;

/// What the way to the server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moves {
    Nothing,
    /// The way, but not the connection.
    Way,
    Connection,
}

#[derive(Clone)]
struct Wire {
    path: PathBuf,
    moves: Moves,
}

impl Transport for Wire {
    fn connect(&self) -> Connecting {
        let path = self.path.clone();
        Box::pin(async move {
            let stream = UnixStream::connect(path).and_then(Async::new);
            let stream = stream.map_err(|error| BlockError::from_io(&error, "no connection"))?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }

    fn pack(&self) -> Option<Box<dyn PackedTransport>> {
        (self.moves != Moves::Nothing).then(|| Box::new(self.clone()) as _)
    }

    fn pack_stream(&self, stream: Box<dyn ByteStream>) -> Option<Box<dyn PackedStream>> {
        let stream = stream.into_any().downcast::<Async<UnixStream>>();
        let stream = stream.expect("it has opened no other").into_inner();
        (self.moves == Moves::Connection).then(|| Box::new(Plug(stream)) as _)
    }
}

impl PackedTransport for Wire {
    fn unpack(self: Box<Self>, _context: &AioContext) -> Box<dyn Transport> {
        self
    }
}

struct Plug(UnixStream);

impl PackedStream for Plug {
    fn unpack(self: Box<Self>, _context: &AioContext) -> BlockResult<Box<dyn ByteStream>> {
        let stream =
            Async::new(self.0).map_err(|error| BlockError::from_io(&error, "no way in"))?;
        Ok(Box::new(stream))
    }
}

/// A server; it is gone with this.
struct Peer {
    child: Child,
    dir: tempfile::TempDir,
}

impl Peer {
    /// `None`, with a word, where there is no peer to test with.
    fn start(arguments: &[&str]) -> Option<Peer> {
        if Command::new("qemu-nbd").arg("--version").output().is_err() {
            println!("skipped: there is no qemu-nbd on PATH");
            return None;
        }
        let dir = tempfile::tempdir().expect("there is room");
        let image = dir.path().join("image");
        std::fs::write(&image, vec![0; LEN as usize]).expect("there is room");
        // It is waited for, but not for ever.
        let child = Command::new("timeout")
            .args(["60", "qemu-nbd", "-f", "raw", "-k"])
            .arg(dir.path().join("socket"))
            .args(arguments)
            .arg(image)
            .spawn();
        let child = child.expect("it starts");
        Some(Peer { child, dir })
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Not a kill: that would leave the server without the one who ends it.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}

/// A client of the server in the first context.
fn connect(world: &World, socket: &Path, moves: Moves) {
    let wire = Wire {
        path: socket.to_owned(),
        moves,
    };
    let made = world.co(0, move |here| async move {
        // The server may not listen yet.
        let options = NbdOptions {
            open_timeout_ns: 20 * SECOND_NS,
            reconnect_delay_ns: 20 * SECOND_NS,
            ..NbdOptions::default()
        };
        let context = here.graph.context().clone();
        let driver = NbdDriver::connect(&context, Box::new(wire), options).await?;
        here.add("nbd", driver, &[]);
        here.backend("drive", "nbd", LAX);
        BlockResult::Ok(())
    });
    made.expect("the server is there");
}

fn flush(world: &World, place: usize) -> BlockResult<()> {
    world.co(place, |here| async move {
        here.find_backend("drive").flush().await
    })
}

fn is_connected(world: &World, place: usize) -> bool {
    world.on(place, |here| {
        let node = here.node("nbd");
        let driver = node.driver().as_any().downcast_ref::<NbdDriver>();
        driver.expect("it is one").is_connected()
    })
}

#[test]
fn a_server_that_ends_with_its_client_does_not_notice_that_it_moves() {
    let Some(mut peer) = Peer::start(&[]) else {
        return;
    };
    let world = World::real();
    connect(&world, &peer.socket(), Moves::Connection);
    for (turn, (from, to)) in [(0, 1), (1, 2), (2, 0)].into_iter().enumerate() {
        let data = [b'a' + turn as u8; 70_000];
        world
            .write(from, "drive", 100_000 * turn as u64, &data)
            .expect("it is writable");
        world.send("nbd", from, to).expect("everybody can");
        assert!(is_connected(&world, to));
        assert_eq!(world.read(to, "drive", 100_000 * turn as u64, 70_000), data);
        // It is the connection that it was: nothing that was written over it can be lost.
        flush(&world, to).expect("nothing is lost");
        assert!(
            peer.child.try_wait().expect("it is ours").is_none(),
            "it has ended"
        );
    }
    drop(world);
    let ended = peer.child.wait().expect("it is ours");
    assert!(ended.success(), "the client has taken leave");
    let image = std::fs::read(peer.dir.path().join("image")).expect("it is there");
    assert_eq!(image[200_000], b'c');
}

#[test]
fn a_connection_that_cannot_move_is_made_anew_and_a_flush_says_what_may_be_lost() {
    let Some(peer) = Peer::start(&["-t"]) else {
        return;
    };
    let world = World::real();
    connect(&world, &peer.socket(), Moves::Way);
    world.write(0, "drive", 0, b"kept").expect("it is writable");
    world.send("nbd", 0, 1).expect("everybody can");
    // Waits for the new connection.
    assert_eq!(world.read(1, "drive", 0, 4), b"kept");
    let lost = flush(&world, 1).expect_err("the server may be another one");
    assert_eq!(lost.kind(), ErrorKind::LostWrites);
    flush(&world, 1).expect("it has been said");
    // And what was flushed before is not lost.
    world.write(1, "drive", 0, b"safe").expect("it is writable");
    flush(&world, 1).expect("nothing is lost");
    world.send("nbd", 1, 0).expect("everybody can");
    flush(&world, 0).expect("nothing is lost");
    assert_eq!(world.read(0, "drive", 0, 4), b"safe");
}

#[test]
fn a_client_whose_way_is_unknown_elsewhere_stays() {
    let Some(peer) = Peer::start(&[]) else { return };
    let world = World::real();
    connect(&world, &peer.socket(), Moves::Nothing);
    let refused = world.refusal("nbd", 0, 1);
    assert_eq!(
        refused,
        "Node 'nbd' cannot change its context: nobody knows the way to its server from there"
    );
    world
        .write(0, "drive", 0, b"used")
        .expect("it is as it was");
}
