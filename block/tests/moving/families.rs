//! What arrives is what left: nodes, edges, backends, bitmaps, counts.

use blockjob_block::child::ChildRole;
use blockjob_block::directory::NameKind;
use blockjob_block::driver::mem::MemOptions;
use blockjob_block::driver::null_co::{NullCoDriver, NullCoOptions};
use blockjob_block::driver::raw::{RawDriver, RawOptions};
use bytes::{Bytes, BytesMut};

use crate::world::{EXCLUSIVE, LAX};

const LEN: u64 = 64 << 10;

fn raw() -> RawDriver {
    RawDriver::new(RawOptions::default(), LEN).expect("the window is all of it")
}

in_both_lives! {
    fn a_disk_keeps_its_bytes_there_and_back(world) {
        world.on(0, |here| {
            let disk = here.add("disk", MemOptions::new(LEN).build(), &[]);
            here.add("top", raw(), &[("file", ChildRole::Filtered, &disk)]);
            here.backend("drive0", "top", EXCLUSIVE);
        });
        world.co(0, |here| async move {
            let drive = here.find_backend("drive0");
            drive.write(4096, Bytes::from_static(b"kept")).await
        }).expect("it is writable");
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            world.send("disk", from, to).expect("everybody can");
            assert_eq!(world.on(from, |it| it.names()), [""; 0]);
            let place = world.directory.find(NameKind::Node, "disk");
            assert_eq!(place.as_ref(), Some(world.shards[to].handle()));
            let read = world.co(to, |it| async move {
                let drive = it.find_backend("drive0");
                let (buf, result) = drive.read(4096, BytesMut::zeroed(4)).await;
                result.map(|()| buf)
            });
            assert_eq!(&read.expect("it is there")[..], b"kept");
            // As it was, and nobody is stopped any more.
            world.on(to, |it| {
                assert_eq!(it.names(), ["disk", "top"]);
                let (disk, top) = (it.node("disk"), it.node("top"));
                assert_eq!((disk.quiesce_counter(), top.quiesce_counter()), (0, 0));
                assert_eq!(disk.parents()[0].perms(), EXCLUSIVE);
                assert_eq!(disk.wr_highest_offset(), 4100);
            });
        }
    }

    fn disks_that_remember_nothing_move_too(world) {
        world.on(0, |here| {
            let options = NullCoOptions { size: LEN, read_zeroes: true, ..Default::default() };
            here.add("disk", NullCoDriver::new(options), &[]);
            here.backend("drive0", "disk", LAX);
        });
        world.send("disk", 0, 1).expect("everybody can");
        let len = world.on(1, |it| it.find_backend("drive0").len());
        assert_eq!(len.expect("it has a medium"), LEN);
    }
}
