//! A client that does one thing at a time, and says what it is told, true or not.

use std::io::{Read, Write};

use blockjob::block::nbd::proto::{
    ChunkHeader, Extent, Greeting, OptionHeader, OptionReplyHeader, REQUEST_MAGIC, RequestHeader,
    SIMPLE_REPLY_MAGIC, SimpleReplyHeader, base_allocation, chunk, chunk_flag, client_flag, cmd,
    info, opt, rep,
};

const _: () = assert!(REQUEST_MAGIC != SIMPLE_REPLY_MAGIC);

/// What a server has answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) cookie: u64,
    pub(crate) error: u32,
    pub(crate) text: String,
    /// What was read, with its offset; none for a hole of that length.
    pub(crate) pieces: Vec<(u64, Option<Vec<u8>>, u32)>,
    pub(crate) extents: Vec<Extent>,
}

/// A client in the transmission phase.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    pub(crate) size: u64,
    pub(crate) flags: u16,
    structured: bool,
    cookie: u64,
}

pub(crate) fn bytes(stream: &mut impl Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).expect("the server goes on");
    bytes
}

fn array<const N: usize>(stream: &mut impl Read) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).expect("the server goes on");
    bytes
}

/// Greets a server.
pub(crate) fn greet(stream: &mut (impl Read + Write)) {
    Greeting::decode(&array(stream)).expect("it is a newstyle server");
    let flags = client_flag::FIXED_NEWSTYLE | client_flag::NO_ZEROES;
    stream.write_all(&flags.to_be_bytes()).expect("it listens");
}

/// Asks for an option and returns the replies up to the last.
pub(crate) fn option(
    stream: &mut (impl Read + Write),
    option: u32,
    data: &[u8],
) -> Vec<(u32, Vec<u8>)> {
    let header = OptionHeader {
        option,
        len: u32::try_from(data.len()).expect("it is short"),
    };
    stream.write_all(&header.encode()).expect("it listens");
    stream.write_all(data).expect("it listens");
    let mut replies = Vec::new();
    loop {
        let reply = OptionReplyHeader::decode(&array(stream)).expect("it is a reply");
        assert_eq!(reply.option, option);
        replies.push((reply.reply, bytes(stream, reply.len as usize)));
        if reply.reply == rep::ACK || reply.reply & rep::FLAG_ERROR != 0 {
            return replies;
        }
    }
}

fn with_len(name: &str) -> Vec<u8> {
    let len = u32::try_from(name.len()).expect("it is short");
    [&len.to_be_bytes(), name.as_bytes()].concat()
}

impl<S: Read + Write> Client<S> {
    /// With all that there is to agree upon.
    pub(crate) fn new(mut stream: S, export: &str) -> Self {
        greet(&mut stream);
        assert_eq!(
            option(&mut stream, opt::STRUCTURED_REPLY, b"")[0].0,
            rep::ACK
        );
        let one = 1_u32.to_be_bytes();
        let query = [
            with_len(export),
            one.into(),
            with_len(base_allocation::NAME),
        ]
        .concat();
        let replies = option(&mut stream, opt::SET_META_CONTEXT, &query);
        assert_eq!(replies.len(), 2, "{export}: {replies:?}");
        Self::go(stream, export, true)
    }

    /// Without anything but the export.
    pub(crate) fn simple(mut stream: S, export: &str) -> Self {
        greet(&mut stream);
        Self::go(stream, export, false)
    }

    fn go(mut stream: S, export: &str, structured: bool) -> Self {
        let data = [with_len(export), vec![0, 0]].concat();
        let replies = option(&mut stream, opt::GO, &data);
        let told = replies
            .iter()
            .find(|(_, data)| data.len() == 12 && data[..2] == info::EXPORT.to_be_bytes());
        let told = told.unwrap_or_else(|| panic!("{export}: {replies:?}"));
        Client {
            stream,
            size: u64::from_be_bytes(told.1[2..10].try_into().expect("eight bytes")),
            flags: u16::from_be_bytes(told.1[10..].try_into().expect("two bytes")),
            structured,
            cookie: 0,
        }
    }

    /// Sends a request, and does not wait. Returns its name.
    pub(crate) fn send(&mut self, kind: u16, flags: u16, offset: u64, len: u32) -> u64 {
        self.cookie += 1;
        let header = RequestHeader {
            flags,
            kind,
            cookie: self.cookie,
            offset,
            len,
        };
        self.stream.write_all(&header.encode()).expect("it listens");
        self.cookie
    }

    /// Takes the rest of a reply: to a read of `len` bytes, if it is simple.
    pub(crate) fn reply(&mut self, read: Option<(u64, u32)>) -> Reply {
        if !self.structured {
            let header = array(&mut self.stream);
            return self.simple_reply(header, read);
        }
        let mut reply = Reply::default();
        loop {
            let first: [u8; 16] = array(&mut self.stream);
            if first[..4] == SIMPLE_REPLY_MAGIC.to_be_bytes() {
                assert_eq!(reply, Reply::default(), "chunks end in a chunk");
                assert_eq!(read, None, "a structured reply belongs to a read");
                return self.simple_reply(first, None);
            }
            let rest: [u8; 4] = array(&mut self.stream);
            let mut all = [0; 20];
            all[..16].copy_from_slice(&first);
            all[16..].copy_from_slice(&rest);
            let header = ChunkHeader::decode(&all).expect("it is a chunk");
            reply.cookie = header.cookie;
            let data = bytes(&mut self.stream, header.len as usize);
            reply.add(header.kind, data);
            if header.flags & chunk_flag::DONE != 0 {
                return reply;
            }
        }
    }

    fn simple_reply(&mut self, header: [u8; 16], read: Option<(u64, u32)>) -> Reply {
        let header = SimpleReplyHeader::decode(&header).expect("it is a reply");
        let mut reply = Reply {
            cookie: header.cookie,
            error: header.error,
            ..Reply::default()
        };
        if let (Some((offset, len)), 0) = (read, header.error) {
            let data = bytes(&mut self.stream, len as usize);
            reply.pieces.push((offset, Some(data), len));
        }
        reply
    }

    /// Asks and waits.
    pub(crate) fn ask(&mut self, kind: u16, flags: u16, offset: u64, len: u32) -> Reply {
        let cookie = self.send(kind, flags, offset, len);
        let read = (kind == cmd::READ).then_some((offset, len));
        let reply = self.reply(read);
        assert_eq!(reply.cookie, cookie);
        reply
    }

    /// Writes and waits.
    pub(crate) fn write(&mut self, flags: u16, offset: u64, data: &[u8]) -> Reply {
        let len = u32::try_from(data.len()).expect("it is short");
        let cookie = self.send(cmd::WRITE, flags, offset, len);
        self.stream.write_all(data).expect("it listens");
        let reply = self.reply(None);
        assert_eq!(reply.cookie, cookie);
        reply
    }

    /// Reads and puts the pieces together.
    pub(crate) fn read(&mut self, offset: u64, len: u32) -> Vec<u8> {
        let reply = self.ask(cmd::READ, 0, offset, len);
        assert_eq!(reply.error, 0, "{}", reply.text);
        let mut all = vec![0xee; len as usize];
        for (at, data, len) in reply.pieces {
            let from = usize::try_from(at - offset).expect("it is inside");
            let data = data.unwrap_or_else(|| vec![0; len as usize]);
            all[from..from + data.len()].copy_from_slice(&data);
        }
        all
    }

    /// True once the server has hung up and nothing more comes.
    pub(crate) fn has_ended(&mut self) -> bool {
        let mut rest = Vec::new();
        // A server that hangs up while there is something to read resets the connection.
        let _reset = self.stream.read_to_end(&mut rest);
        rest.is_empty()
    }
}

impl Reply {
    fn add(&mut self, kind: u16, data: Vec<u8>) {
        let u32_at = |at: usize| u32::from_be_bytes(data[at..at + 4].try_into().expect("4 bytes"));
        let offset = || u64::from_be_bytes(data[..8].try_into().expect("8 bytes"));
        match kind {
            chunk::NONE => assert!(data.is_empty()),
            chunk::OFFSET_DATA => {
                let len = u32::try_from(data.len() - 8).expect("it is short");
                self.pieces.push((offset(), Some(data[8..].to_vec()), len));
            }
            chunk::OFFSET_HOLE => self.pieces.push((offset(), None, u32_at(8))),
            chunk::BLOCK_STATUS => {
                let extents = data[4..].as_chunks().0;
                self.extents = extents.iter().map(Extent::decode).collect();
            }
            chunk::ERROR | chunk::ERROR_OFFSET => {
                self.error = u32_at(0);
                let len = usize::from(u16::from_be_bytes([data[4], data[5]]));
                self.text = String::from_utf8(data[6..6 + len].to_vec()).expect("it is text");
            }
            other => panic!("a chunk of type {other}"),
        }
    }
}
