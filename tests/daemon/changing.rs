//! Nodes that are open, and change: snapshots, lengths, reopening, and images made by a job. The texts
//! are those of qemu-storage-daemon 10.0.2 for the same commands.

use crate::world::World;

fn qcow2(world: &World, name: &str) {
    world.tool(&format!("qemu-img create -q -f qcow2 $DIR/{name}.qcow2 1M"));
    world.ok(
        "blockdev-add",
        &format!(
            "{{'driver': 'qcow2', 'node-name': '{name}',
               'file': {{'driver': 'file', 'node-name': '{name}f', \
                         'filename': '$DIR/{name}.qcow2'}}}}"
        ),
    );
}

fn read_only(world: &World, name: &str) -> bool {
    let node = world.daemon.graph().find_node(name);
    node.expect("it is there").is_read_only()
}

#[test]
fn an_overlay_takes_the_place_of_a_drives_node() {
    let world = World::new();
    qcow2(&world, "a");
    let drive = blockjob::block::BlockBackend::new(
        world.daemon.graph(),
        "drive0",
        blockjob::block::PermPair::HARMLESS,
    );
    let drive = drive.expect("the name is free");
    let node = world.daemon.graph().find_node("a").expect("it was made");
    drive.insert(&node).expect("nobody minds");
    world.ok(
        "blockdev-snapshot-sync",
        "{'device': 'drive0', 'snapshot-file': '$DIR/s.qcow2', 'snapshot-node-name': 's'}",
    );
    assert_eq!(drive.node().expect("it has one").name(), "s");
    let top = drive.node().expect("it has one");
    assert_eq!(top.backing().expect("the old one").node().name(), "a");
    assert!(read_only(&world, "a") && read_only(&world, "af") && !read_only(&world, "s"));
    let info = world.tool("qemu-img info -U $DIR/s.qcow2");
    assert!(info.contains("backing file format: qcow2"), "{info}");
    world.tool("qemu-img check -q -U $DIR/s.qcow2");
    drop(drive);
}

#[test]
fn a_snapshot_that_cannot_be_is_refused() {
    let world = World::new();
    qcow2(&world, "a");
    let sync = |args: &str| world.refused("blockdev-snapshot-sync", args);
    let file = "'snapshot-file': '$DIR/s.qcow2'";
    assert_eq!(
        sync(&format!("{{{file}}}")),
        "Cannot find device='' nor node-name=''"
    );
    assert_eq!(
        sync(&format!("{{'node-name': 'a', {file}}}")),
        "New overlay node-name missing"
    );
    assert_eq!(
        sync(&format!(
            "{{'node-name': 'a', {file}, 'snapshot-node-name': 'a'}}"
        )),
        "New overlay node-name already in use"
    );
    assert_eq!(
        sync(&format!(
            "{{'node-name': 'a', {file}, 'snapshot-node-name': 's', 'format': 'bogus'}}"
        )),
        "Unknown file format 'bogus'"
    );
    assert_eq!(
        sync(&format!(
            "{{'node-name': 'a', {file}, 'snapshot-node-name': 's', 'format': 'raw'}}"
        )),
        "Backing file not supported for file format 'raw'"
    );
    assert_eq!(world.files(), ["a.qcow2"]);
    let huge = "{'driver': 'null-co', 'node-name': 'h', 'size': 4611686018427387904}";
    world.ok("blockdev-add", huge);
    let text = sync(&format!(
        "{{'node-name': 'h', {file}, 'snapshot-node-name': 's'}}"
    ));
    assert!(text.starts_with("The image size is too large"), "{text}");
    assert_eq!(world.files(), ["a.qcow2"], "what was half made is gone");
    world.ok(
        "blockdev-add",
        "{'driver': 'null-co', 'node-name': 'n', 'size': 1048576}",
    );
    let snapshot = |node: &str, overlay: &str| {
        world.run(
            "blockdev-snapshot",
            &format!("{{'node': '{node}', 'overlay': '{overlay}'}}"),
        )
    };
    let text = snapshot("n", "n");
    assert!(
        text.contains("The overlay does not support backing images"),
        "{text}"
    );
    assert_eq!(snapshot("n", "a"), "{'return': {}}");
    assert!(read_only(&world, "n"));
    qcow2(&world, "b");
    let text = snapshot("n", "b");
    assert!(
        text.contains("Node 'n' is busy: node is used as backing hd of 'a'"),
        "{text}"
    );
}

#[test]
fn a_node_gets_another_length_unless_somebody_minds() {
    let world = World::new();
    qcow2(&world, "a");
    let resize = |args: &str| world.refused("block_resize", args);
    world.ok("block_resize", "{'node-name': 'a', 'size': 2097152}");
    assert!(
        world
            .tool("qemu-img info -U $DIR/a.qcow2")
            .contains("2 MiB")
    );
    assert_eq!(
        resize("{'node-name': 'a', 'size': -1}"),
        "Parameter 'size' expects a >0 size"
    );
    assert_eq!(
        resize("{'node-name': 'a', 'size': 1000}"),
        "The new size must be a multiple of 512"
    );
    assert_eq!(
        resize("{'device': 'a', 'size': 512}"),
        "Cannot find device='a' nor node-name=''"
    );
    assert_eq!(
        resize("{'node-name': 'af', 'size': 512}"),
        "Permission conflict on node 'af': permissions 'resize' are both required by an unnamed \
         block device (uses node 'af' as 'root' child) and unshared by node 'a' (uses node 'af' as \
         'file' child)."
    );
    world.ok("blockdev-add", "{'driver': 'null-co', 'node-name': 'n'}");
    assert_eq!(
        resize("{'node-name': 'n', 'size': 512}"),
        "Image format driver does not support resize"
    );
    world.ok(
        "blockdev-add",
        "{'driver': 'raw', 'node-name': 'r', 'file': 'n', 'read-only': true}",
    );
    assert_eq!(
        resize("{'node-name': 'r', 'size': 512}"),
        "Image is read-only"
    );
}

fn reopen(world: &World, options: &str) -> String {
    let reply = world.run("blockdev-reopen", &format!("{{'options': [{options}]}}"));
    let text = reply.split("'desc': '").nth(1);
    text.map_or_else(String::new, |text| text.trim_end_matches("'}}").to_owned())
}

#[test]
fn a_node_is_reopened_with_all_its_options_or_refused() {
    let world = World::new();
    world.ok("blockdev-add", "{'driver': 'null-co', 'node-name': 'n'}");
    for (options, text) in [
        ("{'driver': 'null-co'}", "node-name not specified"),
        (
            "{'driver': 'null-co', 'node-name': 'zz'}",
            "Failed to find node with node-name='zz'",
        ),
        (
            "{'driver': 'null-co', 'node-name': 'n', 'size': 512}",
            "Cannot change the option 'size'",
        ),
        (
            "{'driver': 'null-aio', 'node-name': 'n'}",
            "Cannot change the option 'driver'",
        ),
        (
            "{'driver': 'null-co', 'node-name': 'n', 'read-only': true}",
            "",
        ),
    ] {
        assert_eq!(reopen(&world, options), text, "{options}");
    }
    assert!(read_only(&world, "n"));
    assert_eq!(
        reopen(&world, "{'driver': 'null-co', 'node-name': 'n'}"),
        ""
    );
    assert!(!read_only(&world, "n"));
}

#[test]
fn what_was_read_only_can_be_written_to_after_it_was_reopened() {
    let world = World::new();
    world.tool("qemu-img create -q -f qcow2 $DIR/a.qcow2 1M");
    let options = "'driver': 'qcow2', 'node-name': 'a',
                   'file': {'driver': 'file', 'filename': '$DIR/a.qcow2'}";
    world.ok("blockdev-add", &format!("{{{options}, 'read-only': true}}"));
    let write = || {
        let line = "{'command-line': 'qemu-io a \"write -P 7 0 64k\"'}";
        world.ok("human-monitor-command", line)
    };
    let said = write();
    assert!(!said.contains("wrote"), "{said}");
    assert_eq!(reopen(&world, &format!("{{{options}}}")), "");
    let said = write();
    assert!(said.contains("wrote"), "{said}");
    assert_eq!(
        reopen(&world, &format!("{{{options}, 'read-only': true}}")),
        ""
    );
    let said = write();
    assert!(!said.contains("wrote"), "{said}");
    // What was written is in the file: nobody writes to it any more, and others may read.
    world.tool("qemu-img check -q $DIR/a.qcow2");
    world.ok("blockdev-del", "{'node-name': 'a'}");
    world.io("a.qcow2", "read -P 7 0 64k");
}

#[test]
fn all_nodes_are_reopened_or_none() {
    let world = World::new();
    qcow2(&world, "a");
    world.ok("blockdev-add", "{'driver': 'null-co', 'node-name': 'n'}");
    let text = reopen(
        &world,
        "{'driver': 'null-co', 'node-name': 'n', 'read-only': true},
         {'driver': 'file', 'node-name': 'af', 'filename': '$DIR/a.qcow2', 'read-only': true}",
    );
    assert_eq!(
        text,
        "Read-only block node 'af' cannot support read-write users"
    );
    assert!(!read_only(&world, "n") && !read_only(&world, "af"));
    // Both at once is fine.
    let both = "{'driver': 'qcow2', 'node-name': 'a', 'file': 'af', 'read-only': true}";
    assert_eq!(reopen(&world, both), "");
    assert!(read_only(&world, "a") && read_only(&world, "af"));
    // A child that is named keeps what it has: now it would have to be reopened as well.
    let writable = "{'driver': 'qcow2', 'node-name': 'a', 'file': 'af'}";
    assert_eq!(reopen(&world, writable), "Block node is read-only");
}

#[test]
fn what_came_before_a_change_that_fails_is_taken_back() {
    use blockjob::block::{BlockBackend, Perm, PermPair};
    let world = World::new();
    qcow2(&world, "a");
    qcow2(&world, "b");
    world.ok("blockdev-add", "{'driver': 'null-co', 'node-name': 'n'}");
    // Who reads `a` relies on all that is below it, and the file of `b` is written to.
    let perms = PermPair::new(Perm::CONSISTENT_READ, Perm::CONSISTENT_READ);
    let reader = BlockBackend::new(world.daemon.graph(), "reader", perms);
    let reader = reader.expect("the name is free");
    let node = world.daemon.graph().find_node("a").expect("it was made");
    reader.insert(&node).expect("nobody minds");
    let text = reopen(
        &world,
        "{'driver': 'null-co', 'node-name': 'n', 'read-only': true},
         {'driver': 'qcow2', 'node-name': 'a', 'file': 'af', 'backing': 'bf'}",
    );
    assert!(
        text.starts_with("Permission conflict on node 'bf'"),
        "{text}"
    );
    assert!(!read_only(&world, "n"));
    assert!(node.backing().is_none());
    drop(reader);
}

#[test]
fn a_backing_node_can_be_changed_by_reopening() {
    let world = World::new();
    qcow2(&world, "a");
    world.ok(
        "blockdev-add",
        "{'driver': 'null-co', 'node-name': 'n', 'size': 1048576}",
    );
    let with = |backing: &str| {
        let options = format!("'driver': 'qcow2', 'node-name': 'a', 'file': 'af'{backing}");
        reopen(&world, &format!("{{{options}}}"))
    };
    assert_eq!(
        with(", 'backing': 'a'"),
        "Making 'a' a backing child of 'a' would create a cycle"
    );
    assert_eq!(
        with(", 'backing': 'zz'"),
        "Cannot find device='' nor node-name='zz'"
    );
    assert_eq!(with(", 'backing': 'n'"), "");
    let node = world.daemon.graph().find_node("a").expect("it is there");
    assert_eq!(node.backing().expect("it has one").node().name(), "n");
    assert_eq!(with(""), "backing is missing for 'a'");
    assert_eq!(with(", 'backing': null"), "");
    assert!(node.backing().is_none());
}

fn create(world: &World, options: &str) -> String {
    world.events();
    world.ok(
        "blockdev-create",
        &format!("{{'job-id': 'j', 'options': {options}}}"),
    );
    world.until("concluded");
    let jobs = world.ok("query-jobs", "{}");
    world.ok("job-dismiss", "{'id': 'j'}");
    world.said();
    let text = jobs.split("'error': '").nth(1);
    text.map_or_else(String::new, |text| text.trim_end_matches("'}]").to_owned())
}

#[test]
fn a_job_makes_an_image_and_waits_to_be_dismissed() {
    let world = World::new();
    let file = "{'driver': 'file', 'filename': '$DIR/a', 'size': 0}";
    assert_eq!(create(&world, file), "");
    world.ok(
        "blockdev-add",
        "{'driver': 'file', 'node-name': 'f', 'filename': '$DIR/a'}",
    );
    world.events();
    let image = "{'driver': 'qcow2', 'file': 'f', 'size': 1048576, 'cluster-size': 4096}";
    assert_eq!(create(&world, image), "");
    let events = world.events();
    assert!(
        events
            .iter()
            .all(|event| event.starts_with("JOB_STATUS_CHANGE")),
        "{events:?}"
    );
    world.ok("blockdev-del", "{'node-name': 'f'}");
    let info = world.tool("qemu-img info $DIR/a");
    assert!(info.contains("cluster_size: 4096"), "{info}");
    world.tool("qemu-img check -q $DIR/a");
}

#[test]
fn a_file_is_made_with_room_for_all_of_it_where_that_is_asked_for() {
    use std::os::unix::fs::MetadataExt;
    let world = World::new();
    let blocks = |mode: &str| {
        let options = "'driver': 'file', 'filename': '$DIR/a', 'size': 2097152";
        let options = format!("{{{options}, 'preallocation': '{mode}'}}");
        assert_eq!(create(&world, &options), "");
        let data = std::fs::metadata(world.path("a")).expect("it was made");
        assert_eq!(data.len(), 2 << 20);
        data.blocks() * 512
    };
    assert_eq!(blocks("off"), 0);
    assert!(blocks("falloc") >= 2 << 20);
    assert!(blocks("full") >= 2 << 20);
    assert_eq!(blocks("off"), 0, "what was there before is gone");
    let metadata = "{'driver': 'file', 'filename': '$DIR/a', 'size': 512, \
                    'preallocation': 'metadata'}";
    assert_eq!(
        create(&world, metadata),
        "Unsupported preallocation mode: metadata"
    );
}

#[test]
fn an_image_that_cannot_be_made_is_the_jobs_error() {
    let world = World::new();
    world.ok(
        "blockdev-add",
        "{'driver': 'null-co', 'node-name': 'n', 'read-only': true}",
    );
    let error = |options: &str| create(&world, options);
    assert_eq!(
        error("{'driver': 'file', 'filename': '$DIR/no/a', 'size': 512}"),
        "Could not create '$DIR/no/a': No such file or directory"
    );
    assert_eq!(
        error("{'driver': 'file', 'filename': '$DIR', 'size': 512}"),
        "Could not create '$DIR': Is a directory"
    );
    assert_eq!(
        error("{'driver': 'file', 'filename': '$DIR/b', 'size': -1}"),
        "Could not resize file: Invalid argument"
    );
    assert_eq!(
        error("{'driver': 'qcow2', 'file': 'zz', 'size': 512}"),
        "Cannot find device='zz' nor node-name='zz'"
    );
    assert_eq!(
        error("{'driver': 'qcow2', 'file': 'n', 'size': 512}"),
        "Block node is read-only"
    );
    assert_eq!(world.files(), Vec::<String>::new());
}
