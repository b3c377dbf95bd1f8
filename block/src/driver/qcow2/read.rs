//! Reads.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::BytesMut;

use super::file::File;
use super::image::{Image, Kind, Run};
use crate::driver::ReadResult;
use crate::error::BlockResult;
use crate::node::Node;
use crate::oneshot;

/// How many requests to the file one request of the guest has at a time, if it is scattered.
pub(super) const PARALLEL: usize = 16;

impl Image {
    /// Fills `buf` from `offset`.
    ///
    /// QEMU: `qcow2_co_preadv_part` (block/qcow2.c).
    pub(super) async fn read(
        self: Rc<Self>,
        node: Rc<Node>,
        file: File,
        offset: u64,
        buf: BytesMut,
    ) -> ReadResult {
        let _held = self.ranges.shared(offset..offset + buf.len() as u64).await;
        self.read_held(&node, &file, offset, buf).await
    }

    /// Fills `buf` from `offset`; the caller holds the range.
    pub(super) async fn read_held(
        self: &Rc<Self>,
        node: &Rc<Node>,
        file: &File,
        offset: u64,
        buf: BytesMut,
    ) -> ReadResult {
        let range = offset..offset + buf.len() as u64;
        let runs = match self.runs(file, range).await {
            Ok(runs) => runs,
            Err(error) => return (buf, Err(error)),
        };
        if let [run] = runs[..] {
            return self.read_run(node, file, run, buf).await;
        }
        self.read_scattered(node, file, &runs, buf).await
    }

    async fn read_scattered(
        self: &Rc<Self>,
        node: &Rc<Node>,
        file: &File,
        runs: &[Run],
        mut rest: BytesMut,
    ) -> ReadResult {
        let mut done = BytesMut::new();
        let mut result = Ok(());
        let mut waiting = VecDeque::new();
        for run in runs {
            if waiting.len() == PARALLEL {
                take_part(waiting.pop_front(), &mut done, &mut result).await;
            }
            let part = rest.split_to(run.bytes as usize);
            let (sender, receiver) = oneshot::channel();
            let (image, node, end, run) = (self.clone(), node.clone(), file.clone(), *run);
            file.start("qcow2_read", async move {
                sender.send(image.read_run(&node, &end, run, part).await);
            });
            waiting.push_back(receiver);
        }
        while !waiting.is_empty() {
            take_part(waiting.pop_front(), &mut done, &mut result).await;
        }
        (done, result)
    }

    async fn read_run(&self, node: &Node, file: &File, run: Run, mut buf: BytesMut) -> ReadResult {
        match run.kind {
            Kind::Data { host, .. } => file.read(host, buf).await,
            Kind::Compressed => {
                let result = self.read_compressed(file, run.offset, &mut buf).await;
                (buf, result)
            }
            Kind::Unallocated => match node.backing() {
                Some(backing) => backing.read(run.offset, buf).await,
                None => {
                    buf.fill(0);
                    (buf, Ok(()))
                }
            },
            Kind::Zero => {
                buf.fill(0);
                (buf, Ok(()))
            }
        }
    }
}

async fn take_part(
    receiver: Option<oneshot::Receiver<ReadResult>>,
    done: &mut BytesMut,
    result: &mut BlockResult<()>,
) {
    if let Some(receiver) = receiver {
        let (part, read) = receiver.await;
        done.unsplit(part);
        if result.is_ok() {
            *result = read;
        }
    }
}
