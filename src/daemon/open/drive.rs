//! Named drives: `--drive id=drive0,file=disk.qcow2,format=qcow2,if=none`.
//!
//! A drive is a name for what a guest's disk would use: it has an image or none, and a policy for errors.
//! Unlike with `--blockdev`, formats are probed, and images need no names.
//!
//! QEMU: `drive_new`, `blockdev_init` (blockdev.c).

mod place;

use std::rc::Rc;

use blockjob_block::error_policy::OnError;
use blockjob_block::graph::name_wellformed;
use blockjob_block::{BlockBackend, Node, Perm, PermPair};

use super::common::{is_on, take_bool};
use super::format::Format;
use super::options::Options;
use super::{OpenFlags, open_image, say};
use crate::daemon::{Daemon, drive_device};
use crate::qapi::opts::Opts;
use crate::qapi::{QmpError, QmpResult};
use place::Place;

fn fail<T>(text: impl Into<String>) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// Makes the drive that `text` describes. It is the user's from now on.
///
/// # Errors
///
/// In QEMU's words, where it has them.
pub fn drive_new(daemon: &Rc<Daemon>, text: &str) -> QmpResult<Rc<BlockBackend>> {
    let mut options: Options = Opts::parse(text, None)?.iter().collect();
    let place = Place::take(daemon, &mut options)?;
    let id = drive_id(daemon, &mut options, &place)?;
    rename(&mut options)?;
    let (on_read, on_write) = error_policy(&mut options, place.interface)?;
    refuse_what_is_missing(&mut options)?;
    cache(&mut options)?;
    aio(&mut options)?;
    format(&mut options)?;
    let file = options.take("file").filter(|file| !file.is_empty());
    if place.is_cdrom {
        options.put("read-only", "on");
    }
    let copy_on_read = take_bool(&mut options, "copy-on-read")?.unwrap_or(false);
    let is_empty = file.is_none() && options.iter().all(|(name, _)| is_default(name));
    let node = if is_empty {
        None
    } else {
        Some(open_drive(daemon, file.as_deref(), options, copy_on_read)?)
    };
    let writable = node.as_ref().is_some_and(|node| !node.is_read_only());
    let mut used = Perm::CONSISTENT_READ;
    if writable {
        used |= Perm::WRITE;
    }
    let drive = BlockBackend::new(daemon.graph(), &id, PermPair::new(used, Perm::ALL))?;
    if let Some(node) = &node {
        drive.insert(node)?;
    }
    drive.set_on_error(on_read, on_write);
    drive_device::attach(daemon, &drive);
    daemon.owned.add_slot(place.slot);
    daemon.owned.add_drive(drive.clone());
    Ok(drive)
}

fn drive_id(daemon: &Daemon, options: &mut Options, place: &Place) -> QmpResult<String> {
    let Some(id) = options.take("id") else {
        return Ok(place.default_id());
    };
    if !name_wellformed(&id) {
        let error = QmpError::generic("Parameter 'id' expects an identifier");
        return Err(error.with_hint(
            "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
        ));
    }
    if daemon.graph().find_backend(&id).is_some() {
        return fail(format!("Duplicate ID '{id}' for drive"));
    }
    Ok(id)
}

/// Old names of options that are still in use.
///
/// QEMU: `qemu_opt_rename` (blockdev.c).
fn rename(options: &mut Options) -> QmpResult<()> {
    let Some(value) = options.take("readonly") else {
        return Ok(());
    };
    if options.contains("read-only") {
        return fail("'read-only' and its alias 'readonly' can't be used at the same time");
    }
    options.put("read-only", value);
    Ok(())
}

/// QEMU: `parse_block_error_action` (blockdev.c).
fn error_policy(options: &mut Options, interface: &str) -> QmpResult<(OnError, OnError)> {
    let mut take = |name: &str, is_read: bool, default: OnError| {
        let Some(text) = options.take(name) else {
            return Ok(default);
        };
        if !matches!(interface, "ide" | "scsi" | "virtio" | "none") {
            return fail(format!("{name} is not supported by this bus type"));
        }
        match &*text {
            "ignore" => Ok(OnError::Ignore),
            "enospc" if !is_read => Ok(OnError::Enospc),
            "stop" => Ok(OnError::Stop),
            "report" => Ok(OnError::Report),
            _ => fail(format!(
                "'{text}' invalid {} error action",
                if is_read { "read" } else { "write" }
            )),
        }
    };
    let on_write = take("werror", false, OnError::Enospc)?;
    let on_read = take("rerror", true, OnError::Report)?;
    Ok((on_read, on_write))
}

/// Options of QEMU's drives that ours do not have.
fn refuse_what_is_missing(options: &mut Options) -> QmpResult<()> {
    if take_bool(options, "snapshot")?.unwrap_or(false) {
        return fail("The option 'snapshot' of drives is not supported");
    }
    let limits = |name: &str| {
        ["throttling.", "bps", "iops", "group"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    match options.iter().find(|(name, _)| limits(name)) {
        Some((name, _)) => fail(format!(
            "The option '{name}' of drives is not supported: use a throttle group and the driver \
             'throttle'"
        )),
        None => Ok(()),
    }
}

/// QEMU: `bdrv_parse_cache_mode` (block.c).
fn cache(options: &mut Options) -> QmpResult<()> {
    let (direct, no_flush) = match options.take("cache").as_deref() {
        None | Some("writeback") => (false, false),
        Some("none" | "off") => (true, false),
        Some("unsafe") => (false, true),
        Some(mode @ ("writethrough" | "directsync")) => {
            return fail(format!(
                "The cache mode '{mode}' is not supported: guests flush by themselves"
            ));
        }
        Some(_) => return fail("invalid cache option"),
    };
    if options
        .take("cache.writeback")
        .is_some_and(|text| !is_on(Some(&text)))
    {
        return fail("The option 'cache.writeback' is supported with the value 'on' only");
    }
    for (name, on) in [("cache.direct", direct), ("cache.no-flush", no_flush)] {
        options.put_default(name, if on { "on" } else { "off" });
    }
    Ok(())
}

/// QEMU: `extract_common_blockdev_options` (blockdev.c).
fn aio(options: &mut Options) -> QmpResult<()> {
    let direct = is_on(options.text("cache.direct").as_deref());
    match options.take("aio").as_deref() {
        None | Some("threads" | "io_uring") => Ok(()),
        Some("native") if direct => Ok(()),
        Some("native") => fail(
            "aio=native was specified, but it requires cache.direct=on, which was not specified.",
        ),
        Some(_) => fail("invalid aio option"),
    }
}

/// QEMU: `blockdev_init` (blockdev.c).
fn format(options: &mut Options) -> QmpResult<()> {
    let Some(name) = options.take("format") else {
        return Ok(());
    };
    if Format::find(&name).is_none() {
        return fail(format!("'{name}' invalid format"));
    }
    if options.contains("driver") {
        return fail("Cannot specify both 'driver' and 'format'");
    }
    options.put("driver", name);
    Ok(())
}

/// True for an option that is there also if the user has said nothing.
fn is_default(name: &str) -> bool {
    matches!(name, "cache.direct" | "cache.no-flush" | "read-only")
}

/// Opens what the drive has.
fn open_drive(
    daemon: &Rc<Daemon>,
    file: Option<&str>,
    mut options: Options,
    copy_on_read: bool,
) -> QmpResult<Rc<Node>> {
    options.put_default("read-only", "off");
    options.put_default("auto-read-only", "on");
    let node = open_image(daemon, file, options, OpenFlags::default())?;
    if !copy_on_read {
        return Ok(node);
    }
    if node.is_read_only() {
        say::warn("disabling copy-on-read on read-only drive");
        return Ok(node);
    }
    let options: Options = [
        ("driver", "copy-on-read"),
        ("file", node.name()),
        ("read-only", "off"),
    ]
    .into_iter()
    .collect();
    let filter = open_image(daemon, None, options, OpenFlags::default())?;
    filter.set_implicit(true);
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockjob_runtime::AioContext;

    fn with_daemon(body: impl FnOnce(&Rc<Daemon>)) {
        let context = AioContext::new();
        let daemon = Daemon::new(&context);
        body(&daemon);
        daemon.owned.clear();
        context.close();
    }

    fn id(daemon: &Rc<Daemon>, text: &str) -> String {
        match drive_new(daemon, text) {
            Ok(drive) => drive.name().to_owned(),
            Err(error) => error.desc,
        }
    }

    #[test]
    fn drives_without_names_are_called_by_their_places() {
        with_daemon(|daemon| {
            let null = |more: &str| id(daemon, &format!("file=null-co://,format=raw{more}"));
            assert_eq!(null(""), "ide0-hd0");
            assert_eq!(null(",media=cdrom"), "ide0-cd1");
            assert_eq!(null(",id=mine"), "mine");
            assert_eq!(null(""), "ide1-hd1");
            assert_eq!(null(",if=virtio"), "virtio0");
            assert_eq!(null(",if=none,index=3"), "none3");
            assert_eq!(
                null(",if=ide,index=1"),
                "drive with bus=0, unit=1 (index=1) exists"
            );
            assert_eq!(null(",if=ide,unit=2"), "unit 2 too big (max is 1)");
            assert_eq!(null(",if=bogus"), "unsupported bus type 'bogus'");
        });
    }

    #[test]
    fn a_drive_for_removable_media_may_be_empty() {
        with_daemon(|daemon| {
            let drive = drive_new(daemon, "if=none,id=cd,media=cdrom").expect("it needs no file");
            assert!(drive.node().is_none());
            let error = daemon.graph().lookup("cd").expect_err("it is empty");
            assert_eq!(error.to_string(), "Device 'cd' has no medium");
        });
    }

    #[test]
    fn what_drives_cannot_do_is_refused_by_name() {
        with_daemon(|daemon| {
            let null = |more: &str| id(daemon, &format!("if=none,id=a,file=null-co://,{more}"));
            assert_eq!(null("format=bogus"), "'bogus' invalid format");
            assert_eq!(null("media=tape"), "'tape' invalid media");
            assert_eq!(null("cache=some"), "invalid cache option");
            assert_eq!(null("aio=some"), "invalid aio option");
            assert_eq!(null("werror=some"), "'some' invalid write error action");
            assert_eq!(null("rerror=enospc"), "'enospc' invalid read error action");
            assert_eq!(
                null("snapshot=on"),
                "The option 'snapshot' of drives is not supported"
            );
            assert!(null("iops=5").starts_with("The option 'iops' of drives"));
            assert_eq!(
                null("format=raw,foo=1"),
                "Block format 'raw' does not support the option 'foo'"
            );
            assert!(daemon.graph().nodes().is_empty(), "nothing is left open");
            assert_eq!(null("format=raw"), "a");
            assert_eq!(null("format=raw"), "Duplicate ID 'a' for drive");
        });
    }

    #[test]
    fn nodes_of_a_drive_have_the_options_that_were_said_of_them() {
        with_daemon(|daemon| {
            let text = "if=virtio,node-name=top,format=raw,file.driver=null-co,\
                        file.node-name=bottom,cache=none,discard=unmap,copy-on-read=on";
            let drive = drive_new(daemon, text).expect("it is right");
            let top = daemon.graph().find_node("top").expect("it was named");
            assert_eq!(
                drive
                    .node()
                    .expect("it has one")
                    .skip_implicit_filters()
                    .name(),
                "top"
            );
            assert!(daemon.facts.of(&top).cache_direct.get());
            assert!(top.settings().unmap);
            let bottom = daemon.graph().find_node("bottom").expect("it was named");
            assert!(daemon.facts.of(&bottom).cache_direct.get());
        });
    }
}
