//! What is known of jobs, nodes and drives.

use crate::world::World;

fn ready() -> World {
    let world = World::new();
    for name in ["a", "b"] {
        world.raw(name, 1 << 20);
        world.blockdev(&format!(
            "driver=raw,file.driver=file,file.filename=$DIR/{name},file.node-name={name}f,\
             node-name={name}"
        ));
    }
    world.ok(
        "blockdev-mirror",
        "{'job-id': 'j0', 'device': 'a', 'target': 'b', 'sync': 'full'}",
    );
    world.until("BLOCK_JOB_READY");
    world
}

#[test]
fn a_ready_mirror_is_shown_as_the_reference_daemon_shows_it() {
    let world = ready();
    assert_eq!(
        world.ok("query-block-jobs", "{}"),
        "[{'auto-finalize': true, 'io-status': 'ok', 'device': 'j0', 'auto-dismiss': true, \
         'busy': false, 'len': 1048576, 'offset': 1048576, 'status': 'ready', 'paused': false, \
         'x-convergence': {'active-bytes': 0, 'recopied-bytes': 0, 'copied-bytes': 524288, \
         'mode': 'background', 'dirty-bytes': 0, 'asked-mode': 'background', \
         'in-flight-bytes': 0, 'forecast': 'ready'}, 'x-guest-writes': 0, 'speed': 0, 'ready': true, 'type': 'mirror', 'actively-synced': false}]"
    );
    assert_eq!(
        world.ok("query-jobs", "{}"),
        "[{'current-progress': 1048576, 'status': 'ready', 'total-progress': 1048576, \
         'type': 'mirror', 'id': 'j0'}]"
    );
}

#[test]
fn the_graph_of_a_mirror_is_numbered_as_the_reference_daemon_does() {
    let world = ready();
    let graph = world.ok("x-debug-query-block-graph", "{}");
    let nodes = graph.split("'nodes': ").nth(1).expect("it has nodes");
    let filter = world.nodes()[0].clone();
    assert_eq!(filter, "#mirror_top");
    let names: Vec<_> = nodes
        .split("'name': '")
        .skip(1)
        .map(|rest| {
            let name = rest.split('\'').next().expect("it ends");
            let id = rest.split("'id': ").nth(1).expect("it has a number");
            let id = id.split('}').next().expect("it ends");
            format!("{} {id}", if name.starts_with('#') { "#" } else { name })
        })
        .collect();
    assert_eq!(names, ["# 5", "b 2", "bf 7", "a 4", "af 6", "j0 3", " 1"]);
    let edges: Vec<_> = graph.split("{'name': '").skip(1).collect();
    let edge = |name: &str| {
        let found = edges
            .iter()
            .find(|edge| edge.starts_with(&format!("{name}'")));
        *found.unwrap_or_else(|| panic!("no edge {name} in {graph}"))
    };
    assert_eq!(
        edge("main node"),
        "main node', 'parent': 3, 'shared-perm': ['write-unchanged', 'write', 'consistent-read'], \
         'perm': ['consistent-read'], 'child': 5}, "
    );
    assert_eq!(
        edge("root"),
        "root', 'parent': 1, 'shared-perm': ['write-unchanged'], 'perm': ['write'], 'child': 2}], \
         'nodes': ["
    );
}

#[test]
fn nodes_are_shown_the_newest_first_with_their_bitmaps_on_the_filter() {
    let world = ready();
    let nodes = world.ok("query-named-block-nodes", "{'flat': true}");
    let node = |name: &str| {
        let mut parts = nodes.split("{'iops_rd'");
        let found = parts.find(|node| node.contains(&format!("'node-name': '{name}'")));
        found
            .unwrap_or_else(|| panic!("no node {name} in {nodes}"))
            .to_owned()
    };
    let filter = nodes.split("{'iops_rd'").nth(1).expect("it is first");
    assert!(filter.contains("'drv': 'mirror_top'"), "{filter}");
    assert!(
        filter.contains(
            "'dirty-bitmaps': [{'recording': false, 'persistent': false, 'busy': false, \
             'granularity': 65536, 'count': 0}]"
        ),
        "{filter}"
    );
    assert!(!node("a").contains("dirty-bitmaps"));
    let file = node("af");
    assert!(
        file.contains("'image': {'virtual-size': 1048576, 'filename': '$DIR/a'"),
        "{file}"
    );
    assert!(file.contains("'format': 'file'"), "{file}");
    assert!(
        file.contains("'format-specific': {'type': 'file', 'data': {}}"),
        "{file}"
    );
    assert!(file.contains("'file': '$DIR/a'}"), "{file}");
}

#[test]
fn a_node_knows_how_far_it_was_written() {
    let world = ready();
    let stats = world.ok("query-blockstats", "{'query-nodes': true}");
    let of = |name: &str| {
        let end = stats.find(&format!("'node-name': '{name}'")).expect(name);
        let from = stats[..end].rfind("'wr_highest_offset': ").expect(name);
        let number = stats[from..end].split([' ', ',']).nth(1).expect(name);
        number.to_owned()
    };
    // The second half is a hole on both sides, and is left alone.
    assert_eq!((of("af"), of("bf")), ("0".to_owned(), "524288".to_owned()));
    assert_eq!(world.ok("query-blockstats", "{}"), "[]");
    assert_eq!(world.ok("query-block", "{}"), "[]");
}
