//! A server in memory that does what a test needs: it counts, dies after so many bytes, hangs.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use blockjob_block::driver::nbd::{ByteStream, Connecting, NbdDriver, NbdOptions, Transport};
use blockjob_block::nbd::proto::{
    self, ChunkHeader, Extent, Greeting, OptionHeader, OptionReplyHeader, RequestHeader, chunk,
    cmd, flag, opt, rep,
};
use blockjob_block::{BlockResult, ErrorKind, Node};
use blockjob_runtime::CoQueue;
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::pipe::{End, pipe};
use crate::common::World;

/// The length of its disk.
pub(crate) const SIZE: u64 = 64 << 10;
/// The number of its meta context.
const CONTEXT: u32 = 7;

/// What it does; clones are the same server.
#[derive(Clone)]
pub(crate) struct Fake(Rc<State>);

pub(crate) struct State {
    pub(crate) disk: RefCell<Vec<u8>>,
    pub(crate) flags: Cell<u16>,
    pub(crate) size: Cell<u64>,
    /// Connections so far.
    pub(crate) connections: Cell<u32>,
    /// Nobody listens.
    pub(crate) refuses: Cell<bool>,
    /// Requests are taken and not answered, until told.
    pub(crate) hangs: Cell<bool>,
    pub(crate) go_on: CoQueue,
    /// Requests so far, as `write 0+512`.
    pub(crate) log: RefCell<Vec<String>>,
    /// How many bytes the present connection sends, and takes, before the server dies. Then they are
    /// without limit for the next one.
    pub(crate) sends: Cell<usize>,
    pub(crate) takes: Cell<usize>,
    /// How many bytes were sent and taken in all.
    pub(crate) sent: Cell<usize>,
    pub(crate) taken: Cell<usize>,
    /// The error that all requests are answered with.
    pub(crate) error: Cell<u32>,
    /// What becomes of requests, if not what should.
    pub(crate) manner: Cell<Manner>,
    death: CoQueue,
}

/// How requests are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Answers,
    /// They kill the server.
    Dies,
    /// They are answered with bytes that mean nothing.
    Babbles,
}

impl std::ops::Deref for Fake {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

const ALL_FLAGS: u16 = flag::HAS_FLAGS
    | flag::SEND_FLUSH
    | flag::SEND_FUA
    | flag::SEND_TRIM
    | flag::SEND_WRITE_ZEROES
    | flag::SEND_FAST_ZERO;

impl Fake {
    pub(crate) fn new() -> Fake {
        Fake(Rc::new(State {
            disk: RefCell::new(vec![0; SIZE as usize]),
            flags: Cell::new(ALL_FLAGS),
            size: Cell::new(SIZE),
            connections: Cell::new(0),
            refuses: Cell::new(false),
            hangs: Cell::new(false),
            go_on: CoQueue::new(),
            log: RefCell::default(),
            sends: Cell::new(usize::MAX),
            takes: Cell::new(usize::MAX),
            sent: Cell::new(0),
            taken: Cell::new(0),
            error: Cell::new(0),
            manner: Cell::new(Manner::Answers),
            death: CoQueue::new(),
        }))
    }

    /// A node of the driver `nbd` on it.
    pub(crate) fn node(&self, world: &World, options: &NbdOptions) -> BlockResult<Rc<Node>> {
        let (context, options) = (world.context.clone(), options.clone());
        let transport = Box::new(Wire(self.clone(), world.context.clone()));
        let driver =
            world.run(async move { NbdDriver::connect(&context, transport, options).await })?;
        world
            .graph
            .add_node(Some("nbd"), Box::new(driver), false, &[])
    }

    /// Ends all connections at once.
    pub(crate) fn die_now(&self) {
        self.death.wake_all();
    }

    fn log(&self, what: &str, header: &RequestHeader) {
        let RequestHeader { offset, len, .. } = header;
        self.log.borrow_mut().push(format!("{what} {offset}+{len}"));
    }
}

/// Ways to the server.
struct Wire(Fake, blockjob_runtime::AioContext);

impl Transport for Wire {
    fn connect(&self) -> Connecting {
        let (fake, context) = (self.0.clone(), self.1.clone());
        Box::pin(async move {
            if fake.refuses.get() {
                let kind = ErrorKind::Io;
                return Err(blockjob_block::BlockError::new(kind, "Failed to connect"));
            }
            fake.connections.set(fake.connections.get() + 1);
            let (client, server) = pipe();
            let session = Session {
                fake: fake.clone(),
                sends: fake.sends.replace(usize::MAX),
                takes: fake.takes.replace(usize::MAX),
                end: server,
            };
            let serve = async move {
                // That it dies or is left is what the tests are about.
                let _ = or(session.serve(), async {
                    fake.death.wait().await;
                    Ok(())
                })
                .await;
            };
            context.coroutine("fake server", serve).wake();
            Ok(Box::new(client) as Box<dyn ByteStream>)
        })
    }
}

struct Session {
    fake: Fake,
    end: End,
    sends: usize,
    takes: usize,
}

impl Session {
    /// Sends, and dies in the middle if that is what it is told.
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let now = bytes.len().min(self.sends);
        self.end.write_all(&bytes[..now]).await?;
        self.fake.sent.set(self.fake.sent.get() + now);
        if now < bytes.len() {
            return Err(io::ErrorKind::Other.into());
        }
        self.sends -= now;
        Ok(())
    }

    async fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = self.take_vec(N).await?;
        Ok(bytes.try_into().expect("as many as were asked for"))
    }

    async fn take_vec(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let now = len.min(self.takes);
        let mut bytes = vec![0; len];
        self.end.read_exact(&mut bytes[..now]).await?;
        self.fake.taken.set(self.fake.taken.get() + now);
        if now < len {
            return Err(io::ErrorKind::Other.into());
        }
        self.takes -= now;
        Ok(bytes)
    }

    async fn serve(mut self) -> io::Result<()> {
        self.send(&Greeting { flags: 3 }.encode()).await?;
        self.take::<4>().await?;
        while self.option().await? {}
        loop {
            let header = self.take::<{ RequestHeader::LEN }>().await?;
            let header = RequestHeader::decode(&header).map_err(io::Error::other)?;
            let data = match header.kind {
                cmd::WRITE => self.take_vec(header.len as usize).await?,
                _ => Vec::new(),
            };
            if header.kind == cmd::DISC {
                return Ok(());
            }
            while self.fake.hangs.get() {
                self.fake.go_on.wait().await;
            }
            match self.fake.manner.get() {
                Manner::Answers => self.request(header, &data).await?,
                Manner::Dies => return Ok(()),
                Manner::Babbles => self.send(&[0; 64]).await?,
            }
        }
    }

    /// One option; false if it was the last one.
    async fn option(&mut self) -> io::Result<bool> {
        let header = OptionHeader::decode(&self.take().await?).map_err(io::Error::other)?;
        let option = header.option;
        self.take_vec(header.len as usize).await?;
        let mut out = Vec::new();
        let mut put = |reply: u32, data: &[u8]| {
            let len = data.len() as u32;
            out.extend(OptionReplyHeader { option, reply, len }.encode());
            out.extend(data);
        };
        match option {
            opt::STRUCTURED_REPLY => {}
            opt::SET_META_CONTEXT => {
                let mut data = CONTEXT.to_be_bytes().to_vec();
                data.extend(b"base:allocation");
                put(rep::META_CONTEXT, &data);
            }
            opt::GO => {
                let mut data = vec![0, 0];
                data.extend(self.fake.size.get().to_be_bytes());
                data.extend(self.fake.flags.get().to_be_bytes());
                put(rep::INFO, &data);
                let sizes = [1u32, 4096, 32 << 20].map(u32::to_be_bytes).concat();
                put(
                    rep::INFO,
                    &[&proto::info::BLOCK_SIZE.to_be_bytes()[..], &sizes].concat(),
                );
            }
            other => panic!("the client asks for option {other}"),
        }
        put(rep::ACK, &[]);
        self.send(&out).await?;
        Ok(option != opt::GO)
    }

    async fn request(&mut self, header: RequestHeader, data: &[u8]) -> io::Result<()> {
        let fake = self.fake.clone();
        let range = header.offset as usize..(header.offset + u64::from(header.len)) as usize;
        let (mut kind, mut payload) = (chunk::NONE, Vec::new());
        match header.kind {
            _ if fake.error.get() != 0 => {
                kind = chunk::ERROR;
                payload = fake.error.get().to_be_bytes().to_vec();
                payload.extend([0, 4]);
                payload.extend(b"oops");
            }
            cmd::READ => {
                fake.log("read", &header);
                kind = chunk::OFFSET_DATA;
                payload = header.offset.to_be_bytes().to_vec();
                payload.extend(&fake.disk.borrow()[range]);
            }
            cmd::WRITE => {
                fake.log("write", &header);
                fake.disk.borrow_mut()[range].copy_from_slice(data);
            }
            cmd::WRITE_ZEROES => {
                fake.log(&format!("zeroes {:x}", header.flags), &header);
                fake.disk.borrow_mut()[range].fill(0);
            }
            cmd::TRIM => {
                fake.log("trim", &header);
                fake.disk.borrow_mut()[range].fill(0);
            }
            cmd::FLUSH => fake.log("flush", &header),
            cmd::BLOCK_STATUS => {
                fake.log("status", &header);
                let disk = fake.disk.borrow();
                let zero = disk[range.start] == 0;
                let same = disk[range].iter().take_while(|byte| (**byte == 0) == zero);
                let extent = Extent {
                    len: same.count() as u32,
                    flags: if zero { 3 } else { 0 },
                };
                kind = chunk::BLOCK_STATUS;
                payload = CONTEXT.to_be_bytes().to_vec();
                payload.extend(extent.encode());
            }
            other => panic!("the client sends request {other}"),
        }
        let header = ChunkHeader {
            flags: 1,
            kind,
            cookie: header.cookie,
            len: payload.len() as u32,
        };
        self.send(&[&header.encode()[..], &payload].concat()).await
    }
}
