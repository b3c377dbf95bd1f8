//! An export and what becomes of its node: mirrors, removal, the end.

use std::fs;

use blockjob::block::nbd::proto::cmd;

use super::server::{Server, lacks, prints};

const MIB: u64 = 1 << 20;

fn with_two_disks() -> Server {
    Server::start(
        |folder| {
            for name in ["src", "dst"] {
                let file = fs::File::create_new(folder.join(name)).expect("it is new");
                file.set_len(4 * MIB).expect("it can grow");
            }
        },
        "--blockdev driver=file,node-name=src,filename=$DIR/src \
         --blockdev driver=file,node-name=dst,filename=$DIR/dst \
         --export type=nbd,id=e0,node-name=src,name=disk,writable=on",
    )
}

#[test]
fn a_client_stays_connected_when_a_mirror_puts_another_node_in_place() {
    let mut server = with_two_disks();
    let mut guest = server.client("disk");
    assert_eq!(guest.write(0, 0, &[1; 65536]).error, 0);
    server.ok(
        "blockdev-mirror",
        "{'job-id': 'm', 'device': 'src', 'target': 'dst', 'sync': 'full'}",
    );
    assert_eq!(guest.write(0, 65536, &[2; 65536]).error, 0);
    server.wait_for("BLOCK_JOB_READY");
    assert_eq!(guest.write(0, 2 * 65536, &[3; 65536]).error, 0);
    server.ok("job-complete", "{'id': 'm'}");
    server.wait_for("\"status\": \"null\"");
    let exports = server.ok("query-block-exports", "{}");
    assert!(exports.contains("\"node-name\": \"dst\""), "{exports}");
    // The same connection, and another disk.
    assert_eq!(guest.write(0, 3 * 65536, &[4; 65536]).error, 0);
    assert_eq!(guest.ask(cmd::FLUSH, 0, 0, 0).error, 0);
    for round in 0..4_u8 {
        assert_eq!(
            guest.read(u64::from(round) * 65536, 65536),
            vec![round + 1; 65536]
        );
    }
    let (src, dst) = (server.path("src"), server.path("dst"));
    let (src, dst) = (fs::read(src), fs::read(dst));
    let (src, dst) = (src.expect("it is there"), dst.expect("it is there"));
    assert_eq!(src[..3 * 65536], dst[..3 * 65536]);
    assert_eq!((src[3 * 65536], dst[3 * 65536]), (0, 4));
    server.ok("blockdev-del", "{'node-name': 'src'}");
    server.quit();
}

#[test]
fn qemu_io_keeps_its_connection_across_a_pivot() {
    if lacks("qemu-io") {
        return;
    }
    let mut server = with_two_disks();
    let uri = server.uri("disk");
    let mut guest = super::server::command(&["qemu-io", "-f", "raw", &uri]);
    guest.stdin(std::process::Stdio::piped());
    guest.stdout(std::process::Stdio::piped());
    let mut guest = guest.spawn().expect("qemu-io is there");
    let mut stdin = guest.stdin.take().expect("it was asked for");
    let mut stdout = std::io::BufReader::new(guest.stdout.take().expect("it was asked for"));
    let mut does = |line: &str| {
        use std::io::{BufRead, Write};
        writeln!(stdin, "{line}").expect("it listens");
        let mut answer = String::new();
        // Two lines; the second ends with the time.
        for _ in 0..2 {
            stdout.read_line(&mut answer).expect("it answers");
        }
        assert!(answer.contains("ops/sec"), "{line}: {answer}");
    };
    does("write -P 1 0 1M");
    server.ok(
        "blockdev-mirror",
        "{'job-id': 'm', 'device': 'src', 'target': 'dst', 'sync': 'full', \
         'copy-mode': 'write-blocking'}",
    );
    server.wait_for("BLOCK_JOB_READY");
    does("write -P 2 1M 1M");
    server.ok("job-complete", "{'id': 'm'}");
    server.wait_for("\"status\": \"null\"");
    does("write -P 3 2M 1M");
    does("read -P 2 1M 1M");
    drop(stdin);
    assert!(guest.wait().expect("it is our child").success());
    let dst = server.path("dst");
    let dst = dst.to_str().expect("it is text").to_owned();
    server.quit_and_keep(|| {
        let reads = ["read -P 1 0 1M", "read -P 2 1M 1M", "read -P 3 2M 1M"];
        for read in reads {
            let out = prints(&["qemu-io", "-r", "-f", "raw", "-c", read, &dst]);
            assert!(!out.contains("failed"), "{out}");
        }
    });
}

#[test]
fn an_export_in_use_ends_only_if_it_is_told_to_hard() {
    let mut server = with_two_disks();
    let mut guest = server.client("disk");
    let in_use =
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"export 'e0' still in use\"}}";
    assert_eq!(server.qmp("block-export-del", "{'id': 'e0'}"), in_use);
    assert_eq!(guest.write(0, 0, b"x").error, 0, "nothing has happened");
    server.ok("block-export-del", "{'id': 'e0', 'mode': 'hard'}");
    server.wait_for("BLOCK_EXPORT_DELETED");
    assert!(guest.has_ended());
    assert_eq!(server.ok("query-block-exports", "{}"), "[]");
    server.ok("blockdev-del", "{'node-name': 'src'}");
    server.quit();
}

#[test]
fn the_server_ends_with_all_exports_and_clients_and_can_be_started_again() {
    let mut server = with_two_disks();
    let (mut guest, mut silent) = (server.client("disk"), server.connect());
    server.ok("nbd-server-stop", "{}");
    assert!(server.has_said("BLOCK_EXPORT_DELETED"), "before it returns");
    assert!(guest.has_ended());
    super::client::bytes(&mut silent, 18);
    assert_eq!(
        std::io::Read::read(&mut silent, &mut [0]).expect("the end"),
        0
    );
    assert!(!server.path("nbd").exists(), "the socket is gone");
    server.ok(
        "nbd-server-start",
        "{'addr': {'type': 'unix', 'data': {'path': '$DIR/nbd'}}}",
    );
    server.ok(
        "block-export-add",
        "{'type': 'nbd', 'id': 'e0', 'node-name': 'src', 'name': 'disk'}",
    );
    assert_eq!(server.client("disk").read(0, 1), [0]);
    server.quit();
}

#[test]
fn the_daemon_ends_with_a_client_at_work_and_says_first_that_the_export_is_gone() {
    let mut server = with_two_disks();
    let mut guest = server.client("disk");
    for _ in 0..8 {
        guest.send(cmd::READ, 0, 0, 1 << 20);
    }
    server.ok("quit", "{}");
    assert!(server.has_said("BLOCK_EXPORT_DELETED"), "before it returns");
}
