//! Whole mirrors of qcow2 images, as `qemu-img` judges them.

use blockjob::block::BlockBackend;

use crate::drive_mirror::drive;
use crate::world::World;

const QCOW2: &str = "driver=qcow2,file.driver=file,file.filename=$DIR/";

/// `base` with a first part, `top` above it with a second one, the node `top` and the drive `d`.
fn chain() -> World {
    let world = World::new();
    world.tool("qemu-img create -q -f qcow2 $DIR/base.qcow2 1M");
    world.io("base.qcow2", "write -q -P 17 0 300k");
    world.tool("qemu-img create -q -f qcow2 -b $DIR/base.qcow2 -F qcow2 $DIR/top.qcow2");
    world.io("top.qcow2", "write -q -P 34 200k 300k");
    world.blockdev(&format!("{QCOW2}top.qcow2,node-name=top"));
    drive(&world, "d", Some("top"));
    world
}

fn medium(world: &World, name: &str) -> std::rc::Rc<BlockBackend> {
    let drive = world.daemon.graph().find_backend(name);
    drive.expect("the drive is there")
}

/// Mirrors `d`, completes it, and returns the name of what the drive then shows.
fn mirror(world: &World, args: &str) -> String {
    world.said();
    world.ok(
        "drive-mirror",
        &format!("{{'device': 'd', 'target': '$DIR/t.qcow2', {args}}}"),
    );
    world.until("BLOCK_JOB_READY");
    world.ok("block-job-complete", "{'device': 'd'}");
    world.until("null");
    let said = world.said();
    let end = "return, waiting, pending, BLOCK_JOB_COMPLETED, concluded, null";
    assert!(said.ends_with(end), "{said}");
    let node = medium(world, "d").node().expect("it has a medium");
    node.name().to_owned()
}

/// The daemon gives everything up, and the images are looked at.
fn judge(world: &World, images: &[&str]) {
    world.ok("quit", "{}");
    world.daemon.owned.clear();
    assert!(world.nodes().is_empty(), "{:?}", world.nodes());
    for image in images {
        world.tool(&format!("qemu-img check -q $DIR/{image}"));
    }
    world.tool("qemu-img compare -q $DIR/top.qcow2 $DIR/t.qcow2");
}

fn backing_of(world: &World, image: &str) -> String {
    let info = world.tool(&format!("qemu-img info --output=json $DIR/{image}"));
    let name = info.split("\"backing-filename\": \"").nth(1);
    let name = name.and_then(|rest| rest.split('"').next());
    let name = name.and_then(|name| name.rsplit('/').next());
    name.unwrap_or_default().to_owned()
}

#[test]
fn a_full_copy_of_a_chain_has_no_chain() {
    let world = chain();
    let name = mirror(&world, "'sync': 'full', 'node-name': 'new'");
    assert_eq!(name, "new");
    let node = world.daemon.graph().find_node("new").expect("it is there");
    assert!(node.backing().is_none());
    drop(node);
    judge(&world, &["top.qcow2", "t.qcow2"]);
    assert_eq!(backing_of(&world, "t.qcow2"), "");
}

#[test]
fn a_copy_of_the_top_is_above_the_base() {
    let world = chain();
    mirror(&world, "'sync': 'top', 'node-name': 'new'");
    let node = world.daemon.graph().find_node("new").expect("it is there");
    let base = node.backing().expect("it has a base").node();
    let nodes = world.ok("query-named-block-nodes", "{}");
    assert!(
        nodes.contains("'backing_file': '$DIR/base.qcow2'"),
        "{nodes}"
    );
    drop((node, base));
    judge(&world, &["top.qcow2", "t.qcow2"]);
    assert_eq!(backing_of(&world, "t.qcow2"), "base.qcow2");
    let map = world.tool("qemu-img map --output=json $DIR/t.qcow2");
    assert!(
        map.contains("\"depth\": 1"),
        "some is left to the base: {map}"
    );
}

#[test]
fn a_copy_of_what_is_yet_to_be_written_is_above_the_source() {
    let world = chain();
    mirror(&world, "'sync': 'none', 'node-name': 'new'");
    let node = world.daemon.graph().find_node("new").expect("it is there");
    let source = node.backing().expect("the source is below it").node();
    assert_eq!(source.name(), "top");
    drop((node, source));
    judge(&world, &["top.qcow2", "t.qcow2"]);
    assert_eq!(backing_of(&world, "t.qcow2"), "top.qcow2");
}

#[test]
fn an_existing_target_gets_the_backing_file_that_its_header_names() {
    let world = chain();
    world.tool("qemu-img create -q -f qcow2 -b $DIR/base.qcow2 -F qcow2 $DIR/t.qcow2");
    mirror(
        &world,
        "'sync': 'top', 'mode': 'existing', 'node-name': 'new'",
    );
    let node = world.daemon.graph().find_node("new").expect("it is there");
    assert!(node.backing().is_some());
    drop(node);
    judge(&world, &["top.qcow2", "t.qcow2"]);
    assert_eq!(backing_of(&world, "t.qcow2"), "base.qcow2");
}

#[test]
fn an_existing_target_that_holds_something_else_is_overwritten() {
    let world = chain();
    world.tool("qemu-img create -q -f qcow2 $DIR/t.qcow2 1M");
    world.io("t.qcow2", "write -q -P 99 0 1M");
    // Its format is found out.
    mirror(
        &world,
        "'sync': 'full', 'mode': 'existing', 'node-name': 'new'",
    );
    let node = world.daemon.graph().find_node("new").expect("it is there");
    assert_eq!(node.driver().format_name(), "qcow2");
    drop(node);
    judge(&world, &["top.qcow2", "t.qcow2"]);
}

#[test]
fn a_cancelled_copy_is_given_up_whole_and_at_once() {
    let world = chain();
    for (force, events) in [
        ("true", "return, aborting, BLOCK_JOB_CANCELLED, concluded"),
        (
            "false",
            "return, waiting, pending, BLOCK_JOB_COMPLETED, concluded",
        ),
    ] {
        let nodes = world.nodes();
        world.ok(
            "drive-mirror",
            "{'device': 'd', 'target': '$DIR/t.qcow2', 'sync': 'full', 'auto-dismiss': false}",
        );
        world.until("BLOCK_JOB_READY");
        world.said();
        world.ok(
            "block-job-cancel",
            &format!("{{'device': 'd', 'force': {force}}}"),
        );
        world.until("concluded");
        assert_eq!(world.said(), events);
        // Although the job is still on the list.
        assert_eq!(world.nodes(), nodes);
        world.tool("qemu-img check -q $DIR/t.qcow2");
        world.ok("job-dismiss", "{'id': 'd'}");
    }
    judge(&world, &["top.qcow2", "t.qcow2"]);
}

#[test]
fn a_copy_that_is_cancelled_half_way_is_a_sound_image() {
    let world = chain();
    world.ok(
        "drive-mirror",
        "{'device': 'd', 'target': '$DIR/t.qcow2', 'sync': 'full', 'speed': 65536, \
         'buf-size': 65536}",
    );
    let job = world.daemon.jobs().get("d").expect("it works");
    world.ctx.poll_while(|| job.progress().current() == 0);
    world.ok("job-cancel", "{'id': 'd'}");
    world.until("null");
    world.tool("qemu-img check -q $DIR/t.qcow2");
    let map = world.tool("qemu-img map --output=json $DIR/t.qcow2");
    assert!(map.contains("\"data\": true"), "some was copied: {map}");
}

#[test]
fn a_target_of_another_length_fails_the_job_and_not_the_command() {
    let world = chain();
    world.tool("qemu-img create -q -f qcow2 $DIR/t.qcow2 2M");
    let nodes = world.nodes();
    world.ok(
        "drive-mirror",
        "{'device': 'd', 'target': '$DIR/t.qcow2', 'sync': 'full', 'mode': 'existing'}",
    );
    world.until("null");
    let said = world.said();
    let end = "aborting, BLOCK_JOB_COMPLETED, concluded, null";
    assert!(said.starts_with("created, running, "), "{said}");
    assert!(said.ends_with(end), "{said}");
    let events = world.events();
    assert!(
        events
            .iter()
            .any(|event| event.contains("'error': 'Source and target image have different sizes'")),
        "{events:?}"
    );
    assert_eq!(world.nodes(), nodes);
}
