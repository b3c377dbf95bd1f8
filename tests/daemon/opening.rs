//! Nodes from options: `blockdev-add` and `blockdev-del`, backing files, names. The texts are those of
//! qemu-storage-daemon 10.0.2 for the same commands.

use crate::world::World;

/// A world with an overlay `top.qcow2` over `base.qcow2`, and a raw image `r.raw`.
fn images() -> World {
    let world = World::new();
    world.tool("qemu-img create -q -f qcow2 $DIR/base.qcow2 1M");
    world.tool("qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 $DIR/top.qcow2");
    world.raw("r.raw", 1 << 20);
    world
}

/// The value of `member` of the node `name` in `query-named-block-nodes`.
fn shown(world: &World, name: &str, member: &str) -> String {
    let reply = world.ok("query-named-block-nodes", "{'flat': true}");
    let node = reply
        .split("{'iops_rd'")
        .find(|node| node.contains(&format!("'node-name': '{name}'")))
        .unwrap_or_else(|| panic!("there is no {name} in {reply}"));
    let rest = node.rsplit(&format!("'{member}': ")).next();
    let rest = rest.expect("it has the member");
    rest.split([',', '}']).next().expect("it ends").to_owned()
}

fn add(world: &World, options: &str) {
    world.ok("blockdev-add", options);
}

#[test]
fn an_overlay_brings_its_backing_file_along_read_only() {
    let world = images();
    add(
        &world,
        "{'driver': 'qcow2', 'node-name': 'top',
          'file': {'driver': 'file', 'filename': '$DIR/top.qcow2'}}",
    );
    assert_eq!(world.nodes(), ["#qcow2", "#file", "top", "#file"]);
    let top = world.daemon.graph().find_node("top").expect("it was made");
    let base = top.backing().expect("the header names one").node();
    assert!(base.is_read_only() && !top.is_read_only());
    assert_eq!(shown(&world, "top", "backing_file"), "'$DIR/base.qcow2'");
    assert_eq!(shown(&world, "top", "file"), "'$DIR/top.qcow2'");
}

#[test]
fn a_backing_file_can_be_another_node_or_none() {
    let world = images();
    add(
        &world,
        "{'driver': 'null-co', 'node-name': 'n', 'size': 1048576}",
    );
    let file = "'file': {'driver': 'file', 'filename': '$DIR/top.qcow2', 'locking': 'off'}";
    add(
        &world,
        &format!("{{'driver': 'qcow2', 'node-name': 'a', {file}, 'backing': 'n'}}"),
    );
    add(
        &world,
        &format!("{{'driver': 'qcow2', 'node-name': 'b', {file}, 'backing': null}}"),
    );
    let reply = world.ok("query-named-block-nodes", "{'flat': true}");
    let name = "'json:{\\'backing\\': null, \\'driver\\': \\'qcow2\\', \\'file\\': \
                {\\'driver\\': \\'file\\', \\'filename\\': \\'$DIR/top.qcow2\\'}}'";
    assert!(reply.contains(name), "{reply}");
    let name = "'json:{\\'backing\\': {\\'driver\\': \\'null-co\\', \\'size\\': 1048576}, ";
    assert!(reply.contains(name), "{reply}");
    let deleted = world.refused("blockdev-del", "{'node-name': 'n'}");
    assert_eq!(
        deleted,
        "Node 'n' is busy: node is used as backing hd of 'a'"
    );
    world.ok("blockdev-del", "{'node-name': 'a'}");
    world.ok("blockdev-del", "{'node-name': 'n'}");
    assert_eq!(world.nodes(), ["b", "#file"]);
}

#[test]
fn what_cannot_be_opened_leaves_nothing_open() {
    let world = images();
    let file = "'file': {'driver': 'file', 'filename': '$DIR/r.raw'}";
    for (options, text) in [
        (
            "{'driver': 'null-co'}".to_owned(),
            "'node-name' must be specified for the root node",
        ),
        (
            "{'driver': 'null-co', 'node-name': '1x'}".to_owned(),
            "Invalid node-name: '1x'",
        ),
        (
            "{'driver': 'file', 'node-name': 'f', 'filename': '$DIR/nope'}".to_owned(),
            "Could not open '$DIR/nope': No such file or directory",
        ),
        (
            "{'driver': 'file', 'node-name': 'f', 'filename': '$DIR'}".to_owned(),
            "Could not open '$DIR': Is a directory",
        ),
        (
            "{'driver': 'file', 'node-name': 'f', 'filename': '/dev/null'}".to_owned(),
            "'file' driver requires '/dev/null' to be a regular file",
        ),
        (
            "{'driver': 'file', 'node-name': 'f', 'filename': ''}".to_owned(),
            "The 'file' block driver requires a file name",
        ),
        (
            format!("{{'driver': 'qcow2', 'node-name': 'q', {file}}}"),
            "Image is not in qcow2 format",
        ),
        (
            "{'driver': 'raw', 'node-name': 'r', 'file': 'nope'}".to_owned(),
            "Cannot find device='nope' nor node-name='nope'",
        ),
        (
            format!("{{'driver': 'raw', 'node-name': 'r', {file}, 'offset': 2097152}}"),
            "Offset (2097152) cannot be greater than size of the containing file (1048576)",
        ),
        (
            format!("{{'driver': 'raw', 'node-name': 'r', {file}, 'detect-zeroes': 'unmap'}}"),
            "setting detect-zeroes to unmap is not allowed without setting discard operation to \
             unmap",
        ),
        (
            format!("{{'driver': 'raw', 'node-name': 'r', {file}, 'force-share': true}}"),
            "force-share=on can only be used with read-only images",
        ),
        (
            "{'driver': 'file', 'node-name': 'f', 'filename': '$DIR/r.raw', 'aio': 'native'}"
                .to_owned(),
            "aio=native was specified, but it requires cache.direct=on, which was not specified.",
        ),
        (
            "{'driver': 'throttle', 'node-name': 't', 'throttle-group': 'no', \
              'file': {'driver': 'null-co'}}"
                .to_owned(),
            "Throttle group 'no' does not exist",
        ),
        (
            format!("{{'driver': 'qcow2', 'node-name': 'q', {file}, 'l2-cache-size': 65536}}"),
            "The driver 'qcow2' does not support the option 'l2-cache-size' here",
        ),
    ] {
        assert_eq!(world.refused("blockdev-add", &options), text, "{options}");
        assert_eq!(world.nodes(), Vec::<String>::new(), "{options}");
    }
}

#[test]
fn a_name_inside_an_image_is_opened_as_the_reference_daemon_does() {
    let world = images();
    let backing = |name: &str, format: &str| {
        world.tool("qemu-img create -q -f qcow2 $DIR/o.qcow2 1M");
        world.tool(&format!(
            "qemu-img rebase -q -u -f qcow2 -b {name} -F {format} $DIR/o.qcow2"
        ));
        let reply = world.run(
            "blockdev-add",
            "{'driver': 'qcow2', 'node-name': 'o',
              'file': {'driver': 'file', 'filename': '$DIR/o.qcow2'}}",
        );
        let nodes = world.nodes();
        if reply == "{'return': {}}" {
            world.ok("blockdev-del", "{'node-name': 'o'}");
            return nodes.join(" ");
        }
        let text = reply.split("'desc': '").nth(1).expect("an error");
        text.strip_suffix("'}}").expect("it ends there").to_owned()
    };
    assert_eq!(backing("base.qcow2", "qcow2"), "#qcow2 #file o #file");
    assert_eq!(backing("null-co://", "raw"), "#raw #null-co o #file");
    assert_eq!(
        backing("json:{\"driver\":\"null-co\"}", "null-co"),
        "#null-co o #file"
    );
    assert_eq!(
        backing("foo:bar", "raw"),
        "Could not open backing file: Unknown protocol 'foo'"
    );
    assert_eq!(
        backing("r.raw", "qcow2"),
        "Could not open backing file: Image is not in qcow2 format"
    );
    assert_eq!(
        backing("/nope", "raw"),
        "Could not open backing file: Could not open '/nope': No such file or directory"
    );
}

#[test]
fn a_chain_that_bites_its_tail_ends() {
    let world = World::new();
    world.tool("qemu-img create -q -f qcow2 $DIR/loop.qcow2 1M");
    world.tool("qemu-img rebase -q -u -f qcow2 -b loop.qcow2 -F qcow2 $DIR/loop.qcow2");
    let text = world.refused(
        "blockdev-add",
        "{'driver': 'qcow2', 'node-name': 'l', 'read-only': true,
          'file': {'driver': 'file', 'filename': '$DIR/loop.qcow2'}}",
    );
    assert!(text.starts_with("Could not open backing file: "), "{text}");
    assert!(
        text.ends_with("More than 256 images depend on each other"),
        "{text}"
    );
    assert_eq!(world.nodes(), Vec::<String>::new());
}

#[test]
fn children_follow_their_parents_where_nothing_was_said_of_them() {
    let world = images();
    add(
        &world,
        "{'driver': 'raw', 'node-name': 'r', 'read-only': true, 'cache': {'no-flush': true},
          'file': {'driver': 'file', 'node-name': 'f', 'filename': '$DIR/r.raw'}}",
    );
    assert_eq!(shown(&world, "f", "no-flush"), "true");
    assert_eq!(shown(&world, "f", "ro"), "true");
    add(
        &world,
        "{'driver': 'raw', 'node-name': 's', 'read-only': true, 'cache': {'no-flush': true},
          'file': {'driver': 'file', 'node-name': 'g', 'filename': '$DIR/r.raw',
                   'read-only': false, 'cache': {'no-flush': false}}}",
    );
    assert_eq!(shown(&world, "g", "no-flush"), "false");
    assert_eq!(shown(&world, "g", "ro"), "false");
}

#[test]
fn a_node_is_given_up_by_its_owner_when_nobody_uses_it() {
    let world = images();
    add(
        &world,
        "{'driver': 'file', 'node-name': 'f', 'filename': '$DIR/r.raw'}",
    );
    add(&world, "{'driver': 'raw', 'node-name': 'r', 'file': 'f'}");
    let del = |name: &str| world.refused("blockdev-del", &format!("{{'node-name': '{name}'}}"));
    assert_eq!(del("zz"), "Failed to find node with node-name='zz'");
    assert_eq!(del("f"), "Block device f is in use");
    blockjob::daemon::open::drive_new(
        &world.daemon,
        "if=none,id=d,file.driver=null-co,node-name=n",
    )
    .expect("the drive can be made");
    assert_eq!(del("n"), "Node n is in use");
    world.ok("blockdev-del", "{'node-name': 'r'}");
    world.ok("blockdev-del", "{'node-name': 'f'}");
}

#[test]
fn an_image_that_one_has_is_locked_for_others() {
    let world = images();
    let file = "{'driver': 'file', 'filename': '$DIR/base.qcow2'}";
    let options = |name: &str, more: &str| {
        format!("{{'driver': 'qcow2', 'node-name': '{name}', 'file': {file}{more}}}")
    };
    add(&world, &options("a", ""));
    assert_eq!(
        world.refused("blockdev-add", &options("b", "")),
        "Failed to get \\'write\\' lock"
    );
    let reader = options("b", ", 'read-only': true");
    assert_eq!(
        world.refused("blockdev-add", &reader),
        "Failed to get shared \\'write\\' lock"
    );
    add(
        &world,
        &options("c", ", 'read-only': true, 'force-share': true"),
    );
}

#[test]
fn a_drive_without_a_format_is_probed() {
    let world = images();
    let dir = world.path("");
    let dir = dir.to_str().expect("it is text");
    let open = |text: &str| {
        blockjob::daemon::open::drive_new(&world.daemon, text).expect("the drive can be made")
    };
    let drive = open(&format!("if=none,id=a,file={dir}top.qcow2"));
    assert_eq!(
        drive.node().expect("it is open").driver().format_name(),
        "qcow2"
    );
    let drive = open(&format!("if=none,id=b,file={dir}r.raw,node-name=r"));
    assert_eq!(
        drive.node().expect("it is open").driver().format_name(),
        "raw"
    );
    let node = world.daemon.graph().find_node("r").expect("it was named");
    assert!(world.daemon.facts.of(&node).probed.get());
}
