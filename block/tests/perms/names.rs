//! Names of nodes and backends, and how they are looked up. The texts are QEMU's.

use blockjob_block::graph::name_wellformed;
use blockjob_block::{BlockBackend, ErrorKind};

use crate::common::{LAX, LEN, TestDriver, World};

fn node_error(world: &World, name: &str) -> (ErrorKind, String) {
    let error = world.try_node(name, &TestDriver::new(LEN), &[]);
    let error = error.expect_err("refused");
    (error.kind(), error.to_string())
}

fn backend_error(world: &World, name: &str) -> (ErrorKind, String) {
    let error = BlockBackend::new(&world.graph, name, LAX);
    let error = error.expect_err("refused");
    (error.kind(), error.to_string())
}

#[test]
fn a_name_is_a_letter_and_then_letters_digits_and_three_signs() {
    for good in ["a", "Z9", "a-b.c_d"] {
        assert!(name_wellformed(good), "{good}");
    }
    for bad in ["", "9a", "-a", "_a", ".a", "#a", "a b", "a:b", "ä"] {
        assert!(!name_wellformed(bad), "{bad}");
    }
}

#[test]
fn names_are_refused_for_the_reasons_that_qemu_gives() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let _drive = world.backend("drive", &disk);
    let invalid = (ErrorKind::Invalid, "Invalid node-name: '1x'".to_owned());
    assert_eq!(node_error(&world, "1x"), invalid);
    let taken = |text: &str| (ErrorKind::AlreadyExists, text.to_owned());
    assert_eq!(
        node_error(&world, "disk"),
        taken("Duplicate nodes with node-name='disk'")
    );
    assert_eq!(
        node_error(&world, "drive"),
        taken("node-name=drive is conflicting with a device id")
    );
    let long = (ErrorKind::Invalid, "Node name too long".to_owned());
    assert_eq!(node_error(&world, &"a".repeat(32)), long);
    world.node(&"a".repeat(31), &TestDriver::new(LEN), &[]);

    let invalid = (ErrorKind::Invalid, "Invalid device name '1x'".to_owned());
    assert_eq!(backend_error(&world, "1x"), invalid);
    assert_eq!(
        backend_error(&world, "drive"),
        taken("Device with id 'drive' already exists")
    );
    assert_eq!(
        backend_error(&world, "disk"),
        taken("Device name 'disk' conflicts with an existing node name")
    );
}

#[test]
fn nodes_without_a_name_get_one_that_nobody_can_give() {
    let world = World::new();
    let unnamed = || {
        let driver = Box::new(TestDriver::new(LEN));
        let node = world.graph.add_node(None, driver, false, &[]);
        node.expect("nobody objects")
    };
    let (first, second) = (unnamed(), unnamed());
    assert!(first.name().starts_with("#block"), "{}", first.name());
    assert_ne!(first.name(), second.name());
    assert!(!name_wellformed(first.name()));
    let found = world
        .graph
        .find_node(first.name())
        .expect("it can be found");
    assert!(std::rc::Rc::ptr_eq(&found, &first));
    let name = first.name().to_owned();
    drop((first, found));
    assert_ne!(unnamed().name(), name, "names are not used again");
}

#[test]
fn a_reference_is_first_a_backend_and_then_a_node() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let drive = world.backend("drive", &disk);
    for reference in ["drive", "disk"] {
        let node = world.graph.lookup(reference).expect("there");
        assert_eq!(node.name(), "disk");
    }
    let text = |reference| world.graph.lookup(reference).expect_err("no").to_string();
    assert_eq!(
        text("nobody"),
        "Cannot find device='nobody' nor node-name='nobody'"
    );
    drive.remove();
    assert_eq!(text("drive"), "Device 'drive' has no medium");
    drop(drive);
    assert_eq!(
        text("drive"),
        "Cannot find device='drive' nor node-name='drive'"
    );
}
