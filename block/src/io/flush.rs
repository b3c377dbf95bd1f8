//! Flushes: one at a time, and none that is not needed.

use std::pin::Pin;
use std::rc::Rc;

use crate::child::ChildRole;
use crate::error::BlockResult;
use crate::node::Node;

impl Node {
    /// Returns when every write that had ended before is safe from a crash.
    ///
    /// One flush runs at a time; who comes meanwhile waits, and often finds the work done.
    ///
    /// QEMU: `bdrv_co_flush` (block/io.c).
    pub async fn flush(&self) -> BlockResult<()> {
        self.check_not_departed()?;
        let in_flight = self.begin_internal();
        let gen_ = self.io.write_gen.get();
        while self.io.flush_active.get() {
            self.io.flush_queue.wait().await;
        }
        // From here on it is this one's to wake the next, also if there is nothing left to do.
        let active = FlushActive::begin(self);
        let leaf = self.children().is_empty();
        let flushed_gen = &self.io.flushed_gen;
        let mut result = Ok(());
        if self.settings().no_flush {
            // The driver's own caches may stay where they are, but who else is below wants his.
            for child in self.children() {
                if child.role() != ChildRole::Cow {
                    result = child.node().flush_boxed().await;
                    if result.is_err() {
                        break;
                    }
                }
            }
        } else if !leaf || flushed_gen.get() < gen_ {
            result = self.driver().flush(self).await;
            if result.is_ok() {
                // One that came later may have made more safe, while this one waited.
                flushed_gen.set(flushed_gen.get().max(gen_));
            }
        }
        drop(active);
        drop(in_flight);
        result
    }

    /// As [`flush`](Self::flush), for who is in one.
    fn flush_boxed(self: Rc<Self>) -> Pin<Box<dyn Future<Output = BlockResult<()>>>> {
        Box::pin(async move { self.flush().await })
    }
}

/// Marks the one flush that runs, also if its future is dropped.
struct FlushActive<'a>(&'a Node);

impl<'a> FlushActive<'a> {
    fn begin(node: &'a Node) -> Self {
        node.io.flush_active.set(true);
        FlushActive(node)
    }
}

impl Drop for FlushActive<'_> {
    fn drop(&mut self) {
        self.0.io.flush_active.set(false);
        self.0.io.flush_queue.wake_next();
    }
}
