//! Dirty bitmaps of a node: which granules have been written since somebody began to ask.
//!
//! QEMU: `BdrvDirtyBitmap` (block/dirty-bitmap.c).

mod trace;

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;

pub use self::trace::{BitsMut, DirtyTrace};

use crate::dirty_bitmap::DirtyBitmap;
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;
use trace::Teller;

/// Bits that several bitmaps may show.
pub(crate) type SharedBits = Rc<RefCell<DirtyBitmap>>;

/// A dirty bitmap that a node keeps up to date for its owner, until it is released.
///
/// QEMU: `BdrvDirtyBitmap` (block/dirty-bitmap.c).
#[derive(Debug)]
pub struct NodeBitmap {
    name: Option<String>,
    enabled: Cell<bool>,
    /// Another node shows it; see [`Node::show_dirty_bitmap`].
    shown_elsewhere: Cell<bool>,
    /// Granules that writes have made dirty, all in all.
    dirtied_granules: Cell<u64>,
    bits: SharedBits,
    /// None if nobody wants to hear of each bit.
    teller: Option<Box<Teller>>,
}

impl NodeBitmap {
    /// Its name; those that jobs use have none.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The bits. Must not be held over an await.
    pub fn bits(&self) -> Ref<'_, DirtyBitmap> {
        self.bits.borrow()
    }

    /// The bits, to change them. Must not be held over an await.
    pub fn bits_mut(&self) -> BitsMut<'_> {
        BitsMut {
            bits: self.bits.borrow_mut(),
            of: self,
        }
    }

    /// Takes note of writes from now on, or no more.
    ///
    /// QEMU: `bdrv_enable_dirty_bitmap`, `bdrv_disable_dirty_bitmap` (block/dirty-bitmap.c).
    pub fn set_enabled(&self, enabled: bool) {
        self.enabled.set(enabled);
    }

    /// Whether it takes note of writes.
    ///
    /// QEMU: `bdrv_dirty_bitmap_enabled` (block/dirty-bitmap.c).
    pub fn is_enabled(&self) -> bool {
        self.enabled.get()
    }

    /// How many granules were clean when a write came and made them dirty, since the bitmap was made.
    /// What its owner sets does not count.
    pub fn dirtied_granules(&self) -> u64 {
        self.dirtied_granules.get()
    }

    /// Whether queries pass over it, because another node shows it.
    pub fn is_shown_elsewhere(&self) -> bool {
        self.shown_elsewhere.get()
    }
}

/// The bits of the bitmaps of a family. Two nodes may show the same.
#[derive(Default)]
pub(crate) struct PackedBits {
    bits: Vec<DirtyBitmap>,
    /// Where they were, while the family is being packed.
    from: Vec<usize>,
}

impl PackedBits {
    fn take(&mut self, bits: &SharedBits) -> usize {
        let place = Rc::as_ptr(bits) as usize;
        if let Some(index) = self.from.iter().position(|it| *it == place) {
            return index;
        }
        let granularity = bits.borrow().granularity();
        let empty = DirtyBitmap::new(0, granularity).expect("an empty one can be had");
        self.from.push(place);
        self.bits.push(bits.replace(empty));
        self.bits.len() - 1
    }

    pub(crate) fn unpack(self) -> Vec<SharedBits> {
        let bits = self.bits.into_iter();
        bits.map(|bits| Rc::new(RefCell::new(bits))).collect()
    }
}

/// A bitmap on its way.
pub(crate) struct PackedNodeBitmap {
    name: Option<String>,
    enabled: bool,
    shown_elsewhere: bool,
    dirtied_granules: u64,
    bits: usize,
    told_as: Option<String>,
}

impl PackedNodeBitmap {
    /// The bitmap, which now is one of `node`.
    pub(crate) fn unpack(self, bits: &[SharedBits], node: &Node) -> Rc<NodeBitmap> {
        let told_as = self.told_as.as_deref().or(self.name.as_deref());
        Rc::new(NodeBitmap {
            teller: Teller::of(node, told_as),
            name: self.name,
            enabled: Cell::new(self.enabled),
            shown_elsewhere: Cell::new(self.shown_elsewhere),
            dirtied_granules: Cell::new(self.dirtied_granules),
            bits: bits[self.bits].clone(),
        })
    }
}

impl NodeBitmap {
    /// Its bits go to `bits`; what is left is empty.
    pub(crate) fn pack(&self, bits: &mut PackedBits) -> PackedNodeBitmap {
        PackedNodeBitmap {
            name: self.name.clone(),
            enabled: self.enabled.get(),
            shown_elsewhere: self.shown_elsewhere.get(),
            dirtied_granules: self.dirtied_granules.get(),
            bits: bits.take(&self.bits),
            told_as: self.teller.as_ref().map(|teller| (*teller.bitmap).into()),
        }
    }
}

impl Node {
    /// Makes a bitmap of the node's present length, clean and enabled. `granularity` is a power of
    /// two, in bytes.
    ///
    /// QEMU: `bdrv_create_dirty_bitmap` (block/dirty-bitmap.c).
    pub fn create_dirty_bitmap(
        &self,
        name: Option<&str>,
        granularity: u64,
    ) -> BlockResult<Rc<NodeBitmap>> {
        if let Some(name) = name
            && self.find_dirty_bitmap(name).is_some()
        {
            return Err(BlockError::new(
                ErrorKind::AlreadyExists,
                format!("Bitmap already exists: {name}"),
            ));
        }
        let bits = DirtyBitmap::new(self.len()?, granularity)
            .map_err(|error| BlockError::new(ErrorKind::Invalid, error.to_string()))?;
        let bitmap = Rc::new(NodeBitmap {
            name: name.map(str::to_owned),
            enabled: Cell::new(true),
            shown_elsewhere: Cell::new(false),
            dirtied_granules: Cell::new(0),
            bits: Rc::new(RefCell::new(bits)),
            teller: Teller::of(self, name),
        });
        self.io.bitmaps.borrow_mut().push(bitmap.clone());
        Ok(bitmap)
    }

    /// Has this node show a bitmap that another node keeps up to date, in the place of that: one that
    /// has the same bits, and takes no note of what is written here.
    pub fn show_dirty_bitmap(&self, bitmap: &NodeBitmap) {
        bitmap.shown_elsewhere.set(true);
        let teller = Teller::of(self, bitmap.name());
        self.io.bitmaps.borrow_mut().push(Rc::new(NodeBitmap {
            name: bitmap.name.clone(),
            enabled: Cell::new(false),
            shown_elsewhere: Cell::new(false),
            dirtied_granules: Cell::new(0),
            bits: bitmap.bits.clone(),
            teller,
        }));
    }

    /// The bitmap of that name.
    ///
    /// QEMU: `bdrv_find_dirty_bitmap` (block/dirty-bitmap.c).
    pub fn find_dirty_bitmap(&self, name: &str) -> Option<Rc<NodeBitmap>> {
        let bitmaps = self.io.bitmaps.borrow();
        let found = bitmaps.iter().find(|bitmap| bitmap.name() == Some(name));
        found.cloned()
    }

    /// All bitmaps that the node keeps up to date, the oldest first.
    ///
    /// QEMU: `FOR_EACH_DIRTY_BITMAP` (include/block/dirty-bitmap.h).
    pub fn dirty_bitmaps(&self) -> Vec<Rc<NodeBitmap>> {
        self.io.bitmaps.borrow().clone()
    }

    /// The node does not keep `bitmap` up to date any more.
    ///
    /// QEMU: `bdrv_release_dirty_bitmap` (block/dirty-bitmap.c).
    pub fn release_dirty_bitmap(&self, bitmap: &Rc<NodeBitmap>) {
        self.io
            .bitmaps
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, bitmap));
    }

    /// Tells all bitmaps but `keeper` of a write.
    ///
    /// QEMU: `bdrv_set_dirty` (block/dirty-bitmap.c).
    pub(crate) fn set_dirty(&self, keeper: Option<&NodeBitmap>, offset: u64, bytes: u64) {
        for bitmap in self.io.bitmaps.borrow().iter() {
            let knows = keeper.is_some_and(|keeper| std::ptr::eq(&raw const **bitmap, keeper));
            if bitmap.enabled.get() && !knows {
                let mut bits = bitmap.bits_mut();
                let end = (offset + bytes).min(bits.len());
                if offset < end {
                    let dirtied = bits.set(offset, end - offset);
                    bitmap
                        .dirtied_granules
                        .set(bitmap.dirtied_granules.get() + dirtied);
                }
            }
        }
    }

    /// QEMU: `bdrv_dirty_bitmap_truncate` (block/dirty-bitmap.c).
    pub(crate) fn truncate_bitmaps(&self, len: u64) {
        for bitmap in self.io.bitmaps.borrow().iter() {
            if let Err(error) = bitmap.bits.borrow_mut().truncate(len) {
                unreachable!("a node is never as long as that: {error}");
            }
        }
    }
}
