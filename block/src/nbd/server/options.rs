//! The options of the handshake, and their answers.
//!
//! QEMU: `nbd_negotiate_options`, `nbd_negotiate_handle_info`, `nbd_negotiate_meta_queries`
//! (nbd/server.c).

use super::Outbox;
use super::handshake::{Ended, Exported, Exports, Handshake, Step};
use super::reply::BASE_ALLOCATION_ID;
use crate::nbd::proto::{MAX_STRING, OptionReplyHeader, base_allocation, info, opt, opt_name, rep};

/// Takes the data of an option apart.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn u16(&mut self) -> Option<u16> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*first))
    }

    fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    fn bytes(&mut self, len: u32) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(len as usize)?;
        self.0 = rest;
        Some(first)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        if len > MAX_STRING {
            return None;
        }
        self.bytes(len)
    }
}

/// What `opt::INFO` and `opt::GO` ask.
struct InfoRequest<'a> {
    name: &'a [u8],
    wants_name: bool,
    wants_description: bool,
    wants_block_size: bool,
}

impl<'a> InfoRequest<'a> {
    fn parse(data: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(data);
        let mut request = InfoRequest {
            name: fields.string()?,
            wants_name: false,
            wants_description: false,
            wants_block_size: false,
        };
        for _ in 0..fields.u16()? {
            match fields.u16()? {
                info::NAME => request.wants_name = true,
                info::DESCRIPTION => request.wants_description = true,
                info::BLOCK_SIZE => request.wants_block_size = true,
                // Others are hints that may be ignored.
                _ => {}
            }
        }
        fields.0.is_empty().then_some(request)
    }
}

fn find(exports: &dyn Exports, name: &[u8]) -> Option<Exported> {
    exports.find(std::str::from_utf8(name).ok()?)
}

fn reply(outbox: &mut Outbox, option: u32, kind: u32, data: &[&[u8]]) {
    let len: usize = data.iter().map(|part| part.len()).sum();
    let header = OptionReplyHeader {
        option,
        reply: kind,
        len: u32::try_from(len).expect("names are short"),
    };
    outbox.put(&header.encode());
    for part in data {
        outbox.put(part);
    }
}

impl Handshake {
    pub(super) fn refuse(&self, outbox: &mut Outbox, option: u32, kind: u32, text: &str) {
        let text = &text.as_bytes()[..text.len().min(MAX_STRING as usize)];
        reply(outbox, option, kind, &[text]);
    }

    /// Answers one option.
    pub(super) fn answer(
        &mut self,
        option: u32,
        data: &[u8],
        exports: &dyn Exports,
        outbox: &mut Outbox,
    ) -> Result<Step, Ended> {
        let name = opt_name(option);
        let has_none = matches!(option, opt::LIST | opt::STARTTLS | opt::STRUCTURED_REPLY);
        if has_none && !data.is_empty() {
            let text = format!("option '{name}' has unexpected length");
            self.refuse(outbox, option, rep::ERR_INVALID, &text);
            return Ok(Step::Answered);
        }
        match option {
            opt::EXPORT_NAME => return self.export_name(data, exports, outbox),
            opt::ABORT => {
                reply(outbox, option, rep::ACK, &[]);
                return Err(Ended::Aborted);
            }
            opt::INFO | opt::GO => return Ok(self.info(option, data, exports, outbox)),
            opt::LIST => self.list(exports, outbox),
            opt::STARTTLS => {
                self.refuse(outbox, option, rep::ERR_POLICY, "TLS not configured");
            }
            opt::STRUCTURED_REPLY if self.structured => {
                let text = "structured reply already negotiated";
                self.refuse(outbox, option, rep::ERR_INVALID, text);
            }
            opt::STRUCTURED_REPLY => {
                self.structured = true;
                reply(outbox, option, rep::ACK, &[]);
            }
            opt::LIST_META_CONTEXT | opt::SET_META_CONTEXT => {
                self.meta_context(option, data, exports, outbox);
            }
            _ => {
                let text = format!("Unsupported option {option} ({name})");
                self.refuse(outbox, option, rep::ERR_UNSUP, &text);
            }
        }
        Ok(Step::Answered)
    }

    /// QEMU: `nbd_negotiate_handle_list` (nbd/server.c).
    fn list(&self, exports: &dyn Exports, outbox: &mut Outbox) {
        for (name, description) in exports.list() {
            let len = u32::try_from(name.len()).expect("names are short");
            let description = description.unwrap_or_default();
            let parts: [&[u8]; 3] = [&len.to_be_bytes(), name.as_bytes(), description.as_bytes()];
            reply(outbox, opt::LIST, rep::SERVER, &parts);
        }
        reply(outbox, opt::LIST, rep::ACK, &[]);
    }

    /// QEMU: `nbd_negotiate_handle_info` (nbd/server.c).
    fn info(
        &mut self,
        option: u32,
        data: &[u8],
        exports: &dyn Exports,
        outbox: &mut Outbox,
    ) -> Step {
        let Some(request) = InfoRequest::parse(data) else {
            let text = format!("option '{}' has wrong data", opt_name(option));
            self.refuse(outbox, option, rep::ERR_INVALID, &text);
            return Step::Answered;
        };
        let Some(export) = find(exports, request.name) else {
            self.refuse_unknown(outbox, option, request.name);
            return Step::Answered;
        };
        let mut put = |kind: u16, parts: &[&[u8]]| {
            let kind = kind.to_be_bytes();
            let mut all: Vec<&[u8]> = vec![&kind];
            all.extend(parts);
            reply(outbox, option, rep::INFO, &all);
        };
        if request.wants_name {
            put(info::NAME, &[export.name.as_bytes()]);
        }
        if let (true, Some(description)) = (request.wants_description, &export.description) {
            put(info::DESCRIPTION, &[description.as_bytes()]);
        }
        let [smallest, preferred, largest] = export.block_sizes;
        // Who does not ask does not obey either, and is served in spite of it.
        let obeys = option == opt::INFO || request.wants_block_size;
        let smallest_told = if obeys { smallest } else { 1 };
        put(
            info::BLOCK_SIZE,
            &[
                &smallest_told.to_be_bytes(),
                &preferred.to_be_bytes(),
                &largest.to_be_bytes(),
            ],
        );
        let flags = self.flags_of(&export).to_be_bytes();
        put(info::EXPORT, &[&export.size.to_be_bytes(), &flags]);
        if option == opt::INFO && !request.wants_block_size && smallest > 1 {
            let text = "request NBD_INFO_BLOCK_SIZE to use this export";
            self.refuse(outbox, option, rep::ERR_BLOCK_SIZE_REQD, text);
            return Step::Answered;
        }
        reply(outbox, option, rep::ACK, &[]);
        match option {
            opt::GO => self.transmission(export.name),
            _ => Step::Answered,
        }
    }

    fn refuse_unknown(&self, outbox: &mut Outbox, option: u32, name: &[u8]) {
        let text = format!("export '{}' not present", String::from_utf8_lossy(name));
        self.refuse(outbox, option, rep::ERR_UNKNOWN, &text);
    }

    /// QEMU: `nbd_negotiate_meta_queries` (nbd/server.c).
    fn meta_context(
        &mut self,
        option: u32,
        data: &[u8],
        exports: &dyn Exports,
        outbox: &mut Outbox,
    ) {
        let name = opt_name(option);
        if !self.structured {
            let text = format!("request option '{name}' when structured reply is not negotiated");
            return self.refuse(outbox, option, rep::ERR_INVALID, &text);
        }
        let choosing = option == opt::SET_META_CONTEXT;
        if choosing {
            // What was chosen before does not hold any more, even if this fails.
            self.context_of = None;
        }
        let mut fields = Fields(data);
        let Some((export_name, queries)) = fields.string().zip(fields.u32()) else {
            let text = format!("option '{name}' has wrong data");
            return self.refuse(outbox, option, rep::ERR_INVALID, &text);
        };
        let Some(export) = find(exports, export_name) else {
            return self.refuse_unknown(outbox, option, export_name);
        };
        let mut wanted = queries == 0 && !choosing;
        for _ in 0..queries {
            let Some(query) = fields.string() else {
                let text = format!("option '{name}' has wrong data");
                return self.refuse(outbox, option, rep::ERR_INVALID, &text);
            };
            wanted |= query == base_allocation::NAME.as_bytes() || (!choosing && query == b"base:");
        }
        if !fields.0.is_empty() {
            let text = format!("option '{name}' has wrong data");
            return self.refuse(outbox, option, rep::ERR_INVALID, &text);
        }
        if wanted {
            let id = BASE_ALLOCATION_ID.to_be_bytes();
            let parts: [&[u8]; 2] = [&id, base_allocation::NAME.as_bytes()];
            reply(outbox, option, rep::META_CONTEXT, &parts);
            if choosing {
                self.context_of = Some(export.name);
            }
        }
        reply(outbox, option, rep::ACK, &[]);
    }
}
