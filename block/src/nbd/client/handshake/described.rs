//! What a server tells about the export before it agrees.
//!
//! QEMU: `nbd_opt_info_or_go` (nbd/client.c).

use super::{Handshake, HandshakeError};
use crate::nbd::client::export::ExportInfo;
use crate::nbd::proto::info;

/// Blocks larger than any request are no blocks.
const MAX_MIN_BLOCK: u32 = 1 << 16;

impl Handshake {
    pub(super) fn informed(&mut self, data: &[u8]) -> Result<(), HandshakeError> {
        let short = || HandshakeError::protocol("a piece of information has the wrong length");
        let (kind, data) = data.split_first_chunk().ok_or_else(short)?;
        match u16::from_be_bytes(*kind) {
            info::EXPORT => {
                let (size, flags) = data.split_first_chunk().ok_or_else(short)?;
                let flags = flags.try_into().map_err(|_| short())?;
                self.describe(u64::from_be_bytes(*size), u16::from_be_bytes(flags))
            }
            info::BLOCK_SIZE => {
                let data: [u8; 12] = data.try_into().map_err(|_| short())?;
                let number = |at: usize| {
                    u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
                };
                self.info.min_block = number(0);
                self.info.preferred_block = number(4);
                self.info.max_block = number(8);
                let ExportInfo {
                    min_block: min,
                    preferred_block: preferred,
                    max_block: max,
                    ..
                } = self.info;
                let wrong = |what: &str, size: u32, how: &str| {
                    let text = format!("server {what} block size {size} is {how}");
                    Err(HandshakeError::protocol(text))
                };
                if !min.is_power_of_two() || min > MAX_MIN_BLOCK {
                    return wrong("minimum", min, "not a power of two");
                }
                if !preferred.is_power_of_two() || preferred < min {
                    return wrong("preferred", preferred, "not valid");
                }
                if max < min {
                    return wrong("maximum", max, "not valid");
                }
                Ok(())
            }
            // Names, descriptions and what may come to be: nobody here asks for them.
            _ => Ok(()),
        }
    }

    pub(super) fn check_block_size(&self) -> Result<(), HandshakeError> {
        let min = self.info.min_block;
        if min > 0 && !self.info.size.is_multiple_of(u64::from(min)) {
            return Err(HandshakeError::protocol(format!(
                "export size {} is not multiple of minimum block size {min}",
                self.info.size
            )));
        }
        Ok(())
    }

    pub(super) fn describe(&mut self, size: u64, flags: u16) -> Result<(), HandshakeError> {
        if i64::try_from(size).is_err() {
            return Err(HandshakeError::protocol(format!(
                "the export has {size} bytes, which is too much"
            )));
        }
        self.info.size = size;
        self.info.flags = flags;
        self.described = true;
        Ok(())
    }
}
