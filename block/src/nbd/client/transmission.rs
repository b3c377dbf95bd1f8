//! The transmission: requests out, replies in.
//!
//! Requests are written one after another; their replies come in any order, and those to one request
//! in chunks between others. Where the parser is between two calls:
//!
//! ```text
//!            +-----------------------------------------------------------+
//!            v                                                           |
//! Magic -> Head --simple--------------------------------> Data or none --+
//!            |                                              ^            |
//!            +--chunk--> Front (what precedes the data) ----+            |
//!                          |                                             |
//!                          +--rest of no interest--> Skip ---------------+
//! ```
//!
//! QEMU: `nbd_receive_reply` (nbd/client.c), `nbd_co_do_receive_one_chunk` (block/nbd.c).

mod chunk;
mod finish;
mod slots;

use super::command::Command;
use super::export::ExportInfo;
use super::violation::Violation;
use crate::nbd::proto::{
    ChunkHeader, Extent, RequestHeader, SIMPLE_REPLY_MAGIC, STRUCTURED_REPLY_MAGIC,
    SimpleReplyHeader,
};
use slots::Slots;

/// What a server says when it could not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// The number on the wire, `error::*`; not 0.
    pub error: u32,
    /// What the server says about it, if it says something.
    pub text: String,
}

/// What has become of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; of a read, the buffer is filled.
    Done,
    /// What is known of the first bytes of the range: a length of at least 1 and at most that of the
    /// range, and flags of [`base_allocation`](crate::nbd::proto::base_allocation).
    Status(Extent),
    /// The server could not do it. Of a read, the buffer may hold anything.
    Failed(ServerError),
}

/// A command that has been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The name of its request.
    pub cookie: u64,
    /// The command, with its buffer.
    pub command: Command,
    /// What has become of it.
    pub outcome: Outcome,
}

/// Where in the stream of replies the parser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a header, whose bytes are collected.
    Head,
    /// In what precedes the data of a chunk, or is all of it: `bytes` in all, which are collected.
    Front { chunk: ChunkHeader, bytes: usize },
    /// In data, which goes into the buffer of a read.
    Data {
        slot: usize,
        at: usize,
        left: usize,
        /// The reply ends with it.
        last: bool,
    },
    /// In what nobody wants.
    Skip {
        slot: usize,
        left: usize,
        last: bool,
    },
    /// The server has broken the protocol.
    Broken,
}

/// The commands of one connection that are under way, and the parser of their replies.
#[derive(Debug)]
pub struct Transmission {
    structured: bool,
    allocation_context: Option<u32>,
    min_block: u32,
    slots: Slots,
    place: Place,
    /// The bytes of a header, or of the front of a chunk, that have come.
    collected: Vec<u8>,
    finished: Vec<Finished>,
}

impl Transmission {
    /// For a connection whose handshake has ended so.
    pub fn new(info: &ExportInfo) -> Transmission {
        Transmission {
            structured: info.structured,
            allocation_context: info.allocation_context,
            min_block: info.min_block.max(1),
            slots: Slots::default(),
            place: Place::Head,
            collected: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// True if no more commands can be begun before one has finished.
    pub fn is_full(&self) -> bool {
        self.slots.is_full()
    }

    /// How many commands have been begun and not finished.
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// Begins a command. Returns the name of its request and the header, which must be sent with the
    /// command's [`payload`](Command::payload) behind it; or the command if it must wait.
    ///
    /// # Panics
    ///
    /// It asks for the block status, and the export does not tell it.
    pub fn begin(&mut self, command: Command) -> Result<(u64, [u8; RequestHeader::LEN]), Command> {
        assert!(
            self.allocation_context.is_some() || !matches!(command, Command::BlockStatus { .. }),
            "block status without a meta context"
        );
        self.slots.begin(command)
    }

    /// Takes bytes that the server has sent.
    ///
    /// # Errors
    ///
    /// It breaks the protocol: then the connection must be closed, and so it answers to whatever is
    /// fed after that.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            let taken = self.take(bytes);
            let taken = taken.inspect_err(|_| self.place = Place::Broken)?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Where the bytes that come next belong, if they are data: they may be put there, and told of by
    /// [`filled`](Self::filled), instead of being fed. Empty if they are no data.
    pub fn room(&mut self) -> &mut [u8] {
        match self.place {
            Place::Data { slot, at, left, .. } => self.slots.buffer(slot, at, left),
            _ => &mut [],
        }
    }

    /// The first `bytes` of [`room`](Self::room) have come.
    ///
    /// # Panics
    ///
    /// There is not so much room.
    pub fn filled(&mut self, bytes: usize) -> Result<(), Violation> {
        let Place::Data {
            slot,
            at,
            left,
            last,
        } = self.place
        else {
            assert_eq!(bytes, 0, "there is no room");
            return Ok(());
        };
        assert!(bytes <= left, "{bytes} bytes do not fit into {left}");
        self.place = Place::Data {
            slot,
            at: at + bytes,
            left: left - bytes,
            last,
        };
        if bytes == left {
            let ended = self.end_of_chunk(slot, last);
            ended.inspect_err(|_| self.place = Place::Broken)?;
        }
        Ok(())
    }

    /// The commands that have finished since the last call, in their order.
    pub fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }

    /// The commands that have not finished, oldest first, when the connection has ended: it will
    /// answer none of them.
    pub fn take_unfinished(&mut self) -> Vec<(u64, Command)> {
        self.place = Place::Broken;
        self.slots.take_all()
    }

    /// Takes some of `bytes`, at least one, and returns how many.
    fn take(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        match self.place {
            Place::Head => {
                let needed = self.head_bytes()?;
                let taken = self.collect(bytes, needed);
                if self.collected.len() == needed && self.head_bytes()? == needed {
                    self.headed()?;
                }
                Ok(taken)
            }
            Place::Front {
                chunk,
                bytes: needed,
            } => {
                let taken = self.collect(bytes, needed);
                if self.collected.len() == needed {
                    let front = std::mem::take(&mut self.collected);
                    self.fronted(chunk, &front)?;
                }
                Ok(taken)
            }
            Place::Data { left, .. } => {
                let taken = bytes.len().min(left);
                self.room()[..taken].copy_from_slice(&bytes[..taken]);
                self.filled(taken)?;
                Ok(taken)
            }
            Place::Skip { slot, left, last } => {
                let taken = bytes.len().min(left);
                let left = left - taken;
                self.place = Place::Skip { slot, left, last };
                if left == 0 {
                    self.end_of_chunk(slot, last)?;
                }
                Ok(taken)
            }
            Place::Broken => Err(Violation::new("the connection is over")),
        }
    }

    fn collect(&mut self, bytes: &[u8], needed: usize) -> usize {
        let taken = bytes.len().min(needed - self.collected.len());
        self.collected.extend_from_slice(&bytes[..taken]);
        taken
    }

    /// How long the header is, as far as its first bytes say.
    fn head_bytes(&self) -> Result<usize, Violation> {
        let Some(magic) = self.collected.first_chunk() else {
            return Ok(size_of::<u32>());
        };
        match u32::from_be_bytes(*magic) {
            SIMPLE_REPLY_MAGIC => Ok(SimpleReplyHeader::LEN),
            STRUCTURED_REPLY_MAGIC if self.structured => Ok(ChunkHeader::LEN),
            STRUCTURED_REPLY_MAGIC => Err(Violation::new(
                "a structured reply came, and none was agreed on",
            )),
            magic => Err(Violation::new(format!("invalid magic 0x{magic:x}"))),
        }
    }

    /// A header is complete.
    fn headed(&mut self) -> Result<(), Violation> {
        let head = std::mem::take(&mut self.collected);
        if head.len() == SimpleReplyHeader::LEN
            && let Some(head) = head.first_chunk()
        {
            let header = SimpleReplyHeader::decode(head)?;
            return self.simple_reply(header);
        }
        match head.first_chunk() {
            Some(head) => self.chunk(ChunkHeader::decode(head)?),
            None => Err(Violation::new("a header is too short")),
        }
    }

    /// QEMU: `nbd_co_do_receive_one_chunk` (block/nbd.c).
    fn simple_reply(&mut self, header: SimpleReplyHeader) -> Result<(), Violation> {
        let slot = self.slots.find(header.cookie)?;
        let command = &self.slots.get(slot).command;
        let is_read = matches!(command, Command::Read { .. });
        if is_read && self.structured {
            return Err(Violation::new(
                "simple reply when structured reply chunk was expected",
            ));
        }
        if self.slots.get(slot).touched {
            return Err(Violation::new(
                "a simple reply came in the middle of a structured one",
            ));
        }
        if header.error != 0 {
            self.slots.get_mut(slot).error = Some(ServerError {
                error: header.error,
                text: String::new(),
            });
        } else if is_read {
            let (_, bytes) = command.range();
            let taken = self.slots.cover(slot, 0, bytes);
            taken?;
            self.place = Place::Data {
                slot,
                at: 0,
                left: bytes as usize,
                last: true,
            };
            return Ok(());
        }
        self.end_of_chunk(slot, true)
    }
}
