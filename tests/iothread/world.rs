//! Daemons with two I/O threads.

use std::fs;
use std::path::Path;

use super::server::Server;

pub(crate) const MIB: u64 = 1 << 20;

/// The two threads, as the first of all options.
pub(crate) const THREADS: &str = "--object iothread,id=iot0 --object iothread,id=iot1 ";

fn empty_files(folder: &Path, names: &[&str]) {
    for name in names {
        let file = fs::File::create_new(folder.join(name)).expect("it is new");
        file.set_len(4 * MIB).expect("it can grow");
    }
}

/// Two disks, each exported in a thread of its own, by their names.
pub(crate) fn two_exports() -> Server {
    two_exports_with("iothread=iot0,fixed-iothread=off", "iothread=iot1")
}

/// The same, and they stay there.
pub(crate) fn two_fixed_exports() -> Server {
    two_exports_with(
        "iothread=iot0,fixed-iothread=on",
        "iothread=iot1,fixed-iothread=on",
    )
}

fn two_exports_with(one: &str, two: &str) -> Server {
    let options = format!(
        "--blockdev driver=file,node-name=one,filename=$DIR/one \
         --blockdev driver=file,node-name=two,filename=$DIR/two \
         --export type=nbd,id=e1,node-name=one,writable=on,{one} \
         --export type=nbd,id=e2,node-name=two,writable=on,{two}"
    );
    let prepare = |folder: &Path| empty_files(folder, &["one", "two"]);
    Server::start(prepare, &format!("{THREADS}{options}"))
}

/// A disk that is exported as `disk` in the first thread, and another one for a copy, in main.
pub(crate) fn source_and_target() -> Server {
    let options = "--blockdev driver=file,node-name=src,filename=$DIR/src \
         --blockdev driver=file,node-name=dst,filename=$DIR/dst \
         --export type=nbd,id=e0,node-name=src,name=disk,writable=on,iothread=iot0";
    let prepare = |folder: &Path| empty_files(folder, &["src", "dst"]);
    Server::start(prepare, &format!("{THREADS}{options}"))
}

/// Has a node, and all that is connected with it, live in a thread; in the main one for `null`.
pub(crate) fn set_iothread(server: &mut Server, node: &str, thread: &str) {
    let thread = match thread {
        "null" => thread.to_owned(),
        name => format!("'{name}'"),
    };
    let args = format!("{{'node-name': '{node}', 'iothread': {thread}, 'force': true}}");
    assert_eq!(server.ok("x-blockdev-set-iothread", &args), "{}");
}

/// The text of a command's error.
pub(crate) fn refused(server: &mut Server, name: &str, args: &str) -> String {
    let reply = server.qmp(name, args);
    let (_, desc) = reply
        .split_once("\"desc\": \"")
        .unwrap_or_else(|| panic!("{name} {args}: {reply}"));
    desc.strip_suffix("\"}}").expect("it ends there").to_owned()
}

/// True if the thread is there and nothing lives in it: it is made anew.
pub(crate) fn is_empty(server: &mut Server, thread: &str) -> bool {
    let args = format!("{{'id': '{thread}'}}");
    if !server.qmp("object-del", &args).starts_with("{\"return\"") {
        return false;
    }
    let args = format!("{{'qom-type': 'iothread', 'id': '{thread}'}}");
    server.ok("object-add", &args);
    true
}
