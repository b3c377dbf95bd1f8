//! Chunks of structured replies.
//!
//! QEMU: `nbd_receive_structured_reply_chunk` (nbd/client.c), `nbd_parse_offset_hole_payload`,
//! `nbd_parse_blockstatus_payload`, `nbd_parse_error_payload` (block/nbd.c).

use super::{Place, ServerError, Transmission};
use crate::nbd::client::command::Command;
use crate::nbd::client::violation::Violation;
use crate::nbd::proto::{ChunkHeader, Extent, MAX_STRING, chunk, chunk_flag};

/// What precedes the data of a chunk of data: its offset.
const DATA_FRONT: usize = 8;
/// The offset and the length of a hole.
const HOLE_BYTES: usize = 12;
/// The number of a context, and one extent.
const STATUS_FRONT: usize = 4 + Extent::LEN;
/// The number of an error, and the length of its text.
const ERROR_FRONT: usize = 6;
/// After the text, where the error was.
const ERROR_OFFSET_BYTES: usize = 8;

fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Violation> {
    let rest = bytes.get(at..).unwrap_or_default();
    let number = rest.first_chunk().copied();
    number.ok_or_else(|| Violation::new("a chunk is too short"))
}

impl Transmission {
    /// The header of a chunk has come.
    pub(super) fn chunk(&mut self, header: ChunkHeader) -> Result<(), Violation> {
        let index = self.slots.find(header.cookie)?;
        let slot = self.slots.get_mut(index);
        slot.touched = true;
        let is_read = matches!(slot.command, Command::Read { .. });
        let is_status = matches!(slot.command, Command::BlockStatus { .. });
        let has_extent = slot.extent.is_some();
        let len = header.len as usize;
        let fits = |fits: bool, front: usize| {
            if fits {
                return Ok(front);
            }
            let kind = header.kind;
            Err(Violation::new(format!(
                "a chunk of type {kind} cannot have {len} bytes"
            )))
        };
        let front = match header.kind {
            chunk::NONE => {
                fits(len == 0, 0)?;
                if header.flags & chunk_flag::DONE == 0 {
                    return Err(Violation::new("an empty chunk does not end its reply"));
                }
                return self.end_of_chunk(index, true);
            }
            chunk::OFFSET_DATA if is_read => fits(len > DATA_FRONT, DATA_FRONT)?,
            chunk::OFFSET_HOLE if is_read => fits(len == HOLE_BYTES, HOLE_BYTES)?,
            chunk::BLOCK_STATUS if is_status && !has_extent => {
                let extents = len.saturating_sub(4);
                let whole = extents > 0 && extents.is_multiple_of(Extent::LEN);
                fits(whole && len <= 64 << 10, STATUS_FRONT)?
            }
            chunk::BLOCK_STATUS if is_status => {
                return Err(Violation::new("a range was told of twice"));
            }
            kind if kind & chunk::FLAG_ERROR != 0 => {
                let max = ERROR_FRONT + MAX_STRING as usize + ERROR_OFFSET_BYTES;
                fits((ERROR_FRONT..=max).contains(&len), len)?
            }
            kind => {
                return Err(Violation::new(format!(
                    "a chunk of type {kind} is no answer to what was asked"
                )));
            }
        };
        self.place = Place::Front {
            chunk: header,
            bytes: front,
        };
        Ok(())
    }

    /// What precedes the data of a chunk has come, or all of it if there is no data.
    pub(super) fn fronted(&mut self, header: ChunkHeader, front: &[u8]) -> Result<(), Violation> {
        let index = self.slots.find(header.cookie)?;
        let last = header.flags & chunk_flag::DONE != 0;
        match header.kind {
            chunk::OFFSET_DATA => {
                let offset = u64::from_be_bytes(number(front, 0)?);
                let left = header.len as usize - DATA_FRONT;
                let at = self.place_data(index, offset, left as u64)?;
                self.place = Place::Data {
                    slot: index,
                    at,
                    left,
                    last,
                };
                Ok(())
            }
            chunk::OFFSET_HOLE => {
                let offset = u64::from_be_bytes(number(front, 0)?);
                let bytes = u32::from_be_bytes(number(front, 8)?);
                if bytes == 0 {
                    return Err(Violation::new("a hole is empty"));
                }
                let at = self.place_data(index, offset, bytes.into())?;
                self.slots.buffer(index, at, bytes as usize).fill(0);
                self.end_of_chunk(index, last)
            }
            chunk::BLOCK_STATUS => {
                self.told_status(index, front)?;
                let left = header.len as usize - STATUS_FRONT;
                if left == 0 {
                    return self.end_of_chunk(index, last);
                }
                self.place = Place::Skip {
                    slot: index,
                    left,
                    last,
                };
                Ok(())
            }
            _ => {
                self.told_error(index, header, front)?;
                self.end_of_chunk(index, last)
            }
        }
    }

    /// Finds where in the buffer of a read `bytes` from `offset` on belong, and that they have not come
    /// before.
    fn place_data(&mut self, index: usize, offset: u64, bytes: u64) -> Result<usize, Violation> {
        let (start, len) = self.slots.get(index).command.range();
        let at = offset.checked_sub(start);
        let inside = |at: &u64| *at < len && bytes <= len - *at;
        let Some(at) = at.filter(inside) else {
            return Err(Violation::new(format!(
                "server sent chunk exceeding requested region: {bytes} bytes at {offset}, of {len} at {start}"
            )));
        };
        self.slots.cover(index, at, bytes)?;
        Ok(at as usize)
    }

    fn told_status(&mut self, index: usize, front: &[u8]) -> Result<(), Violation> {
        let context = u32::from_be_bytes(number(front, 0)?);
        if self.allocation_context != Some(context) {
            return Err(Violation::new(format!(
                "unexpected context id {context} for status chunk"
            )));
        }
        let mut extent = Extent::decode(&number(front, 4)?);
        if extent.len == 0 {
            return Err(Violation::new("server sent status chunk with zero length"));
        }
        let min = self.min_block;
        if !extent.len.is_multiple_of(min) {
            // A sloppy server: whole blocks are what is asked for, and what can be used. Of the block
            // that is told of in part nothing is known.
            match extent.len / min * min {
                0 => extent = Extent { len: min, flags: 0 },
                whole => extent.len = whole,
            }
        }
        let slot = self.slots.get_mut(index);
        let (_, asked) = slot.command.range();
        // Who asked about part of an extent may be told of all of it.
        extent.len = u64::from(extent.len).min(asked) as u32;
        slot.extent = Some(extent);
        Ok(())
    }

    fn told_error(
        &mut self,
        index: usize,
        header: ChunkHeader,
        front: &[u8],
    ) -> Result<(), Violation> {
        let error = u32::from_be_bytes(number(front, 0)?);
        if error == 0 {
            return Err(Violation::new(
                "server sent structured error chunk with error = 0",
            ));
        }
        let text_bytes = usize::from(u16::from_be_bytes(number(front, 4)?));
        let text_end = ERROR_FRONT + text_bytes;
        let Some(text) = front.get(ERROR_FRONT..text_end) else {
            return Err(Violation::new(
                "server sent structured error chunk with incorrect message size",
            ));
        };
        if header.kind == chunk::ERROR_OFFSET {
            let offset = u64::from_be_bytes(number(front, text_end)?);
            let (start, len) = self.slots.get(index).command.range();
            if offset < start || offset - start >= len.max(1) {
                return Err(Violation::new(
                    "an error is said to be where nothing was asked for",
                ));
            }
        }
        let text = String::from_utf8_lossy(text);
        let text = text.chars().filter(|c| !c.is_control()).collect();
        // The first one is the cause of the others, if there are others.
        let slot = self.slots.get_mut(index);
        slot.error.get_or_insert(ServerError { error, text });
        Ok(())
    }
}
