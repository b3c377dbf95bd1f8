//! The handshake: from the first byte of the server to the beginning of the transmission.
//!
//! ```text
//! Greeting --fixed newstyle--> StructuredReply --acknowledged--> MetaContext --any answer--> Go
//!    |                               |                                                       |
//!    |                               +--refused--------------------------------------------->|
//!    +--newstyle--------------> ExportName <------------------------------------------not known--+
//!                                    |                                                       |
//!                                    +--size and flags--> the export <--------acknowledged-------+
//! ```
//!
//! Any other answer ends it. Oldstyle servers are refused: they cannot say no, and nobody has one.
//!
//! QEMU: `nbd_start_negotiate`, `nbd_receive_negotiate` (nbd/client.c).

mod described;

use super::export::ExportInfo;
use super::option_reply::OptionReply;
use crate::nbd::proto::{
    BadMagic, CLIENT_MAGIC, EXPORT_NAME_PADDING, Greeting, MAX_OPTION_REPLY, MAX_OPTIONS,
    MAX_STRING, OptionHeader, OptionReplyHeader, base_allocation, client_flag, handshake, info,
    opt, rep,
};

/// Why there is no connection: one sentence, and what else the server said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct HandshakeError {
    text: String,
    hints: Vec<String>,
    polite: bool,
}

impl HandshakeError {
    /// The server says no.
    pub(super) fn refused(text: impl Into<String>, hints: Vec<String>) -> Self {
        HandshakeError {
            text: text.into(),
            hints,
            polite: true,
        }
    }

    /// The server breaks the protocol, or speaks another one.
    pub(super) fn protocol(text: impl Into<String>) -> Self {
        HandshakeError {
            text: text.into(),
            hints: Vec::new(),
            polite: false,
        }
    }

    /// Lines to print below the sentence.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// True if the server has kept to the protocol and said no: asking again is of use only after
    /// somebody has changed something there.
    pub fn is_refusal(&self) -> bool {
        self.polite
    }
}

impl From<BadMagic> for HandshakeError {
    fn from(error: BadMagic) -> Self {
        match error.got {
            CLIENT_MAGIC => Self::protocol("Oldstyle NBD servers are not supported"),
            got => Self::protocol(format!("Bad server magic received: 0x{got:x}")),
        }
    }
}

/// Which answer comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Greeting,
    StructuredReply,
    MetaContext,
    Go,
    ExportName,
    Over,
}

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake {
    export: String,
    stage: Stage,
    /// The beginning of the next answer.
    input: Vec<u8>,
    no_zeroes: bool,
    info: ExportInfo,
    /// Whether the server has described the export.
    described: bool,
    replies: u32,
}

impl Handshake {
    /// A handshake for the export of that name. The server speaks first.
    ///
    /// # Errors
    ///
    /// The name is too long for the protocol.
    pub fn new(export: &str) -> Result<Handshake, HandshakeError> {
        if export.len() > MAX_STRING as usize {
            return Err(HandshakeError::refused(
                "export name too long to send to server",
                Vec::new(),
            ));
        }
        Ok(Handshake {
            export: export.to_owned(),
            stage: Stage::Greeting,
            input: Vec::new(),
            no_zeroes: false,
            info: ExportInfo::EMPTY,
            described: false,
            replies: 0,
        })
    }

    /// Takes bytes of the server off the front of `bytes`, and puts what it must be told behind
    /// `out`. Returns the export when the transmission has begun; what is left in `bytes` then
    /// belongs to it.
    ///
    /// # Errors
    ///
    /// There will be no transmission. What is in `out` should be sent all the same.
    pub fn feed(
        &mut self,
        bytes: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<ExportInfo>, HandshakeError> {
        let result = self.advance(bytes, out);
        if let Err(error) = &result {
            if error.is_refusal() && self.stage != Stage::Over {
                put_option(out, opt::ABORT, &[]);
            }
            self.stage = Stage::Over;
        }
        result
    }

    fn advance(
        &mut self,
        bytes: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<ExportInfo>, HandshakeError> {
        loop {
            if self.stage == Stage::Over {
                return Err(HandshakeError::protocol("the handshake is over"));
            }
            let needed = self.needed()?;
            let taken = bytes.len().min(needed - self.input.len());
            let (front, rest) = bytes.split_at(taken);
            self.input.extend_from_slice(front);
            *bytes = rest;
            if self.input.len() < needed {
                return Ok(None);
            }
            // The header alone may have been what was needed, and it says how much follows.
            if self.needed()? > needed {
                continue;
            }
            let answer = std::mem::take(&mut self.input);
            self.answer(&answer, out)?;
            if self.stage == Stage::Over {
                return Ok(Some(self.info.clone()));
            }
        }
    }

    /// How long the next answer is in bytes, as far as that is known.
    fn needed(&self) -> Result<usize, HandshakeError> {
        match self.stage {
            Stage::Greeting => Ok(Greeting::LEN),
            Stage::ExportName => Ok(match self.no_zeroes {
                true => 10,
                false => 10 + EXPORT_NAME_PADDING,
            }),
            _ => match self.input.first_chunk() {
                None => Ok(OptionReplyHeader::LEN),
                Some(head) => {
                    let header = OptionReplyHeader::decode(head).map_err(|error| {
                        HandshakeError::protocol(format!(
                            "Unexpected option reply magic: 0x{:x}",
                            error.got
                        ))
                    })?;
                    if header.len > MAX_OPTION_REPLY {
                        return Err(HandshakeError::protocol(format!(
                            "the server answers an option with {} bytes, which is too much",
                            header.len
                        )));
                    }
                    Ok(OptionReplyHeader::LEN + header.len as usize)
                }
            },
        }
    }

    fn answer(&mut self, answer: &[u8], out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        let broken = || HandshakeError::protocol("the server's answer is too short");
        match self.stage {
            Stage::Greeting => {
                let greeting = Greeting::decode(answer.first_chunk().ok_or_else(broken)?)?;
                self.greeted(greeting, out);
                return Ok(());
            }
            Stage::ExportName => {
                let size = answer.first_chunk().ok_or_else(broken)?;
                let flags = answer[8..].first_chunk().ok_or_else(broken)?;
                self.describe(u64::from_be_bytes(*size), u16::from_be_bytes(*flags))?;
                self.stage = Stage::Over;
                return Ok(());
            }
            _ => {}
        }
        let (head, data) = answer.split_first_chunk().ok_or_else(broken)?;
        let header = OptionReplyHeader::decode(head)?;
        self.replies += 1;
        if self.replies > MAX_OPTIONS {
            return Err(HandshakeError::protocol(
                "the server does not come to an end",
            ));
        }
        let asked = match self.stage {
            Stage::StructuredReply => opt::STRUCTURED_REPLY,
            Stage::MetaContext => opt::SET_META_CONTEXT,
            _ => opt::GO,
        };
        if header.option != asked {
            return Err(HandshakeError::protocol(format!(
                "Unexpected option type {}, expected {asked}",
                header.option
            )));
        }
        let reply = OptionReply { header, data };
        match self.stage {
            Stage::StructuredReply => self.structured_answered(&reply, out),
            Stage::MetaContext => self.context_answered(&reply, out),
            _ => self.go_answered(&reply, out),
        }
    }

    /// QEMU: `nbd_start_negotiate` (nbd/client.c).
    fn greeted(&mut self, greeting: Greeting, out: &mut Vec<u8>) {
        let mut flags = 0;
        let fixed = greeting.flags & handshake::FIXED_NEWSTYLE != 0;
        if fixed {
            flags |= client_flag::FIXED_NEWSTYLE;
        }
        if greeting.flags & handshake::NO_ZEROES != 0 {
            self.no_zeroes = true;
            flags |= client_flag::NO_ZEROES;
        }
        out.extend_from_slice(&flags.to_be_bytes());
        if fixed {
            put_option(out, opt::STRUCTURED_REPLY, &[]);
            self.stage = Stage::StructuredReply;
        } else {
            self.ask_export_name(out);
        }
    }

    fn structured_answered(
        &mut self,
        reply: &OptionReply<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), HandshakeError> {
        if reply.is_error() {
            // Whatever the reason, it can be done without, and without block status, which needs them.
            self.ask_go(out);
            return Ok(());
        }
        reply.expect_ack()?;
        self.info.structured = true;
        let mut data = Vec::new();
        put_string(&mut data, &self.export);
        data.extend_from_slice(&1u32.to_be_bytes());
        put_string(&mut data, base_allocation::NAME);
        put_option(out, opt::SET_META_CONTEXT, &data);
        self.stage = Stage::MetaContext;
        Ok(())
    }

    /// QEMU: `nbd_receive_one_meta_context`, `nbd_negotiate_simple_meta_context` (nbd/client.c).
    fn context_answered(
        &mut self,
        reply: &OptionReply<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), HandshakeError> {
        if reply.header.reply == rep::META_CONTEXT && self.info.allocation_context.is_none() {
            let Some((id, name)) = reply.data.split_first_chunk() else {
                return Err(HandshakeError::protocol("a meta context without a number"));
            };
            if name != base_allocation::NAME.as_bytes() {
                return Err(HandshakeError::protocol(format!(
                    "Failed to negotiate meta context '{}', server answered with different context '{}'",
                    base_allocation::NAME,
                    String::from_utf8_lossy(name)
                )));
            }
            self.info.allocation_context = Some(u32::from_be_bytes(*id));
            return Ok(());
        }
        if reply.is_error() {
            self.info.allocation_context = None;
        } else {
            reply.expect_ack()?;
        }
        self.ask_go(out);
        Ok(())
    }

    /// QEMU: `nbd_opt_info_or_go` (nbd/client.c).
    fn go_answered(
        &mut self,
        reply: &OptionReply<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), HandshakeError> {
        match reply.header.reply {
            rep::ERR_UNSUP => {
                self.ask_export_name(out);
                Ok(())
            }
            rep::INFO => self.informed(reply.data),
            _ if reply.is_error() => Err(reply.error()),
            _ => {
                reply.expect_ack()?;
                if !self.described {
                    return Err(HandshakeError::protocol(
                        "broken server omitted NBD_INFO_EXPORT",
                    ));
                }
                self.check_block_size()?;
                self.stage = Stage::Over;
                Ok(())
            }
        }
    }

    fn ask_go(&mut self, out: &mut Vec<u8>) {
        let mut data = Vec::new();
        put_string(&mut data, &self.export);
        data.extend_from_slice(&1u16.to_be_bytes());
        data.extend_from_slice(&info::BLOCK_SIZE.to_be_bytes());
        put_option(out, opt::GO, &data);
        self.stage = Stage::Go;
    }

    fn ask_export_name(&mut self, out: &mut Vec<u8>) {
        put_option(out, opt::EXPORT_NAME, self.export.as_bytes());
        self.stage = Stage::ExportName;
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    // Names were measured before: they are far shorter than 4 GiB.
    out.extend_from_slice(&(text.len() as u32).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_option(out: &mut Vec<u8>, option: u32, data: &[u8]) {
    let len = data.len() as u32;
    out.extend_from_slice(&OptionHeader { option, len }.encode());
    out.extend_from_slice(data);
}
