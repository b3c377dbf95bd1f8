//! Breakpoints that a person sets.

use std::cell::Cell;
use std::rc::Rc;

use blockjob::block::{BlockBackend, Perm, PermPair};
use bytes::Bytes;

use crate::world::World;

/// What `qemu-io` says on the node `d`.
fn qemu_io(world: &World, command: &str) -> String {
    let args = format!("{{'command-line': 'qemu-io d \"{command}\"'}}");
    let said = world.ok("human-monitor-command", &args);
    said.trim_matches('\'').replace("\\r\\n", "")
}

/// A guest writes; true once that has ended.
fn write(world: &World) -> Rc<Cell<bool>> {
    let graph = world.daemon.graph();
    let guest = BlockBackend::new(graph, "", PermPair::new(Perm::WRITE, Perm::ALL));
    let guest = guest.expect("it needs no name");
    let node = graph.find_node("d").expect("it is there");
    guest.insert(&node).expect("nobody minds");
    let done = Rc::new(Cell::new(false));
    let noted = done.clone();
    let write = async move {
        let written = guest.write(0, Bytes::from_static(&[1; 512])).await;
        written.expect("the file can be written");
        noted.set(true);
    };
    world.ctx.coroutine("guest", write).enter();
    done
}

#[test]
fn a_breakpoint_holds_a_request_until_it_is_resumed_or_removed() {
    let world = World::new();
    world.raw("a", 1 << 20);
    world.blockdev("driver=blkdebug,node-name=b,image.driver=file,image.filename=$DIR/a");
    world.blockdev("driver=raw,node-name=d,file=b");
    let none = "No such file or directory";
    assert_eq!(
        qemu_io(&world, "resume A"),
        format!("Could not resume request: {none}")
    );
    assert_eq!(
        qemu_io(&world, "break nonsense A"),
        format!("Could not set a breakpoint: {none}")
    );
    assert_eq!(
        qemu_io(&world, "break pwritev"),
        "bad argument count 1 to break, expected 2 arguments"
    );
    for let_go in ["resume A", "remove_break A"] {
        assert_eq!(qemu_io(&world, "break pwritev A"), "");
        let done = write(&world);
        while world.ctx.poll(false) {}
        assert!(!done.get(), "it is held");
        assert_eq!(qemu_io(&world, let_go), "");
        world.ctx.poll_while(|| !done.get());
    }
}

#[test]
fn a_node_that_cannot_hold_anything_says_so() {
    let world = World::new();
    world.blockdev("driver=null-co,size=1048576,node-name=d");
    assert_eq!(
        qemu_io(&world, "break pwritev A"),
        "Could not set a breakpoint: Operation not supported"
    );
}
