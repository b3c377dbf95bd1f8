//! Permissions: what a user of a node does with it, and what it lets others do.
//!
//! Every edge of the graph states both. A node can be used by several parents as long as nobody
//! does what another does not share; [`crate::graph`] checks that before each change.
//!
//! QEMU: `BLK_PERM_*` (include/block/block-common.h), `bdrv_child_perm` (block.c).

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Perm(u8);

impl Perm {
    /// No permission.
    pub const NONE: Perm = Perm(0);
    /// Reads that see the data somebody meant to be there.
    pub const CONSISTENT_READ: Perm = Perm(1);
    /// Writes that change what is read.
    pub const WRITE: Perm = Perm(2);
    /// Writes that do not change what is read, such as a copy up from the backing node.
    pub const WRITE_UNCHANGED: Perm = Perm(4);
    /// Changes of the length.
    pub const RESIZE: Perm = Perm(8);
    /// All of them.
    pub const ALL: Perm = Perm(15);

    /// The bits, as QEMU numbers them: also the numbers of the locks on an image file.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// True if nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if all of `other` is in the set.
    pub const fn contains(self, other: Perm) -> bool {
        self.0 & other.0 == other.0
    }

    /// True if any of `other` is in the set.
    pub const fn intersects(self, other: Perm) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    pub const fn or(self, other: Perm) -> Perm {
        Perm(self.0 | other.0)
    }

    /// This set without `other`.
    pub const fn without(self, other: Perm) -> Perm {
        Perm(self.0 & !other.0)
    }
}

impl BitOr for Perm {
    type Output = Perm;
    fn bitor(self, other: Perm) -> Perm {
        self.or(other)
    }
}

impl BitOrAssign for Perm {
    fn bitor_assign(&mut self, other: Perm) {
        *self = self.or(other);
    }
}

impl BitAnd for Perm {
    type Output = Perm;
    fn bitand(self, other: Perm) -> Perm {
        Perm(self.0 & other.0)
    }
}

impl Not for Perm {
    type Output = Perm;
    fn not(self) -> Perm {
        Perm::ALL.without(self)
    }
}

/// The names that QEMU's messages use: `bdrv_perm_names` (block.c).
impl fmt::Display for Perm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Perm::CONSISTENT_READ, "consistent read"),
            (Perm::WRITE, "write"),
            (Perm::WRITE_UNCHANGED, "write unchanged"),
            (Perm::RESIZE, "resize"),
        ];
        let mut first = true;
        for (perm, name) in names {
            if self.contains(perm) {
                f.write_str(if first { "" } else { ", " })?;
                f.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Perm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Perm({self})")
    }
}

/// What an edge uses, and what it shares with the other users of the same node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermPair {
    /// What this user does.
    pub used: Perm,
    /// What this user lets others do.
    pub shared: Perm,
}

impl PermPair {
    /// A user that does nothing and minds nothing.
    pub const HARMLESS: PermPair = PermPair {
        used: Perm::NONE,
        shared: Perm::ALL,
    };

    /// A user that does `used` and shares `shared`.
    pub const fn new(used: Perm, shared: Perm) -> Self {
        PermPair { used, shared }
    }

    /// This user and another, seen as one.
    pub fn and(self, other: PermPair) -> PermPair {
        PermPair {
            used: self.used | other.used,
            shared: self.shared & other.shared,
        }
    }
}

/// What a filter needs of its child: what is asked of the filter itself, and nothing in addition.
///
/// QEMU: `bdrv_filter_default_perms` (block.c).
pub fn filter_perms(parents: PermPair) -> PermPair {
    parents
}

/// What a format needs of the node that holds its data: it keeps metadata there, which it may
/// change although nobody writes to its own node, and so nobody else may write.
///
/// QEMU: `bdrv_default_perms_for_storage` (block.c).
pub fn storage_perms(parents: PermPair, read_only: bool) -> PermPair {
    let own = if read_only {
        Perm::CONSISTENT_READ
    } else {
        Perm::CONSISTENT_READ | Perm::WRITE | Perm::RESIZE
    };
    PermPair {
        used: parents.used | own,
        shared: parents.shared.without(Perm::WRITE | Perm::RESIZE),
    }
}

/// What an overlay needs of its backing node: it reads there what it does not hold, so others may
/// not change it, unless the overlay's own users do not mind.
///
/// QEMU: `bdrv_default_perms_for_cow` (block.c).
pub fn cow_perms(parents: PermPair) -> PermPair {
    let mut shared = Perm::CONSISTENT_READ | Perm::WRITE_UNCHANGED;
    if parents.shared.contains(Perm::WRITE) {
        shared |= Perm::WRITE | Perm::RESIZE;
    }
    PermPair {
        used: parents.used & Perm::CONSISTENT_READ,
        shared,
    }
}
