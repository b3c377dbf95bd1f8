//! The handshake as a whole, in pieces, and with nonsense.

use proptest::prelude::*;

use super::{Ended, Exported, Exports, Handshake, Inbox, Mode, Next, Outbox, Requests, Step};
use crate::nbd::proto::{
    Greeting, MAX_OPTIONS, MAX_PAYLOAD, OptionHeader, OptionReplyHeader, RequestHeader,
    client_flag, cmd, flag, info, opt, rep,
};

/// One export, `disk`.
struct One;

impl Exports for One {
    fn list(&self) -> Vec<(String, Option<String>)> {
        vec![("disk".to_owned(), Some("words".to_owned()))]
    }

    fn find(&self, name: &str) -> Option<Exported> {
        (name == "disk").then(|| Exported {
            name: name.to_owned(),
            description: Some("words".to_owned()),
            size: 4096,
            flags: flag::HAS_FLAGS,
            block_sizes: [512, 4096, MAX_PAYLOAD],
        })
    }
}

fn client_flags(flags: u32) -> Vec<u8> {
    flags.to_be_bytes().to_vec()
}

fn modern() -> Vec<u8> {
    client_flags(client_flag::FIXED_NEWSTYLE | client_flag::NO_ZEROES)
}

fn option(option: u32, data: &[u8]) -> Vec<u8> {
    let len = u32::try_from(data.len()).expect("the test is small");
    [&OptionHeader { option, len }.encode()[..], data].concat()
}

fn go(option_: u32, name: &str, infos: &[u16]) -> Vec<u8> {
    let mut data = u32::try_from(name.len())
        .expect("short")
        .to_be_bytes()
        .to_vec();
    data.extend(name.as_bytes());
    data.extend(u16::try_from(infos.len()).expect("few").to_be_bytes());
    data.extend(infos.iter().flat_map(|info| info.to_be_bytes()));
    option(option_, &data)
}

fn context(option_: u32, name: &str, queries: &[&str]) -> Vec<u8> {
    let with_len = |text: &str| {
        let len = u32::try_from(text.len()).expect("short");
        [&len.to_be_bytes(), text.as_bytes()].concat()
    };
    let mut data = with_len(name);
    data.extend(u32::try_from(queries.len()).expect("few").to_be_bytes());
    data.extend(queries.iter().flat_map(|query| with_len(query)));
    option(option_, &data)
}

/// What a handshake came to, if it has ended; what was answered; and what was not read yet.
type Shaken = (Option<Result<(String, Mode), Ended>>, Vec<u8>, Inbox);

/// What comes of a handshake whose client says `bytes` in pieces of `size`, and what is left then.
fn shake(bytes: &[u8], size: usize) -> Shaken {
    let (mut inbox, mut outbox) = (Inbox::new(16 << 10), Outbox::new());
    let mut handshake = Handshake::new(&mut outbox);
    let mut rest = bytes;
    let end = loop {
        match handshake.step(&mut inbox, &One, &mut outbox) {
            Ok(Step::Answered) => {}
            Ok(Step::Read) if rest.is_empty() => break None,
            Ok(Step::Read) => {
                let part = rest.len().min(size);
                inbox.feed(&rest[..part]);
                rest = &rest[part..];
            }
            Ok(Step::Transmission { export, mode }) => break Some(Ok((export, mode))),
            Err(ended) => break Some(Err(ended)),
        }
    };
    inbox.feed(rest);
    (end, outbox.take(), inbox)
}

/// The replies after the greeting, as option, kind and data.
fn replies(mut bytes: &[u8]) -> Vec<(u32, u32, Vec<u8>)> {
    bytes = &bytes[Greeting::LEN..];
    let mut replies = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk() {
        let header = OptionReplyHeader::decode(header).expect("it is a reply");
        let (data, rest) = rest.split_at(header.len as usize);
        replies.push((header.option, header.reply, data.to_vec()));
        bytes = rest;
    }
    replies
}

fn kinds(bytes: &[u8]) -> Vec<u32> {
    replies(bytes)
        .into_iter()
        .map(|(_, kind, _)| kind)
        .collect()
}

#[test]
fn a_whole_handshake_comes_out_the_same_byte_by_byte_and_leaves_the_first_request() {
    let request = RequestHeader {
        flags: 0,
        kind: cmd::READ,
        cookie: 1,
        offset: 0,
        len: 512,
    };
    let bytes = [
        modern(),
        option(opt::STRUCTURED_REPLY, b""),
        context(opt::LIST_META_CONTEXT, "disk", &[]),
        context(
            opt::SET_META_CONTEXT,
            "disk",
            &["qemu:x", "base:allocation"],
        ),
        option(opt::LIST, b""),
        go(opt::INFO, "disk", &[info::BLOCK_SIZE]),
        go(opt::GO, "disk", &[info::NAME, info::DESCRIPTION]),
        request.encode().to_vec(),
    ]
    .concat();
    let mode = Mode {
        structured: true,
        base_allocation: true,
    };
    let (_, whole, _) = shake(&bytes, usize::MAX);
    for size in [1, 2, 3, 17, usize::MAX] {
        let (end, said, inbox) = shake(&bytes, size);
        assert_eq!(end, Some(Ok(("disk".to_owned(), mode))));
        assert_eq!(said, whole, "in pieces of {size}");
        let next = Requests::new(inbox).next(u64::MAX);
        assert!(matches!(next, Ok(Next::Request(found)) if found.header == request));
    }
    use rep::{ACK, INFO, META_CONTEXT, SERVER};
    let expected = [
        ACK,
        META_CONTEXT,
        ACK,
        META_CONTEXT,
        ACK,
        SERVER,
        ACK,
        INFO,
        INFO,
        ACK,
        INFO,
        INFO,
        INFO,
        INFO,
        ACK,
    ];
    assert_eq!(kinds(&whole), expected);
    let told = &replies(&whole)[13].2;
    assert_eq!(told[..2], info::EXPORT.to_be_bytes());
    assert_eq!(told[10..], (flag::HAS_FLAGS | flag::SEND_DF).to_be_bytes());
}

#[test]
fn the_old_way_to_choose_an_export_has_its_zeroes_unless_nobody_wants_them() {
    let choose = option(opt::EXPORT_NAME, b"disk");
    for (flags, len) in [(0, 8 + 2 + 124), (1, 8 + 2 + 124), (3, 8 + 2)] {
        let bytes = [client_flags(flags), choose.clone()].concat();
        let (end, said, _) = shake(&bytes, 1);
        assert_eq!(end, Some(Ok(("disk".to_owned(), Mode::default()))));
        assert_eq!(said.len(), Greeting::LEN + len, "flags {flags}");
    }
    let unknown = [modern(), option(opt::EXPORT_NAME, b"x")].concat();
    assert_eq!(shake(&unknown, 1).0, Some(Err(Ended::NoSuchExport)));
}

#[test]
fn contexts_chosen_for_one_export_mean_nothing_for_another_or_after_a_mistake() {
    let chosen = |then: Vec<u8>| {
        let bytes = [
            modern(),
            option(opt::STRUCTURED_REPLY, b""),
            context(opt::SET_META_CONTEXT, "disk", &["base:allocation"]),
            then,
            go(opt::GO, "disk", &[]),
        ]
        .concat();
        let (end, _, _) = shake(&bytes, usize::MAX);
        let (_, mode) = end.expect("it ends").expect("it ends well");
        mode.base_allocation
    };
    assert!(chosen(Vec::new()));
    assert!(chosen(context(opt::LIST_META_CONTEXT, "disk", &[])));
    assert!(!chosen(context(opt::SET_META_CONTEXT, "disk", &[])));
    assert!(!chosen(context(opt::SET_META_CONTEXT, "disk", &["base:"])));
    assert!(!chosen(context(
        opt::SET_META_CONTEXT,
        "nope",
        &["base:allocation"]
    )));
    assert!(!chosen(option(opt::SET_META_CONTEXT, b"junk")));
}

#[test]
fn who_asks_about_an_export_with_blocks_must_ask_for_their_size() {
    let bytes = [modern(), go(opt::INFO, "disk", &[])].concat();
    let last = *kinds(&shake(&bytes, usize::MAX).1)
        .last()
        .expect("an answer");
    assert_eq!(last, rep::ERR_BLOCK_SIZE_REQD);
    let bytes = [modern(), go(opt::GO, "disk", &[])].concat();
    let (end, said, _) = shake(&bytes, usize::MAX);
    assert!(matches!(end, Some(Ok(_))), "who goes on is served");
    assert_eq!(
        replies(&said)[0].2[2..6],
        1_u32.to_be_bytes(),
        "byte by byte"
    );
}

#[test]
fn a_long_option_is_thrown_away_and_a_longer_one_ends_it() {
    let long = option(opt::INFO, &vec![7; 100_000]);
    let bytes = [modern(), long, option(opt::ABORT, b"")].concat();
    for size in [1, 4096, usize::MAX] {
        let (end, said, _) = shake(&bytes, size);
        assert_eq!(end, Some(Err(Ended::Aborted)));
        assert_eq!(kinds(&said), [rep::ERR_TOO_BIG, rep::ACK]);
    }
    let header = OptionHeader {
        option: opt::INFO,
        len: MAX_PAYLOAD + 1,
    };
    let bytes = [modern(), header.encode().to_vec()].concat();
    let (end, _, _) = shake(&bytes, 1);
    assert_eq!(end, Some(Err(Ended::TooLong(MAX_PAYLOAD + 1))));
}

#[test]
fn what_is_no_handshake_ends_it_for_good() {
    let end = |bytes: &[u8]| {
        shake(bytes, 1)
            .0
            .expect("it ends")
            .expect_err("it is wrong")
    };
    assert_eq!(end(&client_flags(4)), Ended::ClientFlags(4));
    let old = [client_flags(0), option(opt::LIST, b"")].concat();
    assert_eq!(end(&old), Ended::NotFixed(opt::LIST));
    let junk = [modern(), b"GET / HTTP/1.1\r\n\r\n".to_vec()].concat();
    assert!(matches!(end(&junk), Ended::BadMagic(_)));
    let asks = option(opt::LIST, b"").repeat(MAX_OPTIONS as usize + 1);
    assert_eq!(end(&[modern(), asks].concat()), Ended::TooMany);
}

/// Options with any number and any data, now and then a right one, and junk.
fn any_client() -> impl Strategy<Value = Vec<u8>> {
    let junk = proptest::collection::vec(any::<u8>(), 0..60);
    let piece = prop_oneof![
        (0..14_u32, junk.clone()).prop_map(|(kind, data)| option(kind, &data)),
        Just(option(opt::STRUCTURED_REPLY, b"")),
        Just(context(opt::SET_META_CONTEXT, "disk", &["base:allocation"])),
        Just(go(opt::GO, "disk", &[info::BLOCK_SIZE])),
        (0..12_u16, any::<u16>(), 0..9000_u32).prop_map(|(kind, flags, len)| {
            let (cookie, offset) = (len.into(), len.into());
            let header = RequestHeader {
                flags,
                kind,
                cookie,
                offset,
                len,
            };
            header.encode().to_vec()
        }),
        junk,
    ];
    let pieces = proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    (0..4_u32, pieces).prop_map(|(flags, rest)| [client_flags(flags), rest].concat())
}

/// What a server makes of it all, in pieces of `size`.
fn everything(bytes: &[u8], size: usize) -> String {
    let (end, said, inbox) = shake(bytes, size);
    let mut told = format!("{end:?} {said:?}");
    if let Some(Ok(_)) = end {
        let mut requests = Requests::new(inbox);
        loop {
            let next = requests.next(u64::MAX);
            told += &format!("{next:?}");
            if !matches!(next, Ok(Next::Request(_))) {
                return told;
            }
        }
    }
    told
}

proptest! {
    #[test]
    fn any_nonsense_means_the_same_in_any_pieces(bytes in any_client(), size in 1..100_usize) {
        prop_assert_eq!(everything(&bytes, size), everything(&bytes, usize::MAX));
    }
}
