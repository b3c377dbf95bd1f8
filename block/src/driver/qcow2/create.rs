//! Creating an image.
//!
//! The tables of a new image stand one behind the other: header, refcount table, refcount blocks, L1
//! table. `imago` could do it, too, but knows neither version 2 nor lazy refcounts, and writes the names
//! of features in another order each time.

use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};

use super::file::File;
use super::header::{Extension, Header, LAZY_REFCOUNTS, extension};
use super::image::Image;
use super::resize::SECTOR_BYTES;
use crate::backend::BlockBackend;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;
use crate::perm::{Perm, PermPair};

/// Which image is made.
///
/// QEMU: `BlockdevCreateOptionsQcow2` (qapi/block-core.json).
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// The length of the disk, in bytes.
    pub size: u64,
    /// The unit of allocation, in bytes.
    pub cluster_size: u64,
    /// 2 or 3.
    pub version: u32,
    /// What the header says of the backing file. It is not opened, and need not exist.
    pub backing_file: Option<String>,
    /// The format of the backing file.
    pub backing_format: Option<String>,
    /// What is allocated from the beginning.
    pub preallocation: Preallocation,
    /// Whether refcounts may be brought up to date late.
    pub lazy_refcounts: bool,
    /// The width of a refcount, in bits.
    pub refcount_bits: u64,
    /// Whether clusters can be allocated in parts. Not supported.
    pub extended_l2: bool,
    /// How clusters are compressed: `zlib` and nothing else is supported.
    pub compression_type: String,
}

impl CreateOptions {
    /// An image of `size` bytes, as `qemu-img create` makes it if nothing else is asked for.
    pub fn new(size: u64) -> Self {
        CreateOptions {
            size,
            cluster_size: 64 << 10,
            version: 3,
            backing_file: None,
            backing_format: None,
            preallocation: Preallocation::Off,
            lazy_refcounts: false,
            refcount_bits: 16,
            extended_l2: false,
            compression_type: "zlib".into(),
        }
    }
}

/// What of an image is allocated from the beginning.
///
/// QEMU: `PreallocMode` (qapi/block-core.json).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preallocation {
    /// Nothing.
    #[default]
    Off,
    /// All mappings. The file is as long as it will ever be, and has holes.
    Metadata,
    /// As `Metadata`, and the file has room for the data.
    Falloc,
    /// As `Metadata`, and zeroes are written to the file.
    Full,
}

/// How many bytes of zeroes are written at a time.
const ZERO_BYTES: u64 = 1 << 20;

/// Where the tables of a new image are, in clusters from the beginning of the file.
struct Layout {
    refcount_table: u64,
    refcount_blocks: u64,
    l1_entries: u64,
    l1_clusters: u64,
}

impl Layout {
    fn new(options: &CreateOptions) -> Layout {
        let cluster_size = options.cluster_size;
        let covered = cluster_size * (cluster_size / 8);
        let l1_entries = options.size.div_ceil(covered);
        let l1_clusters = (l1_entries * 8).div_ceil(cluster_size).max(1);
        let per_block = cluster_size * 8 / options.refcount_bits;
        let (mut refcount_table, mut refcount_blocks) = (1, 1);
        // Each block that is added may need another one; it is soon enough.
        loop {
            let clusters = 1 + refcount_table + refcount_blocks + l1_clusters;
            let blocks = clusters.div_ceil(per_block);
            let table = (blocks * 8).div_ceil(cluster_size);
            if (table, blocks) == (refcount_table, refcount_blocks) {
                return Layout {
                    refcount_table,
                    refcount_blocks,
                    l1_entries,
                    l1_clusters,
                };
            }
            (refcount_table, refcount_blocks) = (table, blocks);
        }
    }

    fn clusters(&self) -> u64 {
        1 + self.refcount_table + self.refcount_blocks + self.l1_clusters
    }
}

fn check(options: &CreateOptions) -> BlockResult<()> {
    let refuse = |text: String| Err(BlockError::new(ErrorKind::Invalid, text));
    let level = "compatibility level 1.1 and above (use version=v3 or greater)";
    let old = options.version < 3;
    if !options.size.is_multiple_of(SECTOR_BYTES) {
        return refuse(format!(
            "Image size must be a multiple of {SECTOR_BYTES} bytes"
        ));
    }
    if !options.cluster_size.is_power_of_two() || !(512..=2 << 20).contains(&options.cluster_size) {
        return refuse("Cluster size must be a power of two between 512 and 2048k".into());
    }
    if options.extended_l2 && old {
        return refuse(format!(
            "Extended L2 entries are only supported with {level}"
        ));
    }
    if options.extended_l2 && options.cluster_size < 16384 {
        let text =
            "Extended L2 entries are only supported with cluster sizes of at least 16384 bytes";
        return refuse(text.into());
    }
    if options.preallocation != Preallocation::Off
        && options.backing_file.is_some()
        && !options.extended_l2
    {
        let text = "Backing file and preallocation can only be used at the same time if \
                    extended_l2 is on";
        return refuse(text.into());
    }
    if options.backing_format.is_some() && options.backing_file.is_none() {
        return refuse("Backing format cannot be used without backing file".into());
    }
    if options.lazy_refcounts && old {
        return refuse(format!("Lazy refcounts only supported with {level}"));
    }
    if !options.refcount_bits.is_power_of_two() || options.refcount_bits > 64 {
        let text = "Refcount width must be a power of two and may not exceed 64 bits";
        return refuse(text.into());
    }
    if options.refcount_bits != 16 && old {
        let text = "Different refcount widths than 16 bits require compatibility level 1.1 or \
                    above (use version=v3 or greater)";
        return refuse(text.into());
    }
    if options.compression_type != "zlib" && old {
        return refuse(format!(
            "Non-zlib compression type is only supported with {level}"
        ));
    }
    check_supported(options)
}

fn check_supported(options: &CreateOptions) -> BlockResult<()> {
    let refuse = |text: String| Err(BlockError::new(ErrorKind::NotSupported, text));
    if options.extended_l2 {
        return refuse("Extended L2 entries are not supported".into());
    }
    if options.compression_type != "zlib" {
        return refuse(format!(
            "The compression type '{}' is not supported",
            options.compression_type
        ));
    }
    let covered = options.cluster_size * (options.cluster_size / 8);
    if options.size > i64::MAX as u64 || options.size.div_ceil(covered) > (32 << 20) / 8 {
        let text = "The image size is too large for file format 'qcow2' (try using a larger \
                    cluster size)";
        return Err(BlockError::new(ErrorKind::OutOfRange, text));
    }
    Ok(())
}

/// The names of the features, in the order in which QEMU writes them.
fn feature_names() -> Bytes {
    let names = [
        (0, 0, "dirty bit"),
        (0, 1, "corrupt bit"),
        (0, 2, "external data file"),
        (0, 3, "compression type"),
        (0, 4, "extended L2 entries"),
        (1, 0, "lazy refcounts"),
        (2, 0, "bitmaps"),
        (2, 1, "raw external data"),
    ];
    let mut table = BytesMut::new();
    for (kind, bit, name) in names {
        table.put_u8(kind);
        table.put_u8(bit);
        table.put_slice(name.as_bytes());
        table.put_bytes(0, 46 - name.len());
    }
    table.freeze()
}

fn header(options: &CreateOptions, layout: &Layout) -> BlockResult<(Header, Bytes)> {
    let cluster_size = options.cluster_size;
    let mut header = Header {
        version: options.version,
        cluster_bits: cluster_size.trailing_zeros(),
        size: options.size,
        l1_entries: layout.l1_entries as u32,
        l1_table_offset: (1 + layout.refcount_table + layout.refcount_blocks) * cluster_size,
        refcount_table_offset: cluster_size,
        refcount_table_clusters: layout.refcount_table as u32,
        compatible: u64::from(options.lazy_refcounts) * LAZY_REFCOUNTS,
        refcount_order: options.refcount_bits.trailing_zeros(),
        backing_file: options.backing_file.clone().map(Bytes::from),
        ..Header::default()
    };
    if let Some(format) = &options.backing_format {
        header.extensions.push(Extension {
            kind: extension::BACKING_FORMAT,
            data: Bytes::from(format.clone()),
        });
    }
    let mut with_names = header.clone();
    with_names.extensions.push(Extension {
        kind: extension::FEATURE_NAMES,
        data: feature_names(),
    });
    // In small clusters there may be no room for the names.
    if options.version >= 3
        && let Ok(bytes) = with_names.whole_bytes()
    {
        return Ok((with_names, bytes));
    }
    let bytes = header.whole_bytes()?;
    Ok((header, bytes))
}

/// A refcount block in which the first `ones` clusters are in use.
fn refcount_block(options: &CreateOptions, ones: u64) -> Bytes {
    let mut block = BytesMut::zeroed(options.cluster_size as usize);
    let bits = options.refcount_bits;
    for cluster in 0..ones {
        let at = cluster * bits;
        // Widths of whole bytes are big-endian; smaller ones begin with the lowest bit.
        let (byte, bit) = if bits >= 8 {
            ((at + bits) / 8 - 1, 0)
        } else {
            (at / 8, at % 8)
        };
        block[byte as usize] |= 1 << bit;
    }
    block.freeze()
}

async fn write_tables(file: &File, options: &CreateOptions) -> BlockResult<Header> {
    let layout = Layout::new(options);
    let (header, bytes) = header(options, &layout)?;
    let cluster_size = options.cluster_size;
    let clusters = layout.clusters();
    // What the file held before is not wanted. A device keeps it, and its length; then nobody minds.
    let emptied = file.truncate(0).await.is_ok();
    if emptied || file.node().len()? < clusters * cluster_size {
        file.truncate(clusters * cluster_size).await?;
    }
    file.write_zeroes(0, clusters * cluster_size).await?;
    let first_block = 1 + layout.refcount_table;
    let per_block = cluster_size * 8 / options.refcount_bits;
    let mut table = BytesMut::new();
    for index in 0..layout.refcount_blocks {
        let offset = (first_block + index) * cluster_size;
        table.put_u64(offset);
        let ones = (clusters - index * per_block).min(per_block);
        file.write(offset, refcount_block(options, ones)).await?;
    }
    file.write(header.refcount_table_offset, table.freeze())
        .await?;
    // The header comes last: before, the file is no image.
    file.write(0, bytes).await?;
    Ok(header)
}

/// Maps all of a new image.
///
/// QEMU: `preallocate_co` (block/qcow2.c).
async fn preallocate(file: &File, options: &CreateOptions, header: Header) -> BlockResult<()> {
    let image = Image::open(file, header).await?;
    image.ready_to_write(file).await?;
    let mut at = 0;
    let mut end = 0;
    while at < options.size {
        let (host, len) = image.make_data(file, at..options.size).await?;
        at += len;
        end = end.max((host + len).next_multiple_of(options.cluster_size));
        match options.preallocation {
            Preallocation::Full => {
                let mut done = 0;
                while done < len {
                    let part = (len - done).min(ZERO_BYTES);
                    let zeroes = Bytes::from(vec![0; part as usize]);
                    file.write(host + done, zeroes).await?;
                    done += part;
                }
            }
            Preallocation::Falloc => file.write_zeroes(host, len).await?,
            // What is left over there would be seen.
            _ if !file.node().has_zero_init() => file.write_zeroes(host, len).await?,
            Preallocation::Metadata | Preallocation::Off => {}
        }
    }
    image.flush(file.clone()).await?;
    if file.node().len()? < end {
        file.truncate(end).await?;
    }
    Ok(())
}

/// Makes the node `file` an image: what it held is gone. The node must be one that can be resized, and
/// that nobody else uses.
///
/// QEMU: `qcow2_co_create` (block/qcow2.c).
///
/// # Errors
///
/// In QEMU's words, if an option contradicts another one or the format; if it is not supported; and if
/// others use the node in a way that does not go with it.
pub async fn create(file: &Rc<Node>, options: CreateOptions) -> BlockResult<()> {
    check(&options)?;
    let graph = file.graph().ok_or_else(|| {
        BlockError::new(
            ErrorKind::NotFound,
            "The node is not part of a graph any more",
        )
    })?;
    let used = Perm::CONSISTENT_READ | Perm::WRITE | Perm::RESIZE;
    let user = BlockBackend::new(&graph, "", PermPair::new(used, Perm::ALL))?;
    user.insert(file)?;
    let edge = user.root().expect("the node was inserted");
    let end = File::Edge(file.clone(), edge);
    let apart = end.clone();
    end.apart("qcow2_create", async move {
        let _user = user;
        let header = write_tables(&apart, &options).await?;
        if options.preallocation != Preallocation::Off {
            preallocate(&apart, &options, header).await?;
        }
        apart.flush().await
    })
    .await
}
