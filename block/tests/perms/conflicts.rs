//! Who gets on with whom. The texts are those of QEMU 10.0.2.

use blockjob_block::child::ChildRole;
use blockjob_block::graph::set_edge_perms;
use blockjob_block::perm::{cow_perms, filter_perms, storage_perms};
use blockjob_block::{BlockBackend, ErrorKind, Perm, PermPair};
use bytes::Bytes;

use crate::common::{EXCLUSIVE, LAX, LEN, TestDriver, TestParent, World};

const READER: PermPair = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);

#[test]
fn a_writer_below_a_format_is_refused_and_told_by_whom() {
    let world = World::new();
    let (file, _) = world.disk("f");
    let format = world.node(
        "q",
        &TestDriver::new(LEN),
        &[("file", ChildRole::Data, &file)],
    );
    let writer = PermPair::new(Perm::WRITE, Perm::ALL);
    let error = world.user(&file, writer).expect_err("a conflict");
    assert_eq!(
        error.to_string(),
        "Permission conflict on node 'f': permissions 'write' are both required by an unnamed \
         block device (uses node 'f' as 'root' child) and unshared by node 'q' (uses node 'f' as \
         'file' child)."
    );
    assert_eq!((error.kind(), error.errno()), (ErrorKind::InUse, 16));

    let drive = BlockBackend::new(&world.graph, "drive0", EXCLUSIVE).expect("free");
    drive.insert(&format).expect("nobody else uses it");
    let error = world.user(&format, LAX).expect_err("a conflict");
    assert_eq!(
        error.to_string(),
        "Permission conflict on node 'q': permissions 'write' are both required by an unnamed \
         block device (uses node 'q' as 'root' child) and unshared by block device 'drive0' (uses \
         node 'q' as 'root' child)."
    );
}

#[test]
fn a_second_format_on_the_same_file_is_refused_although_nobody_writes_to_either() {
    let world = World::new();
    let (file, _) = world.disk("f");
    let children = [("file", ChildRole::Data, &file)];
    let _first = world.node("q", &TestDriver::new(LEN), &children);
    let second = world.try_node("q2", &TestDriver::new(LEN), &children);
    assert_eq!(
        second.expect_err("a conflict").to_string(),
        "Permission conflict on node 'f': permissions 'write, resize' are both required by node \
         'q' (uses node 'f' as 'file' child) and unshared by node 'q2' (uses node 'f' as 'file' \
         child)."
    );
    assert_eq!(file.parents().len(), 1);
    assert!(world.graph.find_node("q2").is_none());
}

#[test]
fn all_that_is_missing_is_named_in_order() {
    let world = World::new();
    let (disk, _) = world.disk("n2");
    let _all = world.user(&disk, LAX).expect("the first");
    let nothing = PermPair::new(Perm::NONE, Perm::NONE);
    let error = world.user(&disk, nothing).expect_err("a conflict");
    let text = error.to_string();
    let list = "permissions 'consistent read, write, write unchanged, resize' are both required";
    assert!(text.contains(list), "{text}");
}

#[test]
fn of_several_conflicts_the_newest_user_is_named() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let shares_all = |name| {
        let parent = TestParent::new(name);
        let edge = parent.attach(&disk, PermPair::new(Perm::WRITE, Perm::ALL));
        (parent, edge)
    };
    let (_old, _old_edge) = shares_all("old");
    let (_new, _new_edge) = shares_all("new");
    let error = world.user(&disk, EXCLUSIVE).expect_err("a conflict");
    let text = error.to_string();
    assert!(text.contains("required by test user 'new'"), "{text}");
    assert!(
        text.contains("unshared by an unnamed block device"),
        "{text}"
    );
}

#[test]
fn users_who_share_what_the_others_do_get_on() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let writer = world.user(&disk, EXCLUSIVE).expect("the first");
    let reader = world.user(&disk, READER).expect("it may read");
    assert!(reader.set_perms(LAX).is_err(), "it may not write");
    assert_eq!(reader.perms(), READER);
    assert_eq!(reader.root().expect("has one").perms(), READER);
    writer.set_perms(LAX).expect("to share more is no conflict");
    reader.set_perms(LAX).expect("and now it may");
    assert_eq!(reader.root().expect("has one").perms(), LAX);
}

#[test]
fn what_a_user_does_is_passed_down_and_taken_back() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let (filter, _) = world.filter("filter", &disk);
    let file = filter.filtered().expect("has one");
    assert_eq!(file.perms(), PermPair::HARMLESS);
    let writer = world.user(&filter, EXCLUSIVE).expect("the first");
    assert_eq!(file.perms(), EXCLUSIVE);
    let (parent, _) = TestParent::of("other", &filter);
    let edge = parent.attach(&filter, READER);
    let resizes = PermPair::new(Perm::RESIZE, Perm::ALL);
    set_edge_perms(&edge, resizes).expect("that is shared");
    assert_eq!(file.perms(), EXCLUSIVE.and(resizes));
    drop(writer);
    assert_eq!(file.perms(), resizes, "its permissions went with it");
    blockjob_block::graph::detach_root(edge);
    assert_eq!(file.perms(), PermPair::HARMLESS);
    drop((filter, file));
    world
        .user(&disk, EXCLUSIVE)
        .expect("nobody uses it any more");
}

#[test]
fn each_role_asks_of_its_child_what_qemu_asks() {
    let parents = PermPair::new(Perm::WRITE, Perm::CONSISTENT_READ);
    assert_eq!(filter_perms(parents), parents);
    // A format keeps metadata in its file, whatever is done with itself.
    let writable = PermPair::new(
        Perm::CONSISTENT_READ | Perm::WRITE | Perm::RESIZE,
        Perm::CONSISTENT_READ | Perm::WRITE_UNCHANGED,
    );
    assert_eq!(storage_perms(PermPair::HARMLESS, false), writable);
    let read_only = PermPair {
        used: Perm::CONSISTENT_READ,
        ..writable
    };
    assert_eq!(storage_perms(PermPair::HARMLESS, true), read_only);
    // An overlay only reads below, and others may always read there, too.
    let quiet = PermPair::new(Perm::NONE, Perm::CONSISTENT_READ | Perm::WRITE_UNCHANGED);
    assert_eq!(cow_perms(PermPair::new(Perm::WRITE, Perm::NONE)), quiet);
    let lax = PermPair::new(Perm::CONSISTENT_READ, Perm::ALL);
    assert_eq!(cow_perms(LAX), lax);
}

#[test]
fn a_read_only_node_has_no_writers_and_refuses_writes_with_an_error() {
    let world = World::new();
    let driver = TestDriver::new(LEN);
    let graph = &world.graph;
    let disk = graph
        .add_node(Some("ro"), Box::new(driver.clone()), true, &[])
        .expect("nobody objects");
    for used in [Perm::WRITE, Perm::WRITE_UNCHANGED, Perm::RESIZE] {
        let error = world.user(&disk, PermPair::new(used, Perm::ALL));
        let error = error.expect_err("read-only");
        assert_eq!(error.to_string(), "Block node is read-only");
        assert_eq!((error.kind(), error.errno()), (ErrorKind::ReadOnly, 1));
    }
    // A guest may try all the same.
    let reader = world.user(&disk, READER).expect("it may read");
    let errnos = world.run(async move {
        let data = Bytes::from_static(&[1; 512]);
        [
            reader.write(0, data).await,
            reader.write_zeroes(0, 512, Default::default()).await,
            reader.discard(0, 512).await,
            reader.truncate(512).await,
        ]
        .map(|result| result.expect_err("read-only").errno())
    });
    let (eperm, eacces) = (1, 13);
    assert_eq!(errnos, [eperm, eperm, eperm, eacces]);
    assert_eq!(driver.served(), 0);
}

#[test]
#[should_panic(
    expected = "'root' of an unnamed block device uses (consistent read) and now writes"
)]
fn a_user_who_has_not_asked_for_it_and_writes_has_a_bug() {
    let world = World::new();
    let (disk, _) = world.disk("disk");
    let reader = world.user(&disk, READER).expect("it may read");
    let _ = world.run(async move { reader.write(0, Bytes::from_static(&[1; 512])).await });
}
