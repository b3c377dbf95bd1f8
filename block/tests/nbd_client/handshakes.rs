//! Handshakes with servers of all kinds.

use blockjob_block::nbd::client::{ExportInfo, Handshake, HandshakeError};
use blockjob_block::nbd::proto::{Greeting, OptionHeader, OptionReplyHeader, flag, info, opt, rep};

/// What the server sends, and the result when that is fed at once, and byte by byte.
fn shake(script: &[Vec<u8>]) -> (Result<Option<ExportInfo>, HandshakeError>, Vec<u8>) {
    let stream = script.concat();
    let run = |cut: usize| {
        let mut handshake = Handshake::new("disk").expect("the name is short");
        let mut out = Vec::new();
        for mut part in stream.chunks(cut) {
            match handshake.feed(&mut part, &mut out) {
                Ok(None) => {}
                result => return (result, out),
            }
        }
        (Ok(None), out)
    };
    let whole = run(stream.len());
    assert_eq!(run(1), whole);
    whole
}

fn greeting(flags: u16) -> Vec<u8> {
    Greeting { flags }.encode().to_vec()
}

fn reply(option: u32, reply: u32, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u32;
    let header = OptionReplyHeader { option, reply, len };
    [&header.encode()[..], data].concat()
}

fn ack(option: u32) -> Vec<u8> {
    reply(option, rep::ACK, b"")
}

fn unsupported(option: u32) -> Vec<u8> {
    reply(option, rep::ERR_UNSUP, b"never heard of it")
}

fn context(name: &str) -> Vec<u8> {
    let data = [&9u32.to_be_bytes()[..], name.as_bytes()].concat();
    reply(opt::SET_META_CONTEXT, rep::META_CONTEXT, &data)
}

fn export(size: u64, flags: u16) -> Vec<u8> {
    let data = [
        &info::EXPORT.to_be_bytes()[..],
        &size.to_be_bytes(),
        &flags.to_be_bytes(),
    ];
    reply(opt::GO, rep::INFO, &data.concat())
}

fn blocks(sizes: [u32; 3]) -> Vec<u8> {
    let sizes = sizes.map(u32::to_be_bytes).concat();
    let data = [&info::BLOCK_SIZE.to_be_bytes()[..], &sizes].concat();
    reply(opt::GO, rep::INFO, &data)
}

/// Up to the last option, with everything agreed on.
fn until_go() -> Vec<Vec<u8>> {
    vec![
        greeting(3),
        ack(opt::STRUCTURED_REPLY),
        context("base:allocation"),
        ack(opt::SET_META_CONTEXT),
    ]
}

fn with(last: &[Vec<u8>]) -> (Result<Option<ExportInfo>, HandshakeError>, Vec<u8>) {
    shake(&[until_go(), last.to_vec()].concat())
}

/// The options that the client has sent, after its flags.
fn options(mut out: &[u8]) -> Vec<u32> {
    let mut options = Vec::new();
    out = &out[4..];
    while let Some((head, rest)) = out.split_first_chunk() {
        let header = OptionHeader::decode(head).expect("the client sends options");
        options.push(header.option);
        out = &rest[header.len as usize..];
    }
    options
}

#[test]
fn a_server_of_today_agrees_to_everything() {
    let (result, out) = with(&[
        export(1 << 20, flag::HAS_FLAGS | flag::SEND_FLUSH),
        reply(opt::GO, rep::INFO, &[0, 1, b'x']),
        blocks([512, 4096, 1 << 20]),
        ack(opt::GO),
    ]);
    let found = result.expect("it says yes").expect("it is done");
    assert_eq!(found.size, 1 << 20);
    assert_eq!(
        (found.min_block, found.preferred_block, found.max_block),
        (512, 4096, 1 << 20)
    );
    assert!(found.structured && found.has(flag::SEND_FLUSH) && !found.is_read_only());
    assert_eq!(found.allocation_context, Some(9));
    assert_eq!(out[..4], [0, 0, 0, 3]);
    assert_eq!(
        options(&out),
        [opt::STRUCTURED_REPLY, opt::SET_META_CONTEXT, opt::GO]
    );
}

#[test]
fn an_older_server_is_met_where_it_is() {
    let (result, out) = shake(&[
        greeting(1),
        unsupported(opt::STRUCTURED_REPLY),
        unsupported(opt::GO),
        (4096u64).to_be_bytes().to_vec(),
        vec![0, 1],
        vec![0; 124],
    ]);
    let found = result.expect("it goes on").expect("it is done");
    assert_eq!((found.size, found.flags), (4096, 1));
    assert!(!found.structured && found.allocation_context.is_none());
    assert_eq!(
        options(&out),
        [opt::STRUCTURED_REPLY, opt::GO, opt::EXPORT_NAME]
    );
    let (result, out) = shake(&[greeting(2), (512u64).to_be_bytes().to_vec(), vec![0, 3]]);
    let found = result.expect("it goes on").expect("it is done");
    assert!(found.is_read_only());
    assert_eq!(
        options(&out),
        [opt::EXPORT_NAME],
        "it cannot answer any other option"
    );
    let (result, _) = shake(&[
        greeting(3),
        ack(opt::STRUCTURED_REPLY),
        unsupported(opt::SET_META_CONTEXT),
        export(512, 1),
        ack(opt::GO),
    ]);
    let found = result.expect("it goes on").expect("it is done");
    assert!(found.structured && found.allocation_context.is_none());
}

#[test]
fn a_server_that_says_no_is_quoted_and_left_politely() {
    let (result, out) = with(&[reply(
        opt::GO,
        rep::ERR_UNKNOWN,
        b"export 'disk' not present",
    )]);
    let error = result.expect_err("it says no");
    assert_eq!(error.to_string(), "Requested export not available");
    assert_eq!(
        error.hints(),
        ["server reported: export 'disk' not present"]
    );
    assert!(error.is_refusal());
    assert_eq!(options(&out).last(), Some(&opt::ABORT));
    let no = |number: u32| {
        with(&[reply(opt::GO, number, b"")])
            .0
            .expect_err("no")
            .to_string()
    };
    assert_eq!(no(rep::ERR_POLICY), "Denied by server for option 7 (go)");
    assert_eq!(
        no(rep::ERR_TLS_REQD),
        "TLS negotiation required before option 7 (go)"
    );
    assert_eq!(
        no(rep::FLAG_ERROR | 77),
        "Unknown error code when asking for option 7 (go)"
    );
}

#[test]
fn what_is_no_newstyle_server_is_told_so() {
    let refused = |bytes: &[u8]| {
        shake(&[bytes.to_vec()])
            .0
            .expect_err("it is none")
            .to_string()
    };
    assert_eq!(
        refused(b"HTTP/1.1 400 Bad Request"),
        "Bad server magic received: 0x485454502f312e31"
    );
    let mut oldstyle = b"NBDMAGIC".to_vec();
    oldstyle.extend([0, 0, 0x42, 0x02, 0x81, 0x86, 0x12, 0x53, 0, 0]);
    assert_eq!(refused(&oldstyle), "Oldstyle NBD servers are not supported");
}

#[test]
fn a_server_that_breaks_the_protocol_is_caught() {
    let broken = |last: &[Vec<u8>]| {
        let error = with(last).0.expect_err("it is broken");
        assert!(!error.is_refusal());
        error.to_string()
    };
    assert_eq!(
        broken(&[ack(opt::GO)]),
        "broken server omitted NBD_INFO_EXPORT"
    );
    assert!(broken(&[ack(opt::LIST)]).contains("Unexpected option type 3"));
    assert!(broken(&[reply(opt::GO, rep::SERVER, b"")]).contains("Unexpected reply type"));
    assert!(broken(&[reply(opt::GO, rep::INFO, b"x")]).contains("wrong length"));
    assert!(broken(&[reply(opt::GO, rep::INFO, &[0, 0, 1])]).contains("wrong length"));
    assert!(broken(&[reply(opt::GO, rep::ACK, b"x")]).contains("nobody asked for"));
    assert!(broken(&[export(u64::MAX, 1)]).contains("too much"));
    assert!(broken(&[blocks([3, 4096, 4096])]).contains("not a power of two"));
    assert!(broken(&[blocks([512, 256, 4096])]).contains("is not valid"));
    assert!(broken(&[blocks([512, 4096, 256])]).contains("is not valid"));
    let odd = [export(1000, 1), blocks([512, 512, 512]), ack(opt::GO)];
    assert!(broken(&odd).contains("is not multiple of minimum block size 512"));
    let header = OptionReplyHeader {
        option: opt::GO,
        reply: rep::INFO,
        len: u32::MAX,
    };
    assert!(broken(&[header.encode().to_vec()]).contains("too much"));
    assert!(broken(&[vec![0; 20]]).contains("option reply magic"));
    assert!(broken(&vec![reply(opt::GO, rep::INFO, &[0, 1]); 5000]).contains("come to an end"));
    let (result, _) = shake(&[
        greeting(3),
        ack(opt::STRUCTURED_REPLY),
        context("qemu:other"),
    ]);
    let error = result.expect_err("it was not asked for").to_string();
    assert!(error.contains("different context 'qemu:other'"), "{error}");
}

#[test]
fn a_name_that_no_server_would_take_is_not_sent() {
    let error = Handshake::new(&"x".repeat(4097)).expect_err("it is too long");
    assert_eq!(error.to_string(), "export name too long to send to server");
    Handshake::new(&"x".repeat(4096)).expect("just so");
}
