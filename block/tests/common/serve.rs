//! What the driver of these tests does when it is asked.

use std::any::Any;
use std::rc::Rc;

use blockjob_block::child::ChildRole;
use blockjob_block::driver::{BlockStatus, Driver, IoFuture, Limits, ReadResult, ZeroFlags};
use blockjob_block::perm::{cow_perms, filter_perms, storage_perms};
use blockjob_block::{BlockError, BlockResult, ErrorKind, Node, PermPair};
use blockjob_runtime::CoQueue;
use bytes::{Bytes, BytesMut};

use super::{Active, Pace, TestDriver};

impl TestDriver {
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
        flags: ZeroFlags,
    ) -> IoFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            self.check_alignment(offset, bytes);
            let unmap = if flags.may_unmap { " unmap" } else { "" };
            self.serve(node, format!("zero {offset}+{bytes}{unmap}"))
                .await?;
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
