//! The handshake of a server: fixed newstyle.
//!
//! QEMU: `nbd_negotiate`, `nbd_negotiate_options` (nbd/server.c).

use super::{Inbox, Outbox};
use crate::nbd::proto::{
    BadMagic, EXPORT_NAME_PADDING, Greeting, MAX_OPTION_DATA, MAX_OPTIONS, MAX_PAYLOAD, MAX_STRING,
    OptionHeader, client_flag, flag, handshake, opt, rep,
};

/// What a client is told of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// A description for people.
    pub description: Option<String>,
    /// Its length in bytes.
    pub size: u64,
    /// Its transmission flags, `flag::*`, without `flag::SEND_DF`, which depends on the client.
    pub flags: u16,
    /// The smallest, the preferred and the largest size of a request, in bytes.
    pub block_sizes: [u32; 3],
}

/// The exports of a server.
pub trait Exports {
    /// All of them, as name and description.
    fn list(&self) -> Vec<(String, Option<String>)>;

    /// The export of that name.
    fn find(&self, name: &str) -> Option<Exported>;
}

/// What client and server have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mode {
    /// Replies are structured.
    pub structured: bool,
    /// Block status tells of `base:allocation`.
    pub base_allocation: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read more into the inbox.
    Read,
    /// An option was answered: send the outbox before going on, so that a client that does not read
    /// its answers does not get more of them.
    Answered,
    /// The handshake is over, and requests to the export of that name follow.
    Transmission {
        /// Its name.
        export: String,
        /// What was agreed on.
        mode: Mode,
    },
}

/// There will be no transmission. What is in the outbox is still to be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// What should be an option is none.
    #[error(transparent)]
    BadMagic(#[from] BadMagic),
    /// The client wants something that nobody knows of.
    #[error("unknown client flags 0x{0:x}")]
    ClientFlags(u32),
    /// An option that can only be answered in fixed newstyle, which the client does not speak.
    #[error("option {0} outside of the fixed newstyle handshake")]
    NotFixed(u32),
    /// More data than any option has.
    #[error("{0} bytes of data for an option")]
    TooLong(u32),
    /// More options than anybody needs.
    #[error("too many options")]
    TooMany,
    /// There is no such export, and the client has asked in a way that has no answer for that.
    #[error("there is no export of the name that was asked for")]
    NoSuchExport,
    /// The client says that it is done.
    #[error("the client has left")]
    Aborted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    ClientFlags,
    Option,
    /// So many bytes of an option are thrown away before the answer.
    Skip {
        option: u32,
        left: u32,
    },
    Ended(Ended),
}

/// The handshake with one client.
#[derive(Debug)]
pub struct Handshake {
    state: State,
    fixed: bool,
    no_zeroes: bool,
    options: u32,
    pub(super) structured: bool,
    /// The export for which `base:allocation` was chosen.
    pub(super) context_of: Option<String>,
}

impl Handshake {
    /// Begins: puts the greeting into the outbox.
    pub fn new(outbox: &mut Outbox) -> Self {
        let flags = handshake::FIXED_NEWSTYLE | handshake::NO_ZEROES;
        outbox.put(&Greeting { flags }.encode());
        Handshake {
            state: State::ClientFlags,
            fixed: false,
            no_zeroes: false,
            options: 0,
            structured: false,
            context_of: None,
        }
    }

    /// Takes what has come up to the end of an option.
    ///
    /// # Errors
    ///
    /// The handshake has failed, now and ever after.
    pub fn step(
        &mut self,
        inbox: &mut Inbox,
        exports: &dyn Exports,
        outbox: &mut Outbox,
    ) -> Result<Step, Ended> {
        let result = self.try_step(inbox, exports, outbox);
        if let Err(ended) = &result {
            self.state = State::Ended(ended.clone());
        }
        result
    }

    fn try_step(
        &mut self,
        inbox: &mut Inbox,
        exports: &dyn Exports,
        outbox: &mut Outbox,
    ) -> Result<Step, Ended> {
        loop {
            match self.state.clone() {
                State::ClientFlags => {
                    let Some(bytes) = inbox.peek_array() else {
                        return Ok(Step::Read);
                    };
                    let flags = u32::from_be_bytes(*bytes);
                    inbox.consume(4);
                    self.client_flags(flags)?;
                    self.state = State::Option;
                }
                State::Option => return self.option(inbox, exports, outbox),
                State::Skip { option, left } => {
                    let here = inbox.peek().len().min(left as usize);
                    inbox.consume(here);
                    let left = left - here as u32;
                    self.state = State::Skip { option, left };
                    if left > 0 {
                        return Ok(Step::Read);
                    }
                    self.state = State::Option;
                    self.refuse(outbox, option, rep::ERR_TOO_BIG, "the option is too long");
                    return Ok(Step::Answered);
                }
                State::Ended(ended) => return Err(ended),
            }
        }
    }

    fn client_flags(&mut self, flags: u32) -> Result<(), Ended> {
        self.fixed = flags & client_flag::FIXED_NEWSTYLE != 0;
        self.no_zeroes = flags & client_flag::NO_ZEROES != 0;
        match flags & !(client_flag::FIXED_NEWSTYLE | client_flag::NO_ZEROES) {
            0 => Ok(()),
            unknown => Err(Ended::ClientFlags(unknown)),
        }
    }

    fn option(
        &mut self,
        inbox: &mut Inbox,
        exports: &dyn Exports,
        outbox: &mut Outbox,
    ) -> Result<Step, Ended> {
        let Some(bytes) = inbox.peek_array() else {
            return Ok(Step::Read);
        };
        let OptionHeader { option, len } = OptionHeader::decode(bytes)?;
        if !self.fixed && option != opt::EXPORT_NAME {
            return Err(Ended::NotFixed(option));
        }
        if len > MAX_PAYLOAD || (option == opt::EXPORT_NAME && len > MAX_STRING) {
            return Err(Ended::TooLong(len));
        }
        if self.options >= MAX_OPTIONS {
            return Err(Ended::TooMany);
        }
        if len > MAX_OPTION_DATA {
            self.options += 1;
            inbox.consume(OptionHeader::LEN);
            self.state = State::Skip { option, left: len };
            return self.try_step(inbox, exports, outbox);
        }
        let all = OptionHeader::LEN + len as usize;
        if inbox.peek().len() < all {
            return Ok(Step::Read);
        }
        self.options += 1;
        let all = inbox.take(all).expect("it was counted");
        self.answer(option, &all[OptionHeader::LEN..], exports, outbox)
    }

    /// Answers `opt::EXPORT_NAME`, which has no answer that says no.
    ///
    /// QEMU: `nbd_negotiate_handle_export_name` (nbd/server.c).
    pub(super) fn export_name(
        &mut self,
        data: &[u8],
        exports: &dyn Exports,
        outbox: &mut Outbox,
    ) -> Result<Step, Ended> {
        let name = std::str::from_utf8(data).ok();
        let Some(export) = name.and_then(|name| exports.find(name)) else {
            return Err(Ended::NoSuchExport);
        };
        outbox.put(&export.size.to_be_bytes());
        outbox.put(&self.flags_of(&export).to_be_bytes());
        if !self.no_zeroes {
            outbox.put(&[0; EXPORT_NAME_PADDING]);
        }
        Ok(self.transmission(export.name))
    }

    /// The flags of an export as this client is told them.
    pub(super) fn flags_of(&self, export: &Exported) -> u16 {
        match self.structured {
            true => export.flags | flag::SEND_DF,
            false => export.flags,
        }
    }

    /// The end of the handshake.
    pub(super) fn transmission(&self, export: String) -> Step {
        let mode = Mode {
            structured: self.structured,
            // Chosen for another export, it means nothing for this one.
            base_allocation: self.context_of.as_ref() == Some(&export),
        };
        Step::Transmission { export, mode }
    }
}
