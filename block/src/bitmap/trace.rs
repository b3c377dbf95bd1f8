//! What recorders are told of bitmaps: each change of their bits.
//!
//! Whoever follows a run knows what is dirty by asking the bitmap. A record is looked at when that is gone,
//! so it has to have heard of every change. Nobody else wants to: the events are
//! [details](blockjob_runtime::trace::Wants::LAYER_DETAILS), and a bitmap of a context that traces none of
//! these keeps nothing for them.

use std::any::Any;
use std::cell::RefMut;
use std::fmt;
use std::ops::{Deref, Range};
use std::rc::Rc;

use blockjob_runtime::AioContext;
use blockjob_runtime::trace::LayerEvent;

use super::NodeBitmap;
use crate::dirty_bitmap::{BitmapError, DirtyBitmap};
use crate::node::Node;

/// Bits of a bitmap were set or cleared: those of all granules in a range, some of which were the other
/// way before. A bitmap begins clean; what it gains or loses when its disk is resized is not told.
///
/// QEMU has trace events for the words of a bitmap, `hbitmap_set` and `hbitmap_reset` (util/hbitmap.c).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirtyTrace {
    /// The node that keeps the bitmap.
    pub node: Rc<str>,
    /// The bitmap's name; `#` and a number for one that has none, which no other bitmap of the node has at
    /// the same time.
    pub bitmap: Rc<str>,
    /// From where, in bytes: the beginning of a granule.
    pub offset: u64,
    /// How long, in bytes: up to the end of a granule, or of the disk.
    pub bytes: u64,
    /// They are dirty now; else they are clean.
    pub dirty: bool,
}

impl LayerEvent for DirtyTrace {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Where changes of a bitmap are told, and as whose.
pub(super) struct Teller {
    context: AioContext,
    node: Rc<str>,
    pub(super) bitmap: Rc<str>,
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Teller({} of {})", self.bitmap, self.node)
    }
}

impl Teller {
    /// One for a bitmap of `node`, if anybody listens in its context. `bitmap` is what it was called
    /// before, or is its name.
    pub(super) fn of(node: &Node, bitmap: Option<&str>) -> Option<Box<Teller>> {
        let context = node.context();
        let listens = context.traces_details();
        listens.then(|| {
            let bitmap = bitmap.map_or_else(|| free_number(node), Rc::from);
            Box::new(Teller {
                context: context.clone(),
                node: node.label().clone(),
                bitmap,
            })
        })
    }

    fn tell(&self, range: Range<u64>, dirty: bool) {
        self.context.trace_detail(|| DirtyTrace {
            node: self.node.clone(),
            bitmap: self.bitmap.clone(),
            offset: range.start,
            bytes: range.end - range.start,
            dirty,
        });
    }
}

fn free_number(node: &Node) -> Rc<str> {
    let bitmaps = node.io.bitmaps.borrow();
    let names = (1..).map(|number: usize| format!("#{number}"));
    let taken = |name: &str| {
        let mut tellers = bitmaps.iter().filter_map(|it| it.teller.as_ref());
        tellers.any(|teller| &*teller.bitmap == name)
    };
    let mut free = names.skip_while(|name| taken(name));
    free.next().expect("numbers do not end").into()
}

/// The bits of a bitmap, to be changed: see [`NodeBitmap::bits_mut`].
pub struct BitsMut<'a> {
    pub(super) bits: RefMut<'a, DirtyBitmap>,
    pub(super) of: &'a NodeBitmap,
}

impl Deref for BitsMut<'_> {
    type Target = DirtyBitmap;

    fn deref(&self) -> &DirtyBitmap {
        &self.bits
    }
}

impl BitsMut<'_> {
    /// As [`DirtyBitmap::set`].
    #[inline]
    pub fn set(&mut self, offset: u64, bytes: u64) -> u64 {
        let dirtied = self.bits.set(offset, bytes);
        if let Some(teller) = &self.of.teller
            && dirtied > 0
        {
            teller.tell(self.outward(offset..offset + bytes), true);
        }
        dirtied
    }

    /// As [`DirtyBitmap::clear`].
    #[inline]
    pub fn clear(&mut self, offset: u64, bytes: u64) -> u64 {
        let cleaned = self.bits.clear(offset, bytes);
        if let Some(teller) = &self.of.teller
            && cleaned > 0
        {
            let (granularity, len) = (self.bits.granularity(), self.bits.len());
            let end = offset + bytes;
            let whole_end = if end >= len {
                len
            } else {
                end - end % granularity
            };
            teller.tell(offset.next_multiple_of(granularity)..whole_end, false);
        }
        cleaned
    }

    /// As [`DirtyBitmap::set_all`].
    pub fn set_all(&mut self) {
        self.set(0, self.bits.len());
    }

    /// As [`DirtyBitmap::clear_all`].
    pub fn clear_all(&mut self) {
        self.clear(0, self.bits.len());
    }

    /// As [`DirtyBitmap::merge_from`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn merge_from(&mut self, other: &DirtyBitmap) -> Result<(), BitmapError> {
        self.bits.merge_from(other)?;
        if let Some(teller) = &self.of.teller {
            let mut from = 0;
            while let Some(area) = other.next_dirty_area(from, other.len(), u64::MAX) {
                from = area.end;
                teller.tell(self.outward(area), true);
            }
        }
        Ok(())
    }

    /// The granules that `range` touches.
    fn outward(&self, range: Range<u64>) -> Range<u64> {
        let granularity = self.bits.granularity();
        let end = range.end.next_multiple_of(granularity);
        range.start - range.start % granularity..end.min(self.bits.len())
    }
}
