//! The daemon is killed outright in the middle of a mirror: what is left of the guest's disk.

use std::fs;

use serde_json::json;

use super::daemon::{Daemon, image};
use super::guest::{Guest, Remains};
use super::journal::{BLOCK, Journal, stamp};
use super::rounds::{Dice, play};
use super::tools::{Scratch, lacks, prints, run, said};

const PLACES: u64 = 4096;

/// Stamps at every place of every other 128 KiB.
pub(crate) fn base(places: u64) -> Vec<u8> {
    let number = |place: u64| u64::from(place % 64 < 32);
    (0..places)
        .flat_map(|place| stamp(place, number(place)))
        .collect()
}

/// Makes an image of that content.
pub(crate) fn make(scratch: &Scratch, format: &str, name: &str, content: &[u8]) {
    let (raw, path) = (scratch.path("base"), scratch.path(name));
    fs::write(&raw, content).expect("there is space");
    prints(&[
        "qemu-img", "convert", "-f", "raw", "-O", format, &raw, &path,
    ]);
    fs::remove_file(&raw).expect("it is ours");
}

/// What a mirror is doing when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Copying,
    Ready,
    Completing,
}

/// Where the guest's disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Source,
    Target,
    /// The kill came while it moved.
    Either,
}

/// A mirror under a guest, up to a random moment.
fn until_killed(dice: &mut Dice, daemon: &mut Daemon, guest: &Guest, mode: &str) -> Disk {
    let moment = dice.pick(&[Moment::Copying, Moment::Ready, Moment::Completing]);
    let speed = match moment {
        Moment::Copying => dice.pick(&[0, 16 << 20, 64 << 20]),
        _ => 0,
    };
    let granularity = dice.pick(&[4096, 65536]);
    eprintln!("{moment:?} {mode} speed={speed} granularity={granularity}");
    guest.allow(dice.below(300));
    let options = json!({"copy-mode": mode, "speed": speed, "granularity": granularity});
    daemon.mirror(options);
    if moment != Moment::Copying {
        // A guest that never rests need never see the end of it in background.
        guest.hold();
        daemon.event("BLOCK_JOB_READY");
    }
    let more = 1 + dice.below(500);
    let before = guest.answers();
    guest.allow(more + dice.below(100));
    let mut disk = Disk::Source;
    if moment == Moment::Completing {
        daemon.ok("job-complete", json!({"id": "m"}));
        disk = Disk::Either;
        if dice.one_in(2) {
            daemon.event("BLOCK_JOB_COMPLETED");
            disk = Disk::Target;
        }
    }
    let served = guest.wait_for(before, dice.below(more));
    served.unwrap_or_else(|why| panic!("{why}: {}", daemon.explain()));
    for _ in 0..dice.below(2000) {
        std::hint::spin_loop();
    }
    disk
}

/// What `qemu-img check` must not find in an image whose program was killed: a cluster that is used
/// twice, or anything but clusters without, or with too many, references. Those are mended when it
/// is next opened for writing.
fn assert_mendable(path: &str) {
    let check = said(&run(&["qemu-img", "check", "-f", "qcow2", path]));
    let odd = check.lines().filter(|line| {
        let counts = line.contains("reference=0") || line.contains("refcount=0 reference=1");
        (line.starts_with("ERROR") || line.starts_with("Leaked")) && !counts
    });
    assert_eq!(odd.count(), 0, "{check}");
}

/// Has a killed image mended by whoever opens it for writing: QEMU, or us.
fn mend(scratch: &Scratch, by_us: bool, name: &str) {
    let path = scratch.path(name);
    match by_us {
        true => Daemon::start(scratch, &[image("qcow2", "src", &path)]).quit(),
        false => {
            prints(&["qemu-io", "-f", "qcow2", "-c", "flush", &path]);
        }
    }
    let check = run(&["qemu-img", "check", "-f", "qcow2", &path]);
    // 3 is for clusters that nobody uses, which is a waste and no damage.
    let whole = matches!(check.status.code(), Some(0 | 3));
    assert!(whole, "by us: {by_us}: {}", said(&check));
}

/// Compares an image with what the guest was promised, before and after it is mended.
fn judge(
    scratch: &Scratch,
    journal: &Journal,
    (format, name): (&str, &str),
    by_us: bool,
) -> Result<u64, String> {
    let found = journal.check(&scratch.content(format, name))?;
    if format == "qcow2" {
        assert_mendable(&scratch.path(name));
        mend(scratch, by_us, name);
        let mended = journal.check(&scratch.content(format, name))?;
        assert_eq!(mended.unflushed_lost, found.unflushed_lost);
    }
    Ok(found.unflushed_lost)
}

/// One round. Says where the disk was found, and whether writes that were not flushed are missing.
fn round(dice: &mut Dice, format: &str, mode: &str) -> String {
    let scratch = Scratch::new();
    let base = base(PLACES);
    make(&scratch, format, "src", &base);
    scratch.image(format, "dst", PLACES * BLOCK);
    let nodes = ["src", "dst"].map(|name| image(format, name, &scratch.path(name)));
    let mut daemon = Daemon::start(&scratch, &nodes);
    let guest = Guest::connect(daemon.connect(), &base, dice.split());
    let disk = until_killed(dice, &mut daemon, &guest, mode);
    daemon.kill();
    let Remains {
        journal,
        failed,
        wrong,
        ..
    } = guest.end();
    assert_eq!(failed, 0, "the guest had errors");
    assert_eq!(wrong, [] as [String; 0]);
    let by_us = dice.one_in(2);
    let judge = |name| judge(&scratch, &journal, (format, name), by_us);
    let source = || judge("src").map(|lost| ("source", lost));
    let target = || judge("dst").map(|lost| ("target", lost));
    let found = match disk {
        Disk::Source => source(),
        Disk::Target => target(),
        // A target that is not yet one shows holes where the guest has written.
        Disk::Either => match (source(), target) {
            (Ok((place, 0)), _) => Ok((place, 0)),
            (source, target) => target().or(source),
        },
    };
    let (place, lost) = found.expect("the guest's disk has all that was flushed");
    // Without tables in memory, what was answered is in the page cache at least.
    assert!(format != "raw" || lost == 0, "{lost} places are lost");
    match lost {
        0 => place.to_owned(),
        _ => format!("{place}, without all that was not flushed"),
    }
}

fn rounds(format: &'static str, mode: &'static str) {
    if lacks(&["qemu-img", "qemu-io"]) {
        return;
    }
    let name = format!("kill -9 of the daemon, {format}, {mode}");
    play(&name, 4, |dice| round(dice, format, mode));
}

#[test]
fn a_killed_daemon_loses_nothing_of_a_raw_disk_in_background() {
    rounds("raw", "background");
}

#[test]
fn a_killed_daemon_loses_nothing_of_a_raw_disk_in_write_blocking() {
    rounds("raw", "write-blocking");
}

#[test]
fn a_killed_daemon_loses_nothing_that_was_flushed_of_a_qcow2_disk_in_background() {
    rounds("qcow2", "background");
}

#[test]
fn a_killed_daemon_loses_nothing_that_was_flushed_of_a_qcow2_disk_in_write_blocking() {
    rounds("qcow2", "write-blocking");
}
