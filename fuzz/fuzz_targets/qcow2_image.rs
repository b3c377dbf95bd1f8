//! A qcow2 image of somebody else's making: the bytes are the beginning of the file.
//!
//! Whatever they are, the image is opened or refused with a sentence, in bounded memory; and then reads,
//! writes and the rest of it succeed or fail, and end.

#![no_main]

use std::rc::Rc;

use blockjob::block::child::ChildRole;
use blockjob::block::driver::ZeroFlags;
use blockjob::block::driver::mem::MemOptions;
use blockjob::block::driver::qcow2::{OpenOptions, open, probe};
use blockjob::block::{BlockBackend, Graph, Perm, PermPair};
use blockjob::runtime::AioContext;
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

/// The file is no longer than this at first.
const FILE_BYTES: u64 = 1 << 20;
/// What is asked for at a time.
const PIECE_BYTES: u64 = 3000;

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() as u64 > FILE_BYTES {
        return;
    }
    probe(bytes);
    let context = AioContext::builder().virtual_time().build();
    let _current = context.make_current();
    let graph = Graph::new(&context);
    let content = Bytes::copy_from_slice(bytes);
    use_image(&context, &graph, content);
    context.close();
});

fn use_image(context: &AioContext, graph: &Rc<Graph>, content: Bytes) {
    let disk = MemOptions::new(FILE_BYTES).growable(true).build();
    let file = graph
        .add_node(Some("file"), Box::new(disk), false, &[])
        .expect("the name is free");
    let fill = file.clone();
    let filled = context.run("fill", async move {
        let blk = BlockBackend::new(&fill.graph().expect("it lives"), "", ALL)?;
        blk.insert(&fill)?;
        blk.write(0, content).await
    });
    filled.expect("memory takes all");
    let opening = file.clone();
    let options = OpenOptions { read_only: false };
    let opened = match context.run("open", async move { open(&opening, options).await }) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let child = ("file", ChildRole::Data, file);
    let Ok(node) = graph.add_node(Some("disk"), Box::new(opened.driver), false, &[child]) else {
        return;
    };
    let blk = BlockBackend::new(graph, "", ALL).expect("it has no name");
    if blk.insert(&node).is_err() {
        return;
    }
    let len = blk.len().expect("the header says it");
    context.run("use", async move {
        for offset in [0, len / 2, len.saturating_sub(PIECE_BYTES)] {
            let bytes = PIECE_BYTES.min(len - offset);
            let Ok(size) = usize::try_from(bytes) else {
                return;
            };
            let _ = blk.read(offset, BytesMut::zeroed(size)).await;
            let _ = node.block_status(offset, bytes).await;
            let _ = blk.write(offset, Bytes::from(vec![0xa5; size])).await;
            let _ = blk
                .write_zeroes(offset, bytes / 2, ZeroFlags::default())
                .await;
            let _ = blk.discard(offset, bytes).await;
        }
        let _ = blk.flush().await;
    });
}

const ALL: PermPair = PermPair::new(Perm::CONSISTENT_READ.or(Perm::WRITE), Perm::ALL);
