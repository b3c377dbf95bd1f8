//! The transmission phase, inbound: bytes to requests.
//!
//! QEMU: `nbd_receive_request`, `nbd_co_receive_request` (nbd/server.c).

use bytes::{Bytes, BytesMut};

use super::Inbox;
use crate::nbd::proto::{BadMagic, MAX_PAYLOAD, RequestHeader, cmd};

/// Payloads up to this length are taken out of the inbox; longer ones are read into a buffer of
/// their own.
const SMALL_BYTES: usize = 16 << 10;

/// A request, with its payload if it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it says.
    pub header: RequestHeader,
    /// What is to be written; empty unless it is a `cmd::WRITE` that is not too long.
    pub payload: Bytes,
}

/// The place in the stream is lost, or the client has gone: nothing more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// What should be a request is none. QEMU answers with `EINVAL` before it hangs up.
    #[error(transparent)]
    BadMagic(#[from] BadMagic),
    /// A payload was announced that is longer than any that is taken; nobody reads it.
    #[error("a request announced a payload longer than {MAX_PAYLOAD} bytes")]
    TooLong,
    /// The client says that it is done.
    #[error("the client has disconnected")]
    Disconnected,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Read into [`Requests::space`].
    Read,
    /// Come again when so many bytes may be used.
    WaitForRoom(u64),
    /// A request has come.
    Request(Request),
}

#[derive(Debug)]
enum State {
    Header,
    /// The header is taken, the payload comes.
    Small(RequestHeader),
    /// The payload comes into a buffer of its own.
    Large {
        header: RequestHeader,
        payload: BytesMut,
        filled: usize,
    },
    Lost(Lost),
}

/// Takes requests out of what comes in.
#[derive(Debug)]
pub struct Requests {
    inbox: Inbox,
    state: State,
}

impl Requests {
    /// Goes on after the handshake, with what of the requests has come with it.
    pub fn new(inbox: Inbox) -> Self {
        Requests {
            inbox,
            state: State::Header,
        }
    }

    /// Where to read into; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        match &mut self.state {
            State::Large {
                payload, filled, ..
            } => &mut payload[*filled..],
            _ => self.inbox.space(),
        }
    }

    /// So many bytes have come into [`space`](Self::space).
    pub fn filled(&mut self, bytes: usize) {
        match &mut self.state {
            State::Large {
                payload, filled, ..
            } => {
                *filled += bytes;
                assert!(*filled <= payload.len(), "{bytes} did not fit");
            }
            _ => self.inbox.filled(bytes),
        }
    }

    /// The memory that a request needs until it is answered, in bytes: its payload, or what it reads.
    pub fn cost_bytes(header: &RequestHeader) -> u64 {
        match header.kind {
            cmd::READ | cmd::WRITE if header.len <= MAX_PAYLOAD => header.len.into(),
            _ => 0,
        }
    }

    /// The next request. Nothing is read for one that costs more than `room_bytes`.
    ///
    /// # Errors
    ///
    /// There will be none, now and ever after.
    pub fn next(&mut self, room_bytes: u64) -> Result<Next, Lost> {
        loop {
            match &mut self.state {
                State::Header => {
                    let Some(bytes) = self.inbox.peek_array() else {
                        return Ok(Next::Read);
                    };
                    let header = match RequestHeader::decode(bytes) {
                        Ok(header) => header,
                        Err(error) => return Err(self.lose(error.into())),
                    };
                    let cost_bytes = Self::cost_bytes(&header);
                    if cost_bytes > room_bytes {
                        return Ok(Next::WaitForRoom(cost_bytes));
                    }
                    self.inbox.consume(RequestHeader::LEN);
                    if let Some(request) = self.begin(header)? {
                        return Ok(Next::Request(request));
                    }
                }
                State::Small(header) => {
                    let header = *header;
                    return Ok(match self.inbox.take(header.len as usize) {
                        Some(payload) => {
                            self.state = State::Header;
                            Next::Request(Request { header, payload })
                        }
                        None => Next::Read,
                    });
                }
                State::Large {
                    header,
                    payload,
                    filled,
                } => {
                    if *filled < payload.len() {
                        return Ok(Next::Read);
                    }
                    let (header, payload) = (*header, std::mem::take(payload).freeze());
                    self.state = State::Header;
                    return Ok(Next::Request(Request { header, payload }));
                }
                State::Lost(lost) => return Err(*lost),
            }
        }
    }

    fn lose(&mut self, lost: Lost) -> Lost {
        self.state = State::Lost(lost);
        lost
    }

    /// A header has come. Returns the request if there is nothing to wait for.
    fn begin(&mut self, header: RequestHeader) -> Result<Option<Request>, Lost> {
        let payload = Bytes::new();
        match header.kind {
            cmd::DISC => return Err(self.lose(Lost::Disconnected)),
            cmd::WRITE if header.len > MAX_PAYLOAD => {
                // It is answered; and then nobody finds the next one.
                self.state = State::Lost(Lost::TooLong);
            }
            cmd::WRITE if header.len as usize <= SMALL_BYTES => {
                self.state = State::Small(header);
                return Ok(None);
            }
            cmd::WRITE => {
                // Fresh memory for as much costs nothing until bytes come to it.
                let mut payload = BytesMut::zeroed(header.len as usize);
                let here = self.inbox.peek().len().min(payload.len());
                payload[..here].copy_from_slice(&self.inbox.peek()[..here]);
                self.inbox.consume(here);
                self.state = State::Large {
                    header,
                    payload,
                    filled: here,
                };
                return Ok(None);
            }
            _ => {}
        }
        Ok(Some(Request { header, payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(cookie: u64, len: usize) -> Vec<u8> {
        let header = RequestHeader {
            flags: 0,
            kind: cmd::WRITE,
            cookie,
            offset: cookie * 7,
            len: u32::try_from(len).expect("the test is small"),
        };
        let mut bytes = header.encode().to_vec();
        bytes.extend((0..len).map(|at| (at as u64 * 31 + cookie) as u8));
        bytes
    }

    /// The requests in `stream`, which comes in pieces of `step` bytes.
    fn requests(stream: &[u8], step: usize) -> Vec<Request> {
        let mut found = Vec::new();
        let mut requests = Requests::new(Inbox::new(16 << 10));
        let mut rest = stream;
        loop {
            match requests.next(u64::MAX).expect("the stream is good") {
                Next::Request(request) => found.push(request),
                Next::WaitForRoom(_) => panic!("there is all the room in the world"),
                Next::Read if rest.is_empty() => return found,
                Next::Read => {
                    let space = requests.space();
                    let part = space.len().min(step).min(rest.len());
                    space[..part].copy_from_slice(&rest[..part]);
                    requests.filled(part);
                    rest = &rest[part..];
                }
            }
        }
    }

    #[test]
    fn pieces_of_any_size_make_the_same_requests() {
        let lens = [0, 1, 512, 4096, 16 << 10, (16 << 10) + 1, 100_000, 3];
        let stream: Vec<u8> = (0..).zip(lens).flat_map(|(n, len)| write(n, len)).collect();
        let whole = requests(&stream, usize::MAX);
        assert_eq!(whole.len(), lens.len());
        for (request, len) in whole.iter().zip(lens) {
            let expected = write(request.header.cookie, len);
            assert_eq!(request.payload[..], expected[RequestHeader::LEN..]);
        }
        for step in [1, 2, 27, 28, 29, 4096, 65536] {
            assert_eq!(requests(&stream, step), whole, "pieces of {step}");
        }
    }

    #[test]
    fn nothing_is_taken_for_a_request_without_room() {
        let mut requests = Requests::new(Inbox::new(16 << 10));
        let bytes = write(1, 1 << 20);
        requests.inbox.feed(&bytes[..RequestHeader::LEN]);
        assert_eq!(requests.next(1000), Ok(Next::WaitForRoom(1 << 20)));
        assert_eq!(requests.next(1000), Ok(Next::WaitForRoom(1 << 20)));
        assert_eq!(requests.next(1 << 20), Ok(Next::Read));
        assert!(matches!(requests.state, State::Large { .. }));
    }

    #[test]
    fn what_ends_a_connection_ends_it_for_good() {
        let lost = |bytes: &[u8]| {
            let mut requests = Requests::new(Inbox::new(16 << 10));
            requests.inbox.feed(bytes);
            let first = requests.next(u64::MAX);
            (first, requests.next(u64::MAX))
        };
        let bad = BadMagic {
            got: 0x4142_4344,
            expected: 0x2560_9513,
        };
        let (first, second) = lost(b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF");
        assert_eq!((first, second), (Err(bad.into()), Err(bad.into())));

        let mut header = RequestHeader {
            flags: 0xffff,
            kind: cmd::DISC,
            cookie: 0,
            offset: 1,
            len: 1,
        };
        let (first, _) = lost(&header.encode());
        assert_eq!(first, Err(Lost::Disconnected));

        header.kind = cmd::WRITE;
        header.len = MAX_PAYLOAD + 1;
        let (first, second) = lost(&header.encode());
        assert!(matches!(first, Ok(Next::Request(_))), "it gets its answer");
        assert_eq!(second, Err(Lost::TooLong));
    }
}
