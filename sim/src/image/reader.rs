//! What the file of an image says, read by somebody who is not the driver.
//!
//! Only what the simulator makes is understood: version 3, no snapshots, nothing compressed.

/// Where in an entry of a table the offset is.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
const DIRTY: u64 = 1;

/// The bytes of a file, as an image.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    cluster_bytes: u64,
    size: u64,
    l1: (u64, u64),
    refcounts: (u64, u64),
    refcount_bits: u64,
    is_dirty: bool,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<Reader<'a>, String> {
        let mut reader = Reader {
            bytes,
            cluster_bytes: 0,
            size: 0,
            l1: (0, 0),
            refcounts: (0, 0),
            refcount_bits: 0,
            is_dirty: false,
        };
        if reader.u64(0) != 0x5146_49fb_0000_0003 {
            return Err("the header has no magic, or another version".to_owned());
        }
        let cluster_bits = reader.u32(20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(format!("clusters of 2^{cluster_bits} bytes"));
        }
        reader.cluster_bytes = 1 << cluster_bits;
        reader.size = reader.u64(24);
        reader.l1 = (reader.u64(40), u64::from(reader.u32(36)));
        let table_bytes = u64::from(reader.u32(56)) << cluster_bits;
        reader.refcounts = (reader.u64(48), table_bytes / 8);
        let features = reader.u64(72);
        if features & !DIRTY != 0 {
            return Err(format!("the header has the features {features:#x}"));
        }
        reader.is_dirty = features & DIRTY != 0;
        reader.refcount_bits = 1 << reader.u32(96);
        if reader.refcount_bits != 16 {
            return Err(format!("refcounts of {} bits", reader.refcount_bits));
        }
        Ok(reader)
    }

    /// The image says that its refcounts may be wrong.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    fn part<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut word = [0; N];
        let own = self.bytes.get(at as usize..).unwrap_or_default();
        let inside = own.len().min(N);
        word[..inside].copy_from_slice(&own[..inside]);
        word
    }

    fn u64(&self, at: u64) -> u64 {
        u64::from_be_bytes(self.part(at))
    }

    fn u32(&self, at: u64) -> u32 {
        u32::from_be_bytes(self.part(at))
    }

    fn u16(&self, at: u64) -> u16 {
        u16::from_be_bytes(self.part(at))
    }

    /// The entry of the second level for a cluster of the guest; 0 if there is none.
    fn entry(&self, cluster: u64) -> u64 {
        let per_table = self.cluster_bytes / 8;
        if cluster / per_table >= self.l1.1 {
            return 0;
        }
        let table = self.u64(self.l1.0 + cluster / per_table * 8) & OFFSET_MASK;
        match table {
            0 => 0,
            table => self.u64(table + cluster % per_table * 8),
        }
    }

    /// Puts what the image holds itself over what `shown` has from below, which is the whole disk.
    pub(crate) fn read_over(&self, shown: &mut [u8]) {
        let size = self.cluster_bytes as usize;
        for (cluster, part) in (0..).zip(shown.chunks_mut(size)) {
            let entry = self.entry(cluster);
            if entry & ZERO != 0 {
                part.fill(0);
            } else if entry & OFFSET_MASK != 0 {
                let own = self.bytes.get((entry & OFFSET_MASK) as usize..);
                let own = own.unwrap_or_default();
                let inside = own.len().min(part.len());
                part[..inside].copy_from_slice(&own[..inside]);
                part[inside..].fill(0);
            }
        }
    }

    /// What a cluster of the file is in use for by everybody who says so; then what the refcounts say.
    ///
    /// No cluster may have two uses. Unless the image says that its refcounts may be wrong, those in use
    /// have the refcount 1. Clusters that nobody uses may have one, too: they are lost, and no more.
    pub(crate) fn check(&self, len: u64) -> Result<(), String> {
        if self.size != len {
            return Err(format!(
                "the image has {} bytes instead of {len}",
                self.size
            ));
        }
        let mut uses = Uses::default();
        uses.add(self, 0, "the header")?;
        let whole = |(offset, entries): (u64, u64)| {
            (0..(entries * 8).div_ceil(self.cluster_bytes))
                .map(move |index| offset + index * self.cluster_bytes)
        };
        for offset in whole(self.l1) {
            uses.add(self, offset, "the L1 table")?;
        }
        for offset in whole(self.refcounts) {
            uses.add(self, offset, "the refcount table")?;
        }
        for index in 0..self.refcounts.1 {
            let block = self.u64(self.refcounts.0 + index * 8);
            if block != 0 {
                uses.add(self, block, "a refcount block")?;
            }
        }
        for index in 0..self.l1.1 {
            let entry = self.u64(self.l1.0 + index * 8);
            if entry & OFFSET_MASK != 0 {
                uses.add(self, entry & OFFSET_MASK, "an L2 table")?;
                self.copied(entry, "an L2 table")?;
            }
        }
        for cluster in 0..len.div_ceil(self.cluster_bytes) {
            let entry = self.entry(cluster);
            if entry & COMPRESSED != 0 {
                return Err(format!("cluster {cluster} of the guest is compressed"));
            }
            if entry & OFFSET_MASK != 0 {
                uses.add(self, entry & OFFSET_MASK, "data")?;
                self.copied(entry, "data")?;
            }
        }
        if self.is_dirty {
            return Ok(());
        }
        uses.used
            .iter()
            .try_for_each(|(cluster, what)| match self.refcount(*cluster) {
                1 => Ok(()),
                other => Err(format!(
                    "cluster {cluster} of the file is {what}, and has the refcount {other}"
                )),
            })
    }

    fn copied(&self, entry: u64, what: &str) -> Result<(), String> {
        match entry & COPIED {
            0 => Err(format!("an entry for {what} says that it is shared")),
            _ => Ok(()),
        }
    }

    fn refcount(&self, cluster: u64) -> u16 {
        let per_block = self.cluster_bytes * 8 / self.refcount_bits;
        if cluster / per_block >= self.refcounts.1 {
            return 0;
        }
        match self.u64(self.refcounts.0 + cluster / per_block * 8) {
            0 => 0,
            block => self.u16(block + cluster % per_block * 2),
        }
    }
}

/// Clusters of the file, and what each is in use for.
#[derive(Default)]
struct Uses {
    used: Vec<(u64, &'static str)>,
}

impl Uses {
    fn add(&mut self, reader: &Reader<'_>, offset: u64, what: &'static str) -> Result<(), String> {
        if !offset.is_multiple_of(reader.cluster_bytes) {
            return Err(format!(
                "{what} begins in the middle of a cluster, at {offset}"
            ));
        }
        let cluster = offset / reader.cluster_bytes;
        if let Some((_, other)) = self.used.iter().find(|(known, _)| *known == cluster) {
            return Err(format!(
                "cluster {cluster} of the file is {other} and {what}"
            ));
        }
        self.used.push((cluster, what));
        Ok(())
    }
}
