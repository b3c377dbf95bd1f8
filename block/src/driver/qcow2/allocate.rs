//! New clusters for a write.
//!
//! What a write covers only in part is filled up with what the guest would have read there, so that
//! whole clusters are written, and `imago` has nothing to copy while others wait.
//!
//! QEMU: `handle_alloc`, `perform_cow` (block/qcow2-cluster.c).

use std::ops::Range;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use imago::format::drivers::FormatDriverInstance;

use super::file::File;
use super::image::{Image, Kind, Run};
use super::server::from_io;
use super::write::{Made, Piece};
use crate::error::BlockResult;
use crate::node::Node;

/// How many bytes of zeroes around some data are worth a request of their own.
const ZERO_FILL_BYTES: u64 = 128 << 10;

impl Image {
    /// Makes the mappings for a write, and lists what is to be written where.
    pub(super) async fn write_runs(
        self: &Rc<Self>,
        node: &Rc<Node>,
        file: &File,
        runs: &[Run],
        (offset, data): (u64, &Bytes),
        pieces: &mut Vec<Piece>,
        made: &mut Vec<Made>,
    ) -> BlockResult<()> {
        for run in runs {
            let at = (run.offset - offset) as usize;
            let part = data.slice(at..at + run.bytes as usize);
            if let Kind::Data { host, owned: true } = run.kind {
                pieces.push(Piece { host, data: part });
                continue;
            }
            let clusters = self.clusters(run.offset..run.end());
            let clusters = clusters.start..clusters.end.min(self.size());
            if self.is_mostly_zero(node, &clusters, run).await? {
                made.push(Made {
                    range: clusters.clone(),
                    before: run.kind,
                });
                self.place_in_zeroes(file, clusters, run.offset, part, pieces)
                    .await?;
                continue;
            }
            let whole = self
                .fill_up(node, file, clusters.clone(), run.offset, part)
                .await?;
            match run.kind {
                Kind::Zero | Kind::Unallocated => {
                    made.push(Made {
                        range: clusters.clone(),
                        before: run.kind,
                    });
                    let fills = clusters.start < run.offset || run.end() < clusters.end;
                    let placed = if fills { None } else { Some(&mut *pieces) };
                    self.place(file, clusters, whole, placed).await?;
                }
                // There is something to lose: it is replaced only when the new data is there.
                _ => self.replace(file, clusters.start, whole).await?,
            }
        }
        Ok(())
    }

    /// True if so much of the clusters around a range is zero that it is better zeroed than written.
    ///
    /// QEMU: `handle_alloc_space` (block/qcow2.c).
    async fn is_mostly_zero(
        &self,
        node: &Node,
        clusters: &Range<u64>,
        run: &Run,
    ) -> BlockResult<bool> {
        if clusters.end - clusters.start < run.bytes + ZERO_FILL_BYTES {
            return Ok(false);
        }
        match run.kind {
            Kind::Zero => Ok(true),
            Kind::Unallocated => self.is_zero_below(node, clusters.clone()).await,
            Kind::Data { .. } | Kind::Compressed => Ok(false),
        }
    }

    /// Maps clusters, zeroes them in the file, and says where in them the data goes.
    async fn place_in_zeroes(
        &self,
        file: &File,
        clusters: Range<u64>,
        offset: u64,
        part: Bytes,
        pieces: &mut Vec<Piece>,
    ) -> BlockResult<()> {
        let end = offset + part.len() as u64;
        let mut at = clusters.start;
        while at < clusters.end {
            let (host, len) = self.make_data(file, at..clusters.end).await?;
            self.check_place(host, len)?;
            let zeroes = file.write_zeroes(host, len);
            self.server.copies.land(zeroes).await?;
            let (from, to) = (offset.max(at), end.min(at + len));
            if from < to {
                pieces.push(Piece {
                    host: host + (from - at),
                    data: part.slice((from - offset) as usize..(to - offset) as usize),
                });
            }
            at += len;
        }
        Ok(())
    }

    /// Surrounds a part of some clusters with what the guest reads there.
    async fn fill_up(
        self: &Rc<Self>,
        node: &Rc<Node>,
        file: &File,
        clusters: Range<u64>,
        offset: u64,
        part: Bytes,
    ) -> BlockResult<Vec<Bytes>> {
        let cluster_size = self.cluster_size() as usize;
        let head = (offset - clusters.start) as usize;
        let end = offset + part.len() as u64;
        let tail = (clusters.end - end) as usize;
        if head == 0 && tail == 0 {
            return Ok(vec![part]);
        }
        let mut rest = part;
        let mut whole = Vec::with_capacity(3);
        if head > 0 {
            let (buf, result) = self
                .read_held(node, file, clusters.start, BytesMut::zeroed(head))
                .await;
            result?;
            let taken = rest.split_to(rest.len().min(cluster_size - head));
            let mut buf = buf;
            buf.extend_from_slice(&taken);
            whole.push(buf.freeze());
        }
        let mut last = BytesMut::new();
        if tail > 0 {
            // The last cluster is the first one, too, if nothing is left.
            let begun = if rest.is_empty() {
                whole.pop().unwrap_or_default()
            } else {
                rest.split_off(rest.len() - (end % cluster_size as u64) as usize)
            };
            last.extend_from_slice(&begun);
            let (buf, result) = self
                .read_held(node, file, end, BytesMut::zeroed(tail))
                .await;
            result?;
            last.extend_from_slice(&buf);
        }
        whole.push(rest);
        whole.push(last.freeze());
        whole.retain(|bytes| !bytes.is_empty());
        Ok(whole)
    }

    /// Maps clusters, and says in `later` what is to be written where; without that it is written at once,
    /// because others may depend on it: see `qcow2/copies.rs`.
    async fn place(
        &self,
        file: &File,
        clusters: Range<u64>,
        whole: Vec<Bytes>,
        mut later: Option<&mut Vec<Piece>>,
    ) -> BlockResult<()> {
        let mut at = clusters.start;
        let mut parts = whole.into_iter();
        let mut part = parts.next().unwrap_or_default();
        while at < clusters.end {
            let (mut host, mut len) = self.make_data(file, at..clusters.end).await?;
            at += len;
            let mut pieces = Vec::new();
            while len > 0 {
                let data = part.split_to(part.len().min(len as usize));
                let bytes = data.len() as u64;
                pieces.push(Piece { host, data });
                host += bytes;
                len -= bytes;
                if part.is_empty() {
                    part = parts.next().unwrap_or_default();
                }
            }
            match &mut later {
                Some(later) => later.append(&mut pieces),
                None => {
                    let data = self.write_pieces(file, pieces);
                    self.server.copies.land(data).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes to new clusters, and only then has them take the place of the old ones. Others who make
    /// mappings near it wait meanwhile, inside of `imago`.
    async fn replace(&self, file: &File, offset: u64, whole: Vec<Bytes>) -> BlockResult<()> {
        self.dirty.set(true);
        let mut at = offset;
        for mut data in whole {
            while !data.is_empty() {
                let len = data.len() as u64;
                let part = &mut data;
                let done = self.together(async |imago| {
                    let context = "Could not allocate clusters";
                    let prepared = self
                        .server
                        .serve(file, imago.prepare_data_mapping(at, len, true))
                        .await
                        .map_err(|error| from_io(&error, context))?;
                    let bytes = prepared.length().min(len);
                    let data = part.split_to(bytes as usize);
                    self.check_place(prepared.offset(), bytes)?;
                    file.write(prepared.offset(), data).await?;
                    self.server.copies.have_come();
                    self.server
                        .serve(file, imago.commit_data_mapping(prepared))
                        .await
                        .map_err(|error| from_io(&error, context))?;
                    Ok(bytes)
                });
                at += done.await?;
            }
        }
        Ok(())
    }
}
