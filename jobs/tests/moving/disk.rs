//! A disk that any thread may look at, and that moves as it is.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard};

use blockjob_block::driver::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use blockjob_block::moving::PackedDriver;
use blockjob_block::{BlockError, BlockResult, ErrorKind, Graph, Node};
use bytes::{Bytes, BytesMut};
use std::rc::Rc;

/// What a disk is.
pub(crate) struct State {
    pub(crate) bytes: Vec<u8>,
    /// How long a request takes before and after it does what it does.
    pub(crate) half_ns: u64,
    /// Writes fail with EIO.
    pub(crate) fails: bool,
    /// The context in which it was asked last.
    pub(crate) asked_in: String,
    /// Bytes written, all in all.
    pub(crate) written: u64,
    pub(crate) in_flight: usize,
    pub(crate) cluster_size: u64,
    /// It is that long and reads as zeroes everywhere, and `bytes` are not looked at.
    pub(crate) zeroes: u64,
    /// So often it was asked what it holds.
    pub(crate) asked: usize,
}

/// What a test holds of a disk, and its driver.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(crate) fn new(bytes: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(State {
            bytes,
            half_ns: 0,
            fails: false,
            asked_in: String::new(),
            written: 0,
            in_flight: 0,
            cluster_size: 0,
            zeroes: 0,
            asked: 0,
        })))
    }

    /// Full of bytes that do not repeat soon.
    pub(crate) fn noise(len: u64, seed: u64) -> Disk {
        let mut x = seed | 1;
        let byte = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 24) as u8
        };
        Disk::new(std::iter::repeat_with(byte).take(len as usize).collect())
    }

    pub(crate) fn slow(self, half_ns: u64) -> Disk {
        self.state().half_ns = half_ns;
        self
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it looks")
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    async fn half(&self, node: &Node) {
        let half_ns = self.state().half_ns;
        if half_ns > 0 {
            node.context().sleep(half_ns).await;
        }
    }

    fn begin(&self, node: &Node) -> UnderWay {
        let mut state = self.state();
        state.in_flight += 1;
        state.asked_in = node.context().handle().name().to_owned();
        UnderWay(self.clone())
    }

    fn check(&self) -> BlockResult<()> {
        match self.state().fails {
            true => Err(BlockError::new(ErrorKind::Io, "the medium is bad").with_errno(5)),
            false => Ok(()),
        }
    }

    async fn put(&self, node: &Node, offset: u64, data: &[u8]) -> BlockResult<()> {
        let _under_way = self.begin(node);
        self.half(node).await;
        self.check()?;
        {
            let mut state = self.state();
            let at = offset as usize;
            state.bytes[at..at + data.len()].copy_from_slice(data);
            state.written += data.len() as u64;
        }
        self.half(node).await;
        Ok(())
    }
}

/// One request for as long as it takes.
struct UnderWay(Disk);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

impl Driver for Disk {
    fn format_name(&self) -> &'static str {
        "shared"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn limits(&self, _node: &Node) -> Limits {
        Limits {
            cluster_size: self.state().cluster_size,
            ..Limits::default()
        }
    }

    fn length(&self, _node: &Node) -> BlockResult<u64> {
        let state = self.state();
        Ok((state.bytes.len() as u64).max(state.zeroes))
    }

    fn can_move(&self, _node: &Node) -> BlockResult<()> {
        Ok(())
    }

    fn pack(&self, _node: &Node) -> Box<dyn PackedDriver> {
        assert_eq!(self.state().in_flight, 0);
        Box::new(self.clone())
    }

    fn read<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            let _under_way = self.begin(node);
            self.half(node).await;
            {
                let state = self.state();
                let at = offset as usize;
                let len = buf.len();
                buf.copy_from_slice(&state.bytes[at..at + len]);
            }
            self.half(node).await;
            (buf, Ok(()))
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move { self.put(node, offset, &data).await })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        _flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move { self.put(node, offset, &vec![0; bytes as usize]).await })
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let _under_way = self.begin(node);
            self.half(node).await;
            self.check()
        })
    }

    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        _offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        Box::pin(async move {
            let _under_way = self.begin(node);
            self.half(node).await;
            let mut state = self.state();
            state.asked += 1;
            Ok(BlockStatus {
                zero: state.zeroes > 0,
                ..BlockStatus::data(bytes)
            })
        })
    }
}

impl PackedDriver for Disk {
    fn unpack(self: Box<Self>, _graph: &Rc<Graph>) -> Box<dyn Driver> {
        self
    }
}
