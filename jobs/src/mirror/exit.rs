//! M17, in the main loop: the users of the source get the target.
//!
//! The source has been drained since M14 or M16, so whatever the guest sends waits in its backend,
//! and goes to the node that the backend uses when the section ends.
//!
//! QEMU: `mirror_exit_common` and, in 2.6, `mirror_exit` (block/mirror.c).

use std::rc::Rc;

use blockjob_block::driver::quorum::QuorumDriver;
use blockjob_block::{BlockError, BlockResult, ErrorKind, Graph, Node};

use super::backing::EPERM;
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
        self.course.last_write(self.guest_writes());
        let nested = || self.source_node().quiesce_counter() > 1;
        self.context.mark_if(nested, &marks::PIVOT_NESTED);
        let filter_drained = self.filter_node().map(|it| it.drained_begin("mirror_exit"));
        let target_drained = self.target_node().drained_begin("mirror_exit");
        self.let_go();
        let result = match abort {
            true => Ok(()),
            false => self.finish(),
        };
        self.op_blocks.borrow_mut().clear();
        self.to_replace.borrow_mut().take();
        if let Some(block_job) = job.block_job() {
            block_job.remove_all_bdrv();
        }
        // Unless that is done: whoever used the source before uses it again.
        self.return_source();
        drop(target_drained);
        drop(filter_drained);
        self.end_drain();
        result
    }

    /// It ends well: the target gets what it is to be above, and, if the job was told to complete, the
    /// users of the source get the target. All of it or nothing: a target without its backing node
    /// shows something else than the source does.
    fn finish(&self) -> JobResult {
        self.attach_backing()?;
        if !self.should_complete.get() {
            return Ok(());
        }
        self.pivot().map_err(|error| {
            tracing::error!(target: "blockjob::mirror", %error, "nobody gets the target");
            JobError::Io { errno: EPERM }
        })
    }

    fn pivot(&self) -> BlockResult<()> {
        let to_replace = self.to_replace.borrow().clone();
        let to_replace = to_replace.unwrap_or_else(|| self.source_node());
        if !can_replace(&self.source_node(), &to_replace) {
            let text = format!(
                "Can no longer replace '{}' by '{}', because it can no longer be guaranteed that \
                 doing so would not lead to an abrupt change of visible data",
                to_replace.name(),
                self.target_node().name()
            );
            return Err(BlockError::new(ErrorKind::Invalid, text));
        }
        let graph = self.source_node().graph().expect("the graph outlives jobs");
        self.keep_read_only(&graph, &to_replace);
        // First the users of the filter are users of the source again, and then all of them, and
        // those who used it directly, are users of the target. Nobody sees the moment in between: all
        // three nodes are drained.
        self.drop_filter()?;
        graph.replace_node(&to_replace, &self.target_node())?;
        self.pivoted.set(true);
        Ok(())
    }

    /// A copy of a disk that nobody may write to is one that nobody may write to. If somebody has come
    /// to write to the target he goes on.
    fn keep_read_only(&self, graph: &Graph, to_replace: &Node) {
        if to_replace.is_read_only()
            && !self.target_node().is_read_only()
            && let Err(error) = graph.make_read_only(&self.target_node())
        {
            tracing::warn!(target: "blockjob::mirror", %error, "the target stays writable");
        }
    }

    /// Takes the filter from the graph, unless that is done. Its users use what is below it.
    fn drop_filter(&self) -> BlockResult<()> {
        let filter = self.filter_node();
        if let Some(filter) = filter {
            let graph = filter.graph().expect("the graph outlives jobs");
            graph.drop_filter(&filter)?;
            self.filter.borrow_mut().take();
        }
        Ok(())
    }

    /// The users of the source have it back. What they do with it through the filter they can do
    /// without, so only somebody who has nailed an edge down can be in the way; then the filter stays
    /// where it is, and passes on what it is given.
    pub(super) fn return_source(&self) {
        if let Err(error) = self.drop_filter() {
            tracing::error!(target: "blockjob::mirror", %error, "the filter stays");
            self.filter.borrow_mut().take();
        }
    }

    /// The guest goes on.
    fn end_drain(&self) {
        drop(self.drained.borrow_mut().take());
        self.course.let_go(self.context.now_ns());
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
        let outcome = Outcome {
            end,
            stats: self.stats.get(),
            flushed: self.flushed.get(),
            len_bytes: self.len_bytes.get(),
        };
        let nodes = self.nodes.borrow_mut().take();
        if let Some(nodes) = &nodes {
            self.write_receipt(nodes, &outcome);
        }
        *self.outcome.borrow_mut() = Some(outcome);
        drop(nodes);
    }
}

/// True if `to_replace` shows what `source` shows, or if nobody sees what it shows: it is the source, or
/// only filters are between, or it is a child of a quorum that is.
///
/// QEMU: `bdrv_recurse_can_replace` (block.c), `quorum_recurse_can_replace` (block/quorum.c).
pub(super) fn can_replace(source: &Rc<Node>, to_replace: &Rc<Node>) -> bool {
    let mut node = source.clone();
    loop {
        if Rc::ptr_eq(&node, to_replace) {
            return true;
        }
        if node.driver().as_any().is::<QuorumDriver>() {
            // A child may be worth replacing because it shows something else. What its siblings
            // outvote nobody sees; further down somebody might.
            let children = node.children();
            return children
                .iter()
                .any(|child| Rc::ptr_eq(&child.node(), to_replace));
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
