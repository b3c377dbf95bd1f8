//! What a disk holds, and what of it would survive a crash.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use blockjob_block::buf::BufferPool;
use blockjob_block::driver::BlockStatus;
use blockjob_runtime::decide::Site;

use super::{DiskSpec, Fill, UNIT_BYTES};
use crate::decide::Decider;
use crate::image::workshop::{Plan, Workshop};

/// Whether a write that no flush has made safe survives a crash, and how much of it.
static SURVIVES: Site = Site::new("disk.survives");

const UNIT: usize = UNIT_BYTES as usize;

/// What is known of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cluster {
    Unallocated,
    Zero,
    Data,
}

/// A write that no flush has made safe.
struct Unsafe {
    /// How many had landed before it.
    order: u64,
    offset: usize,
    data: Vec<u8>,
}

/// See the module.
pub(crate) struct Store {
    bytes: Vec<u8>,
    clusters: Vec<Cluster>,
    cluster_bytes: usize,
    /// Unallocated clusters show what is below.
    has_backing: bool,
    /// What a crash leaves in any case, if something is volatile.
    safe: Vec<u8>,
    unsafe_writes: VecDeque<Unsafe>,
    landed: u64,
    is_volatile: bool,
    /// Writes behind the end make it longer.
    grows: bool,
}

/// What the place `unit` of a disk holds to begin with, if that is data: in each place another.
pub(crate) fn initial_stamp(unit: u64) -> u64 {
    1 << 63 | unit
}

/// What a target held before.
fn noise_stamp(unit: u64) -> u64 {
    (unit + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 3 << 62
}

/// What a disk holds, with what is known of its clusters.
type Image = (Vec<u8>, Vec<Cluster>);

/// Its length, the size of its clusters, and what it holds.
type ImageKind = (usize, usize, Fill);

/// Large buffers, used again from run to run, and the images that disks begin with.
#[derive(Default)]
pub struct Spares {
    /// By length, cluster size and fill.
    fresh: RefCell<Vec<(ImageKind, Image)>>,
    used: RefCell<Vec<Image>>,
    pool: RefCell<Option<(usize, Rc<BufferPool>)>>,
    workshop: OnceCell<Workshop>,
    /// Files of new images, by what they show.
    files: RefCell<Vec<(ImageKind, Rc<Vec<u8>>)>>,
}

/// So many images are kept, at most.
const MAX_FRESH: usize = 8;

impl Spares {
    fn image(&self, len: usize, cluster_bytes: usize, fill: Fill) -> Image {
        let key = (len, cluster_bytes, fill);
        let mut fresh = self.fresh.borrow_mut();
        let index = match fresh.iter().position(|(known, _)| *known == key) {
            Some(index) => index,
            None => {
                if fresh.len() == MAX_FRESH {
                    fresh.remove(0);
                }
                fresh.push((key, make_image(len, cluster_bytes, fill)));
                fresh.len() - 1
            }
        };
        let (bytes, clusters) = &fresh[index].1;
        let mut image = self.used.borrow_mut().pop().unwrap_or_default();
        image.0.clone_from(bytes);
        image.1.clone_from(clusters);
        image
    }

    /// Buffers for the jobs of a run, together not more than `room` bytes.
    pub(crate) fn pool(&self, room: usize) -> Rc<BufferPool> {
        let mut pool = self.pool.borrow_mut();
        match &*pool {
            // Whoever a broken run has left behind may still hold some of it.
            Some((size, pool)) if *size == room && Rc::strong_count(pool) == 1 => pool.clone(),
            _ => {
                let fresh = Rc::new(BufferPool::new(512, room));
                *pool = Some((room, fresh.clone()));
                fresh
            }
        }
    }

    /// Where images are made.
    pub(crate) fn workshop(&self) -> &Workshop {
        self.workshop.get_or_init(Workshop::new)
    }

    /// The file of an image that holds what a disk of `len` bytes does that begins with `fill`.
    pub(crate) fn image_file(&self, len: u64, cluster_bytes: u64, fill: Fill) -> Rc<Vec<u8>> {
        let key = (len as usize, cluster_bytes as usize, fill);
        let mut files = self.files.borrow_mut();
        if let Some((_, file)) = files.iter().find(|(known, _)| *known == key) {
            return file.clone();
        }
        let (bytes, clusters) = make_image(len as usize, cluster_bytes as usize, fill);
        let parts = bytes.chunks(cluster_bytes as usize);
        let parts = (0..).step_by(cluster_bytes as usize).zip(parts);
        let held = parts.zip(clusters);
        let held = held.filter(|(_, cluster)| *cluster == Cluster::Data);
        let plan = Plan {
            len,
            cluster_bytes,
            data: held.map(|(part, _)| part).collect(),
        };
        let file = self.workshop().make(&plan);
        let file = Rc::new(file.expect("nothing fails in the workshop"));
        if files.len() == MAX_FRESH {
            files.remove(0);
        }
        files.push((key, file.clone()));
        file
    }

    fn give_back(&self, image: Image) {
        let mut used = self.used.borrow_mut();
        if used.len() < MAX_FRESH {
            used.push(image);
        }
    }
}

fn make_image(len: usize, cluster_bytes: usize, fill: Fill) -> Image {
    let mut bytes = vec![0; len];
    let mut clusters = vec![Cluster::Unallocated; len.div_ceil(cluster_bytes)];
    let holds_data = |cluster: usize| match fill {
        Fill::Data | Fill::Noise => true,
        // Runs of different lengths, so that requests straddle the ends.
        Fill::Sparse => (cluster / 3).is_multiple_of(2),
        Fill::Holes => false,
    };
    for (cluster, bytes) in bytes.chunks_mut(cluster_bytes).enumerate() {
        if !holds_data(cluster) {
            continue;
        }
        clusters[cluster] = Cluster::Data;
        let first = (cluster * cluster_bytes / UNIT) as u64;
        for (unit, bytes) in (first..).zip(bytes.chunks_mut(UNIT)) {
            let stamp = match fill {
                Fill::Noise => noise_stamp(unit),
                _ => initial_stamp(unit),
            };
            fill_unit(bytes, stamp);
        }
    }
    (bytes, clusters)
}

fn fill_unit(bytes: &mut [u8], stamp: u64) {
    for word in bytes.chunks_mut(8) {
        word.copy_from_slice(&stamp.to_le_bytes()[..word.len()]);
    }
}

impl Store {
    pub(crate) fn new(len: u64, spec: &DiskSpec, spares: &Spares) -> Store {
        // What it knows of itself, it knows in whole blocks, as it is asked.
        let cluster_bytes = spec.cluster_bytes.max(spec.alignment).max(UNIT_BYTES) as usize;
        let (bytes, clusters) = spares.image(len as usize, cluster_bytes, spec.fill);
        let safe = match spec.volatile {
            true => bytes.clone(),
            false => Vec::new(),
        };
        Store {
            bytes,
            clusters,
            cluster_bytes,
            has_backing: false,
            safe,
            unsafe_writes: VecDeque::new(),
            landed: 0,
            is_volatile: spec.volatile,
            grows: spec.grows,
        }
    }

    /// A file that holds `bytes`, safely.
    pub(crate) fn holding(bytes: &[u8], spec: &DiskSpec, spares: &Spares) -> Store {
        let mut store = Store::new(0, spec, spares);
        store.bytes.extend_from_slice(bytes);
        if store.is_volatile {
            store.safe.extend_from_slice(bytes);
        }
        let clusters = store.bytes.len().div_ceil(store.cluster_bytes);
        store.clusters.resize(clusters, Cluster::Data);
        store
    }

    /// Gives the large buffers back.
    pub(crate) fn dissolve(&mut self, spares: &Spares) {
        let image = (
            std::mem::take(&mut self.bytes),
            std::mem::take(&mut self.clusters),
        );
        spares.give_back(image);
    }

    pub(crate) fn set_backing(&mut self, has_backing: bool) {
        self.has_backing = has_backing;
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// All of it. What is unallocated is zero.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its unit of allocation.
    pub(crate) fn cluster_bytes(&self) -> u64 {
        self.cluster_bytes as u64
    }

    /// How many writes have landed.
    pub(crate) fn landed(&self) -> u64 {
        self.landed
    }

    /// Grows or shrinks; what is new is zero.
    pub(crate) fn truncate(&mut self, len: u64) {
        self.bytes.resize(len as usize, 0);
        let clusters = self.bytes.len().div_ceil(self.cluster_bytes);
        self.clusters.resize(clusters, Cluster::Zero);
        if self.is_volatile {
            self.safe.resize(len as usize, 0);
        }
    }

    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) {
        let own = self.bytes.get(offset as usize..).unwrap_or_default();
        let inside = buf.len().min(own.len());
        buf[..inside].copy_from_slice(&own[..inside]);
        buf[inside..].fill(0);
    }

    /// Puts what this disk itself holds over what `buf` has from below.
    pub(crate) fn read_over(&self, offset: u64, buf: &mut [u8]) {
        for at in (0..buf.len()).step_by(UNIT) {
            let start = offset as usize + at;
            let end = (at + UNIT).min(buf.len());
            if self.cluster_at(start as u64) != Cluster::Unallocated {
                // Behind the end are zeroes.
                let own = self.bytes.get(start..).unwrap_or_default();
                let inside = (end - at).min(own.len());
                buf[at..at + inside].copy_from_slice(&own[..inside]);
                buf[at + inside..end].fill(0);
            }
        }
    }

    fn cluster_at(&self, offset: u64) -> Cluster {
        let cluster = self.clusters.get(offset as usize / self.cluster_bytes);
        cluster.copied().unwrap_or(Cluster::Zero)
    }

    /// The clusters that a change from `offset` on covers only in part, and that are unallocated: their
    /// rest is to be copied up first.
    pub(crate) fn to_copy_up(&self, offset: u64, bytes: u64) -> Vec<(u64, u64)> {
        let size = self.cluster_bytes as u64;
        let end = offset + bytes;
        let mut found = Vec::new();
        for cluster in [offset / size, (end - 1) / size] {
            let start = cluster * size;
            let past = (start + size).min(self.len());
            let is_part = start < offset || past > end;
            let range = (start, past - start);
            if is_part && self.cluster_at(start) == Cluster::Unallocated && !found.contains(&range)
            {
                found.push(range);
            }
        }
        found
    }

    /// What was copied up, unless somebody has allocated the cluster meanwhile.
    pub(crate) fn put_copied_up(&mut self, offset: u64, data: &[u8]) {
        if self.cluster_at(offset) == Cluster::Unallocated {
            self.write(offset, data);
        }
    }

    /// A change that ends at `end` is going to be made.
    fn make_room(&mut self, end: u64) {
        if self.grows && end > self.len() {
            self.truncate(end);
        }
    }

    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) {
        self.make_room(offset + data.len() as u64);
        let start = self.bytes.len().min(offset as usize);
        let inside = data.len().min(self.bytes.len() - start);
        let data = &data[..inside];
        self.bytes[start..start + inside].copy_from_slice(data);
        self.set_clusters(start, inside, |_| Cluster::Data);
        self.note(start, inside);
    }

    pub(crate) fn zero(&mut self, offset: u64, bytes: u64, may_unmap: bool) {
        self.make_room(offset + bytes);
        let start = self.bytes.len().min(offset as usize);
        let inside = (bytes as usize).min(self.bytes.len() - start);
        self.bytes[start..start + inside].fill(0);
        self.set_clusters(start, inside, |whole| match whole {
            true if may_unmap => Cluster::Zero,
            _ => Cluster::Data,
        });
        self.note(start, inside);
    }

    /// What is given up reads as zeroes, where whole clusters are; else it stays as it was.
    pub(crate) fn discard(&mut self, offset: u64, bytes: u64) {
        let size = self.cluster_bytes as u64;
        let start = offset.next_multiple_of(size);
        let end = match offset + bytes {
            end if end >= self.len() => self.len(),
            end => end & !(size - 1),
        };
        if start < end {
            self.zero(start, end - start, true);
        }
    }

    fn set_clusters(&mut self, start: usize, bytes: usize, kind: impl Fn(bool) -> Cluster) {
        if bytes == 0 {
            return;
        }
        let (size, end) = (self.cluster_bytes, start + bytes);
        for cluster in start / size..=(end - 1) / size {
            let past = ((cluster + 1) * size).min(self.bytes.len());
            let whole = cluster * size >= start && past <= end;
            let known = self.clusters[cluster];
            // A hole of which a part is made zero is a hole.
            if !(known != Cluster::Data
                && !whole
                && kind(true) == Cluster::Zero
                && known == Cluster::Zero)
            {
                self.clusters[cluster] = kind(whole);
            }
        }
    }

    fn note(&mut self, start: usize, bytes: usize) {
        self.landed += 1;
        if self.is_volatile {
            self.unsafe_writes.push_back(Unsafe {
                order: self.landed,
                offset: start,
                data: self.bytes[start..start + bytes].to_vec(),
            });
        }
    }

    /// The first `landed` writes are safe.
    pub(crate) fn flush(&mut self, landed: u64) {
        while let Some(write) = self.unsafe_writes.front()
            && write.order <= landed
        {
            keep(&mut self.safe, write.offset, &write.data);
            self.unsafe_writes.pop_front();
        }
    }

    /// Loses what is not safe, but for what `decider` spares: none of a write, a part, or all.
    pub(crate) fn crash(&mut self, decider: &Decider) {
        if !self.is_volatile {
            return;
        }
        for write in std::mem::take(&mut self.unsafe_writes) {
            let units = write.data.len() / UNIT;
            let kept = match decider.pick_named(&SURVIVES, 3, |it| {
                ["nothing", "all of it", "half of it"][it].to_owned()
            }) {
                0 => 0,
                1 => write.data.len(),
                _ => units / 2 * UNIT,
            };
            keep(&mut self.safe, write.offset, &write.data[..kept]);
        }
        self.bytes.clone_from(&self.safe);
    }

    /// What a crash at this moment might leave: of each write that is not safe nothing, half, or all, as
    /// the bits of `luck` have it.
    pub(crate) fn if_it_crashed(&self, mut luck: u64) -> Vec<u8> {
        if !self.is_volatile {
            return self.bytes.clone();
        }
        let mut left = self.safe.clone();
        for write in &self.unsafe_writes {
            let kept = match luck & 3 {
                0 => 0,
                1 => write.data.len() / UNIT / 2 * UNIT,
                _ => write.data.len(),
            };
            luck = luck.rotate_right(2);
            keep(&mut left, write.offset, &write.data[..kept]);
        }
        left
    }

    /// What is known of the beginning of a range.
    pub(crate) fn status(&self, offset: u64, bytes: u64) -> BlockStatus {
        let kind = self.cluster_at(offset);
        let size = self.cluster_bytes as u64;
        let end = offset + bytes;
        let first = (offset / size) as usize;
        let last = self.clusters.len().min(end.div_ceil(size) as usize);
        let run = self.clusters.get(first..last).unwrap_or_default();
        let same = run.iter().position(|cluster| *cluster != kind);
        let past = (first + same.unwrap_or(run.len()).max(1)) as u64 * size;
        let bytes = past.min(end) - offset;
        match kind {
            Cluster::Data => BlockStatus::data(bytes),
            Cluster::Zero => BlockStatus::zero(bytes),
            Cluster::Unallocated if self.has_backing => BlockStatus::unallocated(bytes),
            Cluster::Unallocated => BlockStatus {
                allocated: false,
                zero: true,
                data: false,
                bytes,
            },
        }
    }

    /// The same, by somebody who cannot tell holes from data.
    pub(crate) fn coarse_status(&self, offset: u64, bytes: u64) -> BlockStatus {
        let status = self.status(offset, bytes);
        match self.has_backing && !status.allocated {
            true => status,
            false => BlockStatus::data(bytes),
        }
    }
}

/// Writes what there still is a place for: it may have been cut off since.
fn keep(safe: &mut [u8], offset: usize, data: &[u8]) {
    let start = offset.min(safe.len());
    let inside = data.len().min(safe.len() - start);
    safe[start..start + inside].copy_from_slice(&data[..inside]);
}
