//! M17, in the main loop: the users of the source get the target.
//!
//! The source has been drained since M14 or M16, so whatever the guest sends waits in its backend,
//! and goes to the node that the backend uses when the section ends.
//!
//! QEMU: `mirror_exit_common` and, in 2.6, `mirror_exit` (block/mirror.c).

use std::rc::Rc;

use blockjob_block::Node;

use super::outcome::{MirrorEnd, Outcome};
use super::state::MirrorJob;
use super::steps::Step;
use crate::driver::JobResult;
use crate::error::JobError;
use crate::job::Job;
use crate::marks;

impl MirrorJob {
    /// Ends the job's use of its nodes, with a pivot if that is how it ends. Runs once.
    ///
    /// QEMU: `mirror_exit_common` and, in 2.6, `mirror_exit` (block/mirror.c).
    pub(super) fn mirror_exit(&self, job: &Rc<Job>, abort: bool) -> JobResult {
        if self.exited.replace(true) {
            return Ok(());
        }
        self.step(Step::M17);
        let nested = || self.source_node.quiesce_counter() > 1;
        self.context.mark_if(nested, &marks::PIVOT_NESTED);
        let target_drained = self.target_node.drained_begin("mirror_exit");
        if let Some(bitmap) = self.dirty_bitmap.borrow_mut().take() {
            self.source_node.release_dirty_bitmap(&bitmap);
        }
        // The job's own write access would keep the users of the source from getting theirs.
        drop(self.target.borrow_mut().take());
        drop(self.source.borrow_mut().take());
        let result = if self.should_complete.get() && !abort {
            self.pivot()
        } else {
            Ok(())
        };
        self.op_blocks.borrow_mut().clear();
        self.to_replace.borrow_mut().take();
        if let Some(block_job) = job.block_job() {
            block_job.remove_all_bdrv();
        }
        drop(target_drained);
        self.end_drain();
        result
    }

    fn pivot(&self) -> JobResult {
        let to_replace = self.to_replace.borrow().clone();
        let to_replace = to_replace.unwrap_or_else(|| self.source_node.clone());
        if !can_replace(&self.source_node, &to_replace) {
            return Err(JobError::Invalid {
                text: format!(
                    "Can no longer replace '{}' by '{}', because it can no longer be guaranteed \
                     that doing so would not lead to an abrupt change of visible data",
                    to_replace.name(),
                    self.target_node.name()
                ),
            });
        }
        let graph = self.source_node.graph().expect("the graph outlives jobs");
        graph
            .replace_node(&to_replace, &self.target_node)
            .map_err(JobError::from)?;
        self.pivoted.set(true);
        Ok(())
    }

    /// The guest goes on.
    fn end_drain(&self) {
        drop(self.drained.borrow_mut().take());
        if self.external_masked.replace(false) {
            self.context.handle().enable_external();
        }
    }

    /// After everything: what it has come to.
    pub(super) fn conclude(&self, job: &Rc<Job>) {
        let end = match job.ret() {
            // Also when the transaction failed after that: nobody goes back to the source.
            _ if self.pivoted.get() => MirrorEnd::Pivoted,
            Ok(()) => MirrorEnd::PointInTime,
            Err(JobError::Cancelled) => MirrorEnd::Abandoned,
            Err(error) => MirrorEnd::Failed(error),
        };
        *self.outcome.borrow_mut() = Some(Outcome {
            end,
            stats: self.stats.get(),
            flushed: self.flushed.get(),
            len_bytes: self.len_bytes.get(),
        });
    }
}

/// True if `to_replace` shows what `source` shows: it is the source, or only filters are between.
///
/// QEMU: `bdrv_recurse_can_replace` (block.c).
pub(super) fn can_replace(source: &Rc<Node>, to_replace: &Rc<Node>) -> bool {
    let mut node = source.clone();
    loop {
        if Rc::ptr_eq(&node, to_replace) {
            return true;
        }
        if !node.driver().is_filter() {
            return false;
        }
        match node.filtered() {
            Some(child) => node = child.node(),
            None => return false,
        }
    }
}
