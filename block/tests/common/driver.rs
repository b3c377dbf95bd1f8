//! The driver of these tests: it answers when it is told to, and counts what it is told.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use blockjob_block::{BlockError, BlockResult, ErrorKind, Node, PermPair};
use blockjob_runtime::CoQueue;
use bytes::{Bytes, BytesMut};

/// When a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    AtOnce,
    /// From a bottom half.
    BottomHalf,
    /// After so many nanoseconds.
    Timer(u64),
    /// When [`TestDriver::release`] is called.
    Held,
}

type Hook = Box<dyn FnMut()>;
type ChildPerms = Box<dyn Fn(ChildRole, PermPair) -> PermPair>;
type Status = Box<dyn Fn(u64, u64) -> BlockStatus>;

/// A disk in memory, or a filter. Clones are the same driver, so that a test can keep one.
#[derive(Clone)]
pub(crate) struct TestDriver(Rc<State>);

struct State {
    filter: bool,
    limits: Cell<Limits>,
    content: RefCell<Vec<u8>>,
    pace: Cell<Pace>,
    /// The delays of the next requests, before `pace` counts.
    delays_ns: RefCell<Vec<u64>>,
    held: Rc<CoQueue>,
    active: Cell<u32>,
    served: Cell<u32>,
    drained_begins: Cell<u32>,
    drained_ends: Cell<u32>,
    /// What was asked of it, as `write 0+512`.
    log: RefCell<Vec<String>>,
    errno: Cell<Option<i32>>,
    can_zero: Cell<bool>,
    grows: Cell<bool>,
    on_drained_begin: RefCell<Option<Hook>>,
    on_drained_end: RefCell<Option<Hook>>,
    child_perms: RefCell<Option<ChildPerms>>,
    status: RefCell<Option<Status>>,
    refused: Cell<Option<&'static str>>,
    /// `check`, `set` and `abort` of permissions, in order.
    perm_log: RefCell<Vec<String>>,
}

/// One request at work.
struct Active(Rc<State>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
    }
}

impl TestDriver {
    fn make(len: u64, filter: bool) -> TestDriver {
        TestDriver(Rc::new(State {
            filter,
            limits: Cell::default(),
            content: RefCell::new(vec![0; len as usize]),
            pace: Cell::new(Pace::AtOnce),
            delays_ns: RefCell::default(),
            held: Rc::default(),
            active: Cell::new(0),
            served: Cell::new(0),
            drained_begins: Cell::new(0),
            drained_ends: Cell::new(0),
            log: RefCell::default(),
            errno: Cell::new(None),
            can_zero: Cell::new(true),
            grows: Cell::new(false),
            on_drained_begin: RefCell::default(),
            on_drained_end: RefCell::default(),
            child_perms: RefCell::default(),
            status: RefCell::default(),
            refused: Cell::new(None),
            perm_log: RefCell::default(),
        }))
    }

    /// A disk of zeroes.
    pub(crate) fn new(len: u64) -> TestDriver {
        Self::make(len, false)
    }

    /// Shows its child `file`.
    pub(crate) fn filter() -> TestDriver {
        Self::make(0, true)
    }

    pub(crate) fn with_limits(self, limits: Limits) -> TestDriver {
        self.0.limits.set(limits);
        self
    }

    pub(crate) fn with_align(self, request_alignment: u64) -> TestDriver {
        self.with_limits(Limits {
            request_alignment,
            ..Limits::default()
        })
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        self.0.limits.set(limits);
    }

    pub(crate) fn set_pace(&self, pace: Pace) {
        self.0.pace.set(pace);
    }

    /// The delays of the requests that come next, in nanoseconds.
    pub(crate) fn set_delays_ns(&self, delays_ns: &[u64]) {
        let mut delays_ns = delays_ns.to_vec();
        delays_ns.reverse();
        self.0.delays_ns.replace(delays_ns);
    }

    /// Lets the first request go on that is held; false if there is none.
    pub(crate) fn release(&self) -> bool {
        self.0.held.wake_next()
    }

    pub(crate) fn fail_with(&self, errno: Option<i32>) {
        self.0.errno.set(errno);
    }

    pub(crate) fn cannot_zero(&self) {
        self.0.can_zero.set(false);
    }

    /// Writes past the end make it longer.
    pub(crate) fn grows(&self) {
        self.0.grows.set(true);
    }

    /// Called in `drained_begin`, once.
    pub(crate) fn on_drained_begin(&self, hook: impl FnMut() + 'static) {
        self.0.on_drained_begin.replace(Some(Box::new(hook)));
    }

    /// Called in `drained_end`, once.
    pub(crate) fn on_drained_end(&self, hook: impl FnMut() + 'static) {
        self.0.on_drained_end.replace(Some(Box::new(hook)));
    }

    pub(crate) fn set_child_perms(
        &self,
        perms: impl Fn(ChildRole, PermPair) -> PermPair + 'static,
    ) {
        self.0.child_perms.replace(Some(Box::new(perms)));
    }

    pub(crate) fn set_status(&self, status: impl Fn(u64, u64) -> BlockStatus + 'static) {
        self.0.status.replace(Some(Box::new(status)));
    }

    /// Refuses the permissions that it is asked about from now on.
    pub(crate) fn refuse_perms(&self, text: Option<&'static str>) {
        self.0.refused.set(text);
    }

    pub(crate) fn active(&self) -> u32 {
        self.0.active.get()
    }

    /// How many requests have come.
    pub(crate) fn served(&self) -> u32 {
        self.0.served.get()
    }

    /// How often it was told of the begin and the end of sections.
    pub(crate) fn drained(&self) -> (u32, u32) {
        (self.0.drained_begins.get(), self.0.drained_ends.get())
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        self.0.log.take()
    }

    pub(crate) fn take_perm_log(&self) -> Vec<String> {
        self.0.perm_log.take()
    }

    pub(crate) fn content(&self) -> Vec<u8> {
        self.0.content.borrow().clone()
    }

    pub(crate) fn fill(&self, pattern: u8) {
        self.0.content.borrow_mut().fill(pattern);
    }

    /// A request has come: notes it, waits as `pace` says, and fails if it is to fail.
    async fn serve(&self, node: &Node, what: String) -> BlockResult<()> {
        let state = &self.0;
        state.active.set(state.active.get() + 1);
        let _active = Active(state.clone());
        state.served.set(state.served.get() + 1);
        state.log.borrow_mut().push(what);
        let delay_ns = state.delays_ns.borrow_mut().pop();
        let pace = delay_ns.map_or(state.pace.get(), Pace::Timer);
        match pace {
            Pace::AtOnce => {}
            Pace::BottomHalf => {
                let done = Rc::new(CoQueue::new());
                let wake = done.clone();
                node.context()
                    .schedule_oneshot("answer", move || wake.wake_all());
                done.wait().await;
            }
            Pace::Timer(delay_ns) => node.context().sleep(delay_ns).await,
            Pace::Held => state.held.wait().await,
        }
        match state.errno.get() {
            Some(errno) => Err(BlockError::from_errno(errno, "the test has it fail")),
            None => Ok(()),
        }
    }

    fn check_alignment(&self, offset: u64, bytes: u64) {
        let align = self.0.limits.get().request_alignment;
        assert!(
            (offset | bytes).is_multiple_of(align) && bytes > 0,
            "{offset}+{bytes} does not fit {align}"
        );
    }
}

impl Driver for TestDriver {
    fn format_name(&self) -> &'static str {
        "test"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn is_filter(&self) -> bool {
        self.0.filter
    }

    fn limits(&self, node: &Node) -> Limits {
        match node.filtered() {
            Some(child) if self.0.filter => child.node().limits(),
            _ => self.0.limits.get(),
        }
    }

    fn length(&self, node: &Node) -> BlockResult<u64> {
        match node.filtered() {
            Some(child) if self.0.filter => child.node().len(),
            _ => Ok(self.0.content.borrow().len() as u64),
        }
    }

    fn child_perms(&self, role: ChildRole, parents: PermPair, read_only: bool) -> PermPair {
        use blockjob_block::perm::{cow_perms, filter_perms, storage_perms};
        match (&*self.0.child_perms.borrow(), role) {
            (Some(perms), role) => perms(role, parents),
            (None, ChildRole::Filtered) => filter_perms(parents),
            (None, ChildRole::Cow) => cow_perms(parents),
            (None, ChildRole::Data) => storage_perms(parents, read_only),
        }
    }

    fn check_perms(&self, _node: &Node, perms: PermPair) -> BlockResult<()> {
        if let Some(text) = self.0.refused.get() {
            return Err(BlockError::new(ErrorKind::InUse, text));
        }
        let line = format!("check {}", perms.used);
        self.0.perm_log.borrow_mut().push(line);
        Ok(())
    }

    fn set_perms(&self, _node: &Node, perms: PermPair) {
        let line = format!("set {}", perms.used);
        self.0.perm_log.borrow_mut().push(line);
    }

    fn abort_perms(&self, _node: &Node) {
        self.0.perm_log.borrow_mut().push("abort".to_owned());
    }

    fn read<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        mut buf: BytesMut,
    ) -> IoFuture<'a, ReadResult> {
        Box::pin(async move {
            self.check_alignment(offset, buf.len() as u64);
            let result = self
                .serve(node, format!("read {offset}+{}", buf.len()))
                .await;
            if result.is_err() {
                return (buf, result);
            }
            if let Some(child) = node.filtered() {
                return child.read(offset, buf).await;
            }
            let content = self.0.content.borrow();
            for (index, byte) in buf.iter_mut().enumerate() {
                *byte = content.get(offset as usize + index).copied().unwrap_or(0);
            }
            (buf, Ok(()))
        })
    }

    fn write<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        data: Bytes,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.check_alignment(offset, data.len() as u64);
            let what = format!("write {offset}+{}", data.len());
            self.serve(node, what).await?;
            if let Some(child) = node.filtered() {
                return child.write(offset, data).await;
            }
            let mut content = self.0.content.borrow_mut();
            let end = offset as usize + data.len();
            if self.0.grows.get() && end > content.len() {
                content.resize(end, 0);
            }
            let end = end.min(content.len());
            let start = (offset as usize).min(end);
            content[start..end].copy_from_slice(&data[..end - start]);
            Ok(())
        })
    }

    fn write_zeroes<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
        _flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.check_alignment(offset, bytes);
            self.serve(node, format!("zero {offset}+{bytes}")).await?;
            if !self.0.can_zero.get() {
                return Err(BlockError::new(ErrorKind::NotSupported, "no zeroes here"));
            }
            let mut content = self.0.content.borrow_mut();
            content[offset as usize..(offset + bytes) as usize].fill(0);
            Ok(())
        })
    }

    fn discard<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.check_alignment(offset, bytes);
            self.serve(node, format!("discard {offset}+{bytes}")).await
        })
    }

    fn flush<'a>(&'a self, node: &'a Node) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.serve(node, "flush".to_owned()).await?;
            for child in node.children() {
                child.node().flush().await?;
            }
            Ok(())
        })
    }

    fn block_status<'a>(
        &'a self,
        node: &'a Node,
        offset: u64,
        bytes: u64,
    ) -> IoFuture<'a, BlockResult<BlockStatus>> {
        let status = match (&*self.0.status.borrow(), node.filtered()) {
            (Some(status), _) => status(offset, bytes),
            (None, Some(_)) => BlockStatus::unallocated(bytes),
            (None, None) => BlockStatus::data(bytes),
        };
        Box::pin(async move { Ok(status) })
    }

    fn truncate<'a>(&'a self, node: &'a Node, len: u64) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.serve(node, format!("truncate {len}")).await?;
            self.0.content.borrow_mut().resize(len as usize, 0);
            Ok(())
        })
    }

    fn drained_begin(&self, _node: &Node) {
        self.0.drained_begins.set(self.0.drained_begins.get() + 1);
        let hook = self.0.on_drained_begin.take();
        if let Some(mut hook) = hook {
            hook();
        }
    }

    fn drained_end(&self, _node: &Node) {
        self.0.drained_ends.set(self.0.drained_ends.get() + 1);
        let hook = self.0.on_drained_end.take();
        if let Some(mut hook) = hook {
            hook();
        }
    }
}
