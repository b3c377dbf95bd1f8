//! Commands that bring together what lives in several threads, refused.

use super::server::Server;
use super::world::{is_empty, refused, two_exports, two_fixed_exports};

/// What is refused, whatever for, leaves both disks in the threads in which they are.
fn refuse(server: &mut Server, name: &str, args: &str, text: &str) {
    assert_eq!(refused(server, name, args), text, "{name} {args}");
    for thread in ["iot0", "iot1"] {
        assert!(!is_empty(server, thread), "{name} {args}: {thread}");
    }
}

#[test]
fn nothing_has_moved_when_a_mirror_is_refused() {
    let mut server = two_exports();
    for (args, text) in [
        (
            "'sync': 'bogus'",
            "Parameter 'sync' does not accept value 'bogus'",
        ),
        ("'sync': 'bitmap'", "Sync mode 'bitmap' not supported"),
        (
            "'nonsense': 1, 'sync': 'full'",
            "Parameter 'nonsense' is unexpected",
        ),
        ("'sync': 'full', 'job-id': '1'", "Invalid job ID '1'"),
        (
            "'sync': 'full', 'granularity': 7000",
            "Parameter 'granularity' expects a power of 2",
        ),
        (
            "'sync': 'full', 'replaces': 'nobody'",
            "Failed to find node with node-name='nobody'",
        ),
    ] {
        let all = format!("{{'device': 'one', 'target': 'two', 'job-id': 'j', {args}}}");
        let all = match args.contains("job-id") {
            true => all.replace(", 'job-id': 'j'", ""),
            false => all,
        };
        refuse(&mut server, "blockdev-mirror", &all, text);
    }
    server.quit();
}

#[test]
fn nothing_has_moved_when_a_node_is_refused() {
    let mut server = two_exports();
    let quorum = "'driver': 'quorum', 'node-name': 'q', 'children': ['one', 'two']";
    for (more, text) in [
        (
            "'vote-threshold': 3",
            "threshold may not exceed children count",
        ),
        (
            "'vote-threshold': 'x'",
            "Invalid parameter type for 'vote-threshold', expected: integer",
        ),
        ("'vote-threshold': 1, 'y': 2", "Parameter 'y' is unexpected"),
    ] {
        let args = format!("{{{quorum}, {more}}}");
        refuse(&mut server, "blockdev-add", &args, text);
    }
    let taken = format!("{{{quorum}, 'vote-threshold': 1}}").replace("'q'", "'one'");
    let text = "Duplicate nodes with node-name='one'";
    refuse(&mut server, "blockdev-add", &taken, text);
    let snapshot = "{'node': 'one', 'overlay': 'two'}";
    let text = "The overlay is already in use";
    refuse(&mut server, "blockdev-snapshot", snapshot, text);
    let reopen = "{'options': [{'driver': 'file', 'node-name': 'one', 'filename': '$DIR/one', \
                  'file': 'two'}]}";
    let text = "Parameter 'options[0].file' is unexpected";
    refuse(&mut server, "blockdev-reopen", reopen, text);
    server.quit();
}

#[test]
fn nothing_has_moved_when_the_group_of_a_node_is_elsewhere() {
    let mut server = two_exports();
    server.ok("object-add", "{'qom-type': 'throttle-group', 'id': 'tg'}");
    let add = "{'driver': 'throttle', 'node-name': 't', 'throttle-group': 'tg', 'file': 'one'}";
    server.ok("blockdev-add", add);
    // With the group the first disk would go to the other one.
    let other = add.replace("'one'", "'two'");
    let text = "Duplicate nodes with node-name='t'";
    refuse(&mut server, "blockdev-add", &other, text);
    server.quit();
}

#[test]
fn nothing_has_moved_when_an_export_is_refused() {
    let mut server = two_exports();
    for (more, text) in [
        (
            "'allocation-depth': true",
            "Option 'allocation-depth' is not supported",
        ),
        ("'name': 'two'", "NBD server already has export named 'two'"),
        ("'bitmaps': ['b']", "Bitmap 'b' is not found"),
    ] {
        let args = "'type': 'nbd', 'id': 'e3', 'node-name': 'one', 'iothread': 'iot1'";
        refuse(
            &mut server,
            "block-export-add",
            &format!("{{{args}, {more}}}"),
            text,
        );
    }
    server.quit();
}

#[test]
fn nobody_who_could_move_has_moved_when_another_one_cannot() {
    let mut server = two_fixed_exports();
    for name in ["null0", "null1"] {
        let add = format!("{{'driver': 'null-co', 'node-name': '{name}', 'size': 4194304}}");
        server.ok("blockdev-add", &add);
    }
    server.ok("object-add", "{'qom-type': 'iothread', 'id': 'iot2'}");
    super::world::set_iothread(&mut server, "null1", "iot2");
    let quorum = "{'driver': 'quorum', 'node-name': 'q', 'vote-threshold': 1, \
                  'children': ['null0', 'null1', 'one', 'two']}";
    let text = "Cannot change iothread of active block backend";
    refuse(&mut server, "blockdev-add", quorum, text);
    assert!(!is_empty(&mut server, "iot2"));
    server.quit();
}
