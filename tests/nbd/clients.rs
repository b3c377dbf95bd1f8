//! The clients that people have.

use std::fs;

use super::server::{Server, lacks, prints, run};

const MIB: u64 = 1 << 20;

#[test]
fn qemu_io_reads_what_it_has_written_zeroed_and_discarded() {
    if lacks("qemu-io") {
        return;
    }
    let server = Server::of_raw(8 * MIB);
    let out = prints(&[
        "qemu-io",
        "-f",
        "raw",
        "-c",
        "write -P 0x11 0 4M",
        "-c",
        "write -z 1M 1M",
        "-c",
        "write -z -u 2M 64k",
        "-c",
        "write -f -P 0x22 3M 4k",
        "-c",
        "discard 3584k 64k",
        "-c",
        "flush",
        "-c",
        "read -P 0x11 0 1M",
        "-c",
        "read -P 0 1M 1M",
        "-c",
        "read -P 0 2M 64k",
        "-c",
        "read -P 0x22 3M 4k",
        &server.uri("disk"),
    ]);
    assert!(!out.contains("failed"), "{out}");
    let file = fs::read(server.path("raw")).expect("the file is there");
    assert_eq!((file[0], file[1 << 20], file[3 << 20]), (0x11, 0, 0x22));
    server.quit();
}

#[test]
fn nbdinfo_sees_the_exports_their_abilities_and_their_holes() {
    if lacks("nbdinfo") {
        return;
    }
    let server = Server::start(
        |folder| {
            let file = fs::File::create_new(folder.join("raw")).expect("it is new");
            file.set_len(4 * MIB).expect("it can grow");
            let data = vec![1; 1 << 20];
            std::os::unix::fs::FileExt::write_all_at(&file, &data, MIB).expect("there is space");
        },
        "--blockdev driver=file,node-name=disk,filename=$DIR/raw \
         --blockdev driver=null-co,node-name=null,size=4096 \
         --export type=nbd,id=e0,node-name=disk,writable=on,name=first,description=words \
         --export type=nbd,id=e1,node-name=null",
    );
    let list = prints(&["nbdinfo", "--list", "--json", &server.uri("")]);
    for text in [
        "\"export-name\": \"first\"",
        "\"description\": \"words\"",
        "\"export-name\": \"null\"",
        "\"base:allocation\"",
        "\"block_size_preferred\": 4096",
        "\"block_size_maximum\": 33554432",
    ] {
        assert!(list.contains(text), "{text}:\n{list}");
    }
    let (first, second) = list.split_once("\"null\"").expect("both are listed");
    for (text, of_first, of_second) in [
        ("\"is_read_only\": true", false, true),
        ("\"can_trim\": true", true, false),
        ("\"can_zero\": true", true, false),
        ("\"can_fast_zero\": true", true, false),
        ("\"can_flush\": true", true, true),
        ("\"can_fua\": true", true, true),
        ("\"can_multi_conn\": true", true, true),
        ("\"can_df\": true", true, true),
        ("\"can_cache\": true", true, true),
    ] {
        let seen = (first.contains(text), second.contains(text));
        assert_eq!(seen, (of_first, of_second), "{text}:\n{list}");
    }
    let map = prints(&["nbdinfo", "--map", &server.uri("first")]);
    let words: Vec<Vec<&str>> = map
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words,
        [
            ["0", "1048576", "3", "hole,zero"],
            ["1048576", "1048576", "0", "data"],
            ["2097152", "2097152", "3", "hole,zero"]
        ]
        .map(Vec::from),
        "{map}"
    );
    let unknown = run(&["nbdinfo", &server.uri("nobody")]);
    let text = String::from_utf8_lossy(&unknown.stderr);
    assert!(
        !unknown.status.success() && text.contains("nobody"),
        "{text}"
    );
    server.quit();
}

#[test]
fn nbdcopy_copies_both_ways_over_several_connections() {
    if lacks("nbdcopy") {
        return;
    }
    let server = Server::of_raw(16 * MIB);
    let noise: Vec<u8> = (0..16 * MIB)
        .map(|at| match (at / MIB) % 3 {
            // A hole, and data in which no two blocks are the same.
            0 => 0,
            _ => (at ^ (at >> 9) ^ (at >> 17)) as u8,
        })
        .collect();
    let path = |name: &str| server.path(name).to_str().expect("it is text").to_owned();
    fs::write(server.path("in"), &noise).expect("there is space");
    let uri = server.uri("disk");
    prints(&["nbdcopy", "--connections=4", "--flush", &path("in"), &uri]);
    assert!(
        fs::read(server.path("raw")).expect("it is there") == noise,
        "into the server"
    );
    prints(&["nbdcopy", "--connections=4", &uri, &path("out")]);
    assert!(
        fs::read(server.path("out")).expect("it is there") == noise,
        "out of the server"
    );
    server.quit();
}

#[test]
fn fio_finds_every_block_as_it_has_written_it() {
    if lacks("fio") {
        return;
    }
    let server = Server::of_raw(4 * MIB);
    let uri = format!("--uri={}", server.uri("disk"));
    for way in ["randwrite", "randrw"] {
        let out = prints(&[
            "fio",
            "--name=verify",
            "--ioengine=nbd",
            &uri,
            &format!("--rw={way}"),
            "--bsrange=512-64k",
            "--iodepth=16",
            "--size=4M",
            "--verify=crc32c",
            "--verify_fatal=1",
            "--verify_state_save=0",
            "--randseed=7",
            "--output-format=terse",
        ]);
        assert!(!out.contains("verify:"), "{out}");
    }
    server.quit();
}

#[test]
fn a_read_only_export_refuses_every_client_that_writes() {
    if lacks("qemu-io") {
        return;
    }
    let server = Server::start(
        |folder| fs::write(folder.join("raw"), vec![7; 1 << 20]).expect("there is space"),
        "--blockdev driver=file,node-name=disk,filename=$DIR/raw \
         --export type=nbd,id=e0,node-name=disk",
    );
    let uri = server.uri("disk");
    let written = run(&["qemu-io", "-f", "raw", "-c", "write 0 4k", &uri]);
    assert!(!written.status.success());
    prints(&["qemu-io", "-r", "-f", "raw", "-c", "read -P 7 0 1M", &uri]);
    server.quit();
}
