//! What a client sends to the NBD server: the handshake, then requests.
//!
//! Nothing may panic, whatever comes, and what is remembered stays small. What is fed in pieces must give
//! what is fed at once: the same answers, the same requests, the same end.
//!
//! The first byte says how the rest is cut into pieces, the second what has been agreed upon: with its
//! lowest bit, the handshake is done already and requests come at once.

#![no_main]

use blockjob::block::nbd::proto::{MAX_PAYLOAD, RequestHeader, flag};
use blockjob::block::nbd::server::{
    Exported, Exports, Handshake, Inbox, Mode, Next, Outbox, Replies, Requests, Step, check,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [cut, agreed, bytes @ ..] = bytes else {
        return;
    };
    let whole = said(bytes, usize::MAX, *agreed);
    assert_eq!(said(bytes, usize::from(cut % 61) + 1, *agreed), whole);
});

/// Two exports, one of which can be written to.
struct Two;

impl Exports for Two {
    fn list(&self) -> Vec<(String, Option<String>)> {
        let names = ["", "disk"];
        let listed = names.map(|name| (name.to_owned(), Some("words".to_owned())));
        listed.to_vec()
    }

    fn find(&self, name: &str) -> Option<Exported> {
        let flags = match name {
            "" => flag::HAS_FLAGS | flag::READ_ONLY,
            "disk" => flag::HAS_FLAGS,
            _ => return None,
        };
        Some(Exported {
            name: name.to_owned(),
            description: None,
            size: 1 << 20,
            flags,
            block_sizes: [1, 4096, MAX_PAYLOAD],
        })
    }
}

/// What a server answers, and what it takes the requests for: headers, and the sums of payloads.
#[derive(Debug, Default, PartialEq)]
struct Said {
    answers: Vec<u8>,
    requests: Vec<(RequestHeader, usize, u64)>,
    end: String,
}

fn said(bytes: &[u8], size: usize, agreed: u8) -> Said {
    let mut said = Said::default();
    let mut rest = bytes;
    let mut inbox = Inbox::new(16 << 10);
    let mut mode = Mode {
        structured: agreed & 2 != 0,
        base_allocation: agreed & 4 != 0,
    };
    if agreed & 1 == 0 {
        match handshake(&mut inbox, &mut rest, size, &mut said) {
            Some(chosen) => mode = chosen,
            None => return said,
        }
    }
    transmission(inbox, rest, size, mode, &mut said);
    said
}

fn handshake(inbox: &mut Inbox, rest: &mut &[u8], size: usize, said: &mut Said) -> Option<Mode> {
    let mut outbox = Outbox::new();
    let mut handshake = Handshake::new(&mut outbox);
    loop {
        let step = handshake.step(inbox, &Two, &mut outbox);
        said.answers.extend(outbox.take());
        match step {
            Ok(Step::Answered) => {}
            Ok(Step::Read) if rest.is_empty() => {
                // Nothing is kept but one option.
                assert!(inbox.peek().len() < 16 << 10);
                return None;
            }
            Ok(Step::Read) => {
                let space = inbox.space();
                let part = space.len().min(size).min(rest.len());
                space[..part].copy_from_slice(&rest[..part]);
                inbox.filled(part);
                *rest = &rest[part..];
            }
            Ok(Step::Transmission { export, mode }) => {
                said.end = export;
                return Some(mode);
            }
            Err(ended) => {
                said.end = ended.to_string();
                return None;
            }
        }
    }
}

fn transmission(inbox: Inbox, mut rest: &[u8], size: usize, mode: Mode, said: &mut Said) {
    let mut requests = Requests::new(inbox);
    let mut outbox = Outbox::new();
    let room_bytes = 1 << 20;
    loop {
        match requests.next(room_bytes) {
            Ok(Next::Request(request)) => {
                let sum = request.payload.iter().map(|byte| u64::from(*byte)).sum();
                said.requests
                    .push((request.header, request.payload.len(), sum));
                let refused = check(&request.header, flag::HAS_FLAGS, 1 << 20, mode);
                let mut replies = Replies {
                    outbox: &mut outbox,
                    structured: mode.structured,
                };
                match refused {
                    Ok(()) => replies.done(request.header.cookie, false),
                    Err(refusal) => replies.error(request.header.cookie, &refusal, None),
                }
                said.answers.extend(outbox.take());
            }
            Ok(Next::WaitForRoom(bytes)) => {
                assert!(bytes > room_bytes && bytes <= u64::from(MAX_PAYLOAD));
                return;
            }
            Ok(Next::Read) if rest.is_empty() => return,
            Ok(Next::Read) => {
                let space = requests.space();
                let part = space.len().min(size).min(rest.len());
                space[..part].copy_from_slice(&rest[..part]);
                requests.filled(part);
                rest = &rest[part..];
            }
            Err(lost) => {
                said.end += &lost.to_string();
                return;
            }
        }
    }
}
