//! `drive-mirror` and `blockdev-mirror`: what is refused and in which order, what is left behind, and
//! whole mirrors of qcow2 images.

use blockjob::block::{BlockBackend, PermPair};

use crate::world::World;

const QCOW2: &str = "driver=qcow2,file.driver=file,file.filename=$DIR/";

/// A named drive on `node`, or without a medium.
pub(crate) fn drive(world: &World, name: &str, node: Option<&str>) {
    let perms = PermPair::HARMLESS;
    let drive = BlockBackend::new(world.daemon.graph(), name, perms).expect("the name is free");
    if let Some(node) = node {
        let node = world.daemon.graph().find_node(node).expect("it is there");
        drive.insert(&node).expect("nobody minds");
    }
    world.daemon.owned.add_drive(drive);
}

/// `drive0` on the qcow2 image `a` with the node `top`, the node `big` of another length, the empty
/// `drive1`, and the read-only node `ron`.
fn drives() -> World {
    let world = World::new();
    world.tool("qemu-img create -q -f qcow2 $DIR/a.qcow2 1M");
    world.tool("qemu-img create -q -f qcow2 $DIR/big.qcow2 2M");
    world.tool("qemu-img create -q -f qcow2 $DIR/q1.qcow2 1M");
    world.raw("r.raw", 1 << 20);
    world.blockdev(&format!("{QCOW2}a.qcow2,node-name=top,file.node-name=af"));
    world.blockdev(&format!("{QCOW2}big.qcow2,node-name=big"));
    world.blockdev(
        "driver=raw,file.driver=file,file.filename=$DIR/r.raw,node-name=ron,read-only=on",
    );
    drive(&world, "drive0", Some("top"));
    drive(&world, "drive1", None);
    world
}

/// `drive-mirror` of `drive0` with more arguments, which may override those.
fn args(more: &str) -> String {
    let mut all = vec![
        ("'device'", "'drive0'".to_owned()),
        ("'sync'", "'full'".to_owned()),
        ("'target'", "'$DIR/t.qcow2'".to_owned()),
    ];
    for pair in more.split(", ").filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once(": ").expect("a name and a value");
        all.retain(|(known, _)| *known != name);
        all.push((name, value.to_owned()));
    }
    let pairs: Vec<_> = all
        .iter()
        .filter(|(_, value)| value != "-")
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

const IN_RANGE: &str = "Parameter 'granularity' expects a value in range [512B, 64MB]";

/// What is refused before a target is made for it.
const REFUSED_AT_ONCE: &[(&str, &str)] = &[
    ("'device': 'x'", "Cannot find device='x' nor node-name='x'"),
    ("'device': 'drive1'", "Device 'drive1' has no medium"),
    ("'device': 'af'", "Need a root block node"),
    (
        "'granularity': 4294967296",
        "Parameter 'granularity' expects uint32_t",
    ),
    (
        "'granularity': -1",
        "Parameter 'granularity' expects uint32_t",
    ),
    (
        "'granularity': '513'",
        "Parameter 'granularity' expects uint64",
    ),
    (
        "'speed': true",
        "Invalid parameter type for 'speed', expected: integer",
    ),
    (
        "'sync': 1",
        "Invalid parameter type for 'sync', expected: string",
    ),
    (
        "'sync': 'bogus'",
        "Parameter 'sync' does not accept value 'bogus'",
    ),
    (
        "'mode': 'bogus'",
        "Parameter 'mode' does not accept value 'bogus'",
    ),
    (
        "'copy-mode': 'bogus'",
        "Parameter 'copy-mode' does not accept value 'bogus'",
    ),
    ("'device': -", "Parameter 'device' is missing"),
    ("'target': -", "Parameter 'target' is missing"),
    ("'sync': -", "Parameter 'sync' is missing"),
    (
        "'device': 5",
        "Invalid parameter type for 'device', expected: string",
    ),
    ("'buf_size': 4096", "Parameter 'buf_size' is unexpected"),
    (
        "'replaces': 'top'",
        "a node-name must be provided when replacing a named node of the graph",
    ),
    (
        "'target': '$DIR/nodir/t.qcow2'",
        "Could not create '$DIR/nodir/t.qcow2': No such file or directory",
    ),
    (
        "'target': '$DIR/a.qcow2', 'mode': 'existing'",
        "Failed to get \\'write\\' lock",
    ),
    (
        "'target': '$DIR/big.qcow2', 'mode': 'existing'",
        "Failed to get \\'write\\' lock",
    ),
    (
        "'target': '$DIR/big.qcow2'",
        "Failed to get \\'write\\' lock",
    ),
    (
        "'target': '$DIR'",
        "Could not create '$DIR': Is a directory",
    ),
    ("'target': 'foo:bar'", "Unknown protocol 'foo'"),
    (
        "'target': '$DIR/none', 'mode': 'existing'",
        "Could not open '$DIR/none': No such file or directory",
    ),
    ("'format': 'nope'", "Unknown file format 'nope'"),
    ("'format': ''", "Unknown file format ''"),
    (
        "'format': 'nope', 'mode': 'existing', 'target': '$DIR/q1.qcow2'",
        "Unknown driver 'nope'",
    ),
    (
        "'format': 'quorum'",
        "Format driver 'quorum' does not support image creation",
    ),
    (
        "'format': 'null-co'",
        "Format driver 'null-co' does not support image creation",
    ),
    (
        "'format': 'raw', 'sync': 'none'",
        "Backing file not supported for file format 'raw'",
    ),
];

/// What is refused when the target is there.
const REFUSED_LATER: &[(&str, &str)] = &[
    ("'granularity': 1", IN_RANGE),
    ("'granularity': 511", IN_RANGE),
    ("'granularity': 134217728", IN_RANGE),
    (
        "'granularity': 1000",
        "Parameter 'granularity' expects a power of 2",
    ),
    (
        "'sync': 'incremental'",
        "Sync mode 'incremental' not supported",
    ),
    (
        "'sync': 'bitmap', 'buf-size': -1",
        "Sync mode 'bitmap' not supported",
    ),
    ("'sync': 'bitmap', 'granularity': 3", IN_RANGE),
    ("'buf-size': -1", "Invalid parameter 'buf-size'"),
    ("'job-id': '1bad#'", "Invalid job ID '1bad#'"),
    ("'job-id': ''", "Invalid job ID ''"),
    ("'device': 'big'", "Invalid job ID ''"),
    ("'node-name': 'top'", "Duplicate nodes with node-name='top'"),
    ("'node-name': '1x'", "Invalid node-name: '1x'"),
    ("'node-name': ''", "Invalid node-name: ''"),
    (
        "'node-name': 'drive0'",
        "node-name=drive0 is conflicting with a device id",
    ),
    (
        "'node-name': 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'",
        "Node name too long",
    ),
    (
        "'replaces': 'nope', 'node-name': 'n'",
        "Failed to find node with node-name='nope'",
    ),
    (
        "'replaces': 'big', 'node-name': 'n'",
        "Cannot replace 'big' by a node mirrored from 'top', because it cannot be guaranteed that doing \
         so would not lead to an abrupt change of visible data",
    ),
    (
        "'replaces': 'af', 'node-name': 'n'",
        "Cannot replace 'af' by a node mirrored from 'top', because it cannot be guaranteed that doing \
         so would not lead to an abrupt change of visible data",
    ),
    (
        "'speed': -1",
        "Parameter 'speed' expects a non-negative value",
    ),
];

#[test]
fn what_makes_no_sense_is_refused_in_the_words_of_the_reference_daemon() {
    let world = drives();
    let before = world.files();
    for (more, text) in REFUSED_AT_ONCE {
        assert_eq!(world.refused("drive-mirror", &args(more)), *text, "{more}");
        assert_eq!(world.files(), before, "{more} makes no file");
    }
    let nodes = world.nodes();
    for (more, text) in REFUSED_LATER {
        assert_eq!(world.refused("drive-mirror", &args(more)), *text, "{more}");
        // As the reference daemon: the file stays, and nothing else.
        assert!(world.path("t.qcow2").exists(), "{more} makes the target");
        std::fs::remove_file(world.path("t.qcow2")).expect("it is there");
        assert_eq!(world.nodes(), nodes, "{more} leaves no node");
    }
    world.said();
    world.refused("drive-mirror", &args("'speed': -1"));
    assert_eq!(world.said(), "created, null, error");
}

#[test]
fn a_mirror_that_is_accepted_says_so_after_its_first_events() {
    let world = drives();
    let cases = [
        ("'device': 'top'", "drive0", 0),
        ("'on-source-error': 'auto'", "drive0", 0),
        ("'sync': 'none'", "drive0", 0),
        ("'sync': 'top'", "drive0", 0),
        ("'format': 'raw'", "drive0", 0),
        ("'node-name': 'n', 'replaces': 'top'", "drive0", 0),
        ("'buf-size': 1", "drive0", 0),
        (
            "'device': 'big', 'job-id': 'j', 'on-source-error': 'enospc'",
            "j",
            0,
        ),
        (
            "'device': 'big', 'job-id': 'j', 'on-target-error': 'stop'",
            "j",
            0,
        ),
        (
            "'device': 'ron', 'job-id': 'j', 'target': '$DIR/r2.raw'",
            "j",
            524_288,
        ),
    ];
    for (more, job, len) in cases {
        let nodes = world.nodes();
        world.said();
        world.events();
        assert_eq!(world.ok("drive-mirror", &args(more)), "{}", "{more}");
        world.until("BLOCK_JOB_READY");
        let said = world.said();
        assert!(said.starts_with("created, running, "), "{more}: {said}");
        let events = world.events();
        assert_eq!(
            events[events.len() - 1],
            format!(
                "BLOCK_JOB_READY {{'device': '{job}', 'len': {len}, 'offset': {len}, 'speed': 0, \
                 'type': 'mirror'}}"
            ),
            "{more}"
        );
        assert_eq!(
            world.refused("drive-mirror", &args(more)),
            "Need a root block node",
            "{more}"
        );
        world.ok("job-cancel", &format!("{{'id': '{job}'}}"));
        world.until("null");
        assert_eq!(world.nodes(), nodes, "{more} leaves no node");
    }
    world.tool("qemu-img check -q $DIR/t.qcow2");
}
