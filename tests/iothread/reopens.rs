//! `blockdev-reopen` of nodes in several threads.

use super::guest::Guest;
use super::server::Server;
use super::world::{MIB, is_empty, refused, set_iothread, two_exports, two_fixed_exports};

/// The nodes `one` and `two` as they are, with more options.
fn both(more: &str) -> String {
    let node = |name: &str| {
        format!("{{'driver': 'file', 'node-name': '{name}', 'filename': '$DIR/{name}'{more}}}")
    };
    format!("{{'options': [{}, {}]}}", node("one"), node("two"))
}

fn shows(server: &mut Server, node: &str, text: &str) -> bool {
    let nodes = server.ok("query-named-block-nodes", "{'flat': true}");
    let name = format!("\"node-name\": \"{node}\"");
    let mut nodes = nodes.split("{\"iops_rd\"");
    let node = nodes.find(|part| part.contains(&name));
    node.expect("it is there").contains(text)
}

fn both_inhabited(server: &mut Server) -> bool {
    !is_empty(server, "iot0") && !is_empty(server, "iot1")
}

#[test]
fn nodes_that_nothing_connects_stay_in_their_threads() {
    for mut server in [two_exports(), two_fixed_exports()] {
        let (mut one, mut two) = (Guest::new(&server, "one"), Guest::new(&server, "two"));
        let ways = [", 'discard': 'unmap'", ", 'cache': {'no-flush': true}", ""];
        for more in ways.iter().cycle().take(100) {
            one.send();
            two.send();
            server.ok("blockdev-reopen", &both(more));
            one.take(13);
            two.take(11);
            assert!(both_inhabited(&mut server), "{more}");
            for node in ["one", "two"] {
                let no_flush = more.contains("no-flush");
                let cache = format!("\"no-flush\": {no_flush}");
                assert!(shows(&mut server, node, &cache), "{node} {more}");
            }
        }
        one.check();
        two.check();
        server.quit();
    }
}

#[test]
fn if_one_of_them_cannot_be_opened_so_none_is() {
    let mut server = two_exports();
    server.ok("block-export-del", "{'id': 'e1'}");
    server.wait_for("BLOCK_EXPORT_DELETED");
    // The first one has changed already when the other one's guest is in the way.
    let text = refused(&mut server, "blockdev-reopen", &both(", 'read-only': true"));
    assert_eq!(
        text,
        "Read-only block node 'two' cannot support read-write users"
    );
    assert!(shows(&mut server, "one", "\"ro\": false"));
    assert!(both_inhabited(&mut server));
    // What is wrong with the second one's options is found before anything changes.
    let wrong = both(", 'cache': {'no-flush': true}").replace("$DIR/two", "$DIR/other");
    let text = refused(&mut server, "blockdev-reopen", &wrong);
    assert_eq!(text, "Cannot change the option 'filename'");
    assert!(shows(&mut server, "one", "\"no-flush\": false"));
    let mut two = server.client("two");
    assert_eq!(two.write(0, 0, &[1; 512]).error, 0, "nobody is drained");
    server.quit();
}

#[test]
fn a_node_that_comes_to_be_below_another_one_goes_where_that_is() {
    let mut server = two_exports();
    server.ok(
        "blockdev-add",
        "{'driver': 'null-co', 'node-name': 'old', 'size': 4194304}",
    );
    for (thread, other) in [("iot0", "iot1"), ("iot1", "iot0")] {
        for (name, file) in [("top", "old"), ("apart", "two")] {
            let add = format!("{{'driver': 'raw', 'node-name': '{name}', 'file': '{file}'}}");
            server.ok("blockdev-add", &add);
        }
        set_iothread(&mut server, "one", other);
        set_iothread(&mut server, "two", other);
        set_iothread(&mut server, "top", thread);
        // That of the other node does not concern it, though it is where the new one comes from.
        let reopen = "{'options': [{'driver': 'raw', 'node-name': 'top', 'file': 'one'}, \
                      {'driver': 'raw', 'node-name': 'apart', 'file': 'two'}]}";
        server.ok("blockdev-reopen", reopen);
        assert!(both_inhabited(&mut server));
        // The old one was left where it was.
        set_iothread(&mut server, "old", "null");
        assert!(both_inhabited(&mut server));
        set_iothread(&mut server, "top", other);
        assert!(
            is_empty(&mut server, thread),
            "the guest's disk has come along"
        );
        let mut guest = server.client("one");
        assert_eq!(guest.size, 4 * MIB);
        assert_eq!(guest.read(0, 512), [0; 512]);
        for name in ["top", "apart"] {
            server.ok("blockdev-del", &format!("{{'node-name': '{name}'}}"));
        }
    }
    server.quit();
}

#[test]
fn whoever_cannot_move_has_the_others_come() {
    let mut server = two_fixed_exports();
    let top = "{'driver': 'raw', 'node-name': 'top', 'file': 'free'}";
    server.ok(
        "blockdev-add",
        "{'driver': 'null-co', 'node-name': 'free', 'size': 4194304}",
    );
    server.ok("blockdev-add", top);
    set_iothread(&mut server, "top", "iot0");
    let reopen = "{'options': [{'driver': 'raw', 'node-name': 'top', 'file': 'two'}]}";
    server.ok("blockdev-reopen", reopen);
    server.ok("block-export-del", "{'id': 'e1'}");
    server.wait_for("BLOCK_EXPORT_DELETED");
    for node in ["one", "free"] {
        set_iothread(&mut server, node, "null");
    }
    assert!(is_empty(&mut server, "iot0"));
    server.quit();
}
