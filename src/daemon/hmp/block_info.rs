//! `info block`.
//!
//! QEMU: `hmp_info_block`, `print_block_info` (block/monitor/block-hmp-cmds.c).

use std::rc::Rc;

use super::args::Parsed;
use super::info::{flag, number, text};
use super::qmp;
use super::size::show_bytes;
use crate::daemon::Daemon;
use crate::qapi::{Dict, QmpResult, Value};

pub(super) fn run(daemon: &Rc<Daemon>, args: &Parsed, out: &mut String) -> QmpResult<()> {
    let wanted = args.word("device").unwrap_or_default();
    let verbose = args.flag('v');
    let mut first = true;
    let mut separate = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.push('\n');
        }
    };
    if !args.flag('n') {
        let drives = qmp(daemon, "query-block", Dict::new())?;
        for drive in drives.as_list().unwrap_or_default() {
            let Some(drive) = drive.as_dict() else {
                continue;
            };
            let inserted = drive.get("inserted").and_then(Value::as_dict);
            let node = inserted.map(|inserted| text(inserted, "node-name"));
            if !wanted.is_empty() && wanted != text(drive, "device") && Some(wanted) != node {
                continue;
            }
            separate(out);
            show_drive(out, drive, inserted, verbose);
        }
    }
    if args.flag('n') || (!wanted.is_empty() && out.is_empty()) {
        let nodes = qmp(daemon, "query-named-block-nodes", Dict::new())?;
        for node in nodes.as_list().unwrap_or_default() {
            let Some(node) = node.as_dict() else { continue };
            let name = text(node, "node-name");
            if !wanted.is_empty() && wanted != name {
                continue;
            }
            separate(out);
            out.push_str(&format!("{name}: "));
            show_medium(out, node, verbose);
        }
    }
    Ok(())
}

fn show_drive(out: &mut String, drive: &Dict, inserted: Option<&Dict>, verbose: bool) {
    out.push_str(text(drive, "device"));
    let node = inserted.map(|inserted| text(inserted, "node-name"));
    if let Some(node) = node.filter(|node| !node.is_empty()) {
        out.push_str(&format!(" ({node})"));
    }
    out.push_str(": ");
    match inserted {
        None => out.push_str("[not inserted]\n"),
        Some(inserted) => show_medium(out, inserted, verbose),
    }
    if flag(drive, "removable") {
        let not = if flag(drive, "locked") { "" } else { "not " };
        let tray = if flag(drive, "tray_open") {
            "open"
        } else {
            "closed"
        };
        out.push_str(&format!("    Removable device: {not}locked, tray {tray}\n"));
    }
}

fn show_medium(out: &mut String, medium: &Dict, verbose: bool) {
    let read_only = if flag(medium, "ro") {
        ", read-only"
    } else {
        ""
    };
    out.push_str(&format!(
        "{} ({}{read_only})\n",
        text(medium, "file"),
        text(medium, "drv")
    ));
    if let Some(cache) = medium.get("cache").and_then(Value::as_dict) {
        let writeback = if flag(cache, "writeback") {
            "writeback"
        } else {
            "writethrough"
        };
        let direct = if flag(cache, "direct") {
            ", direct"
        } else {
            ""
        };
        let no_flush = if flag(cache, "no-flush") {
            ", ignore flushes"
        } else {
            ""
        };
        out.push_str(&format!(
            "    Cache mode:       {writeback}{direct}{no_flush}\n"
        ));
    }
    if medium.contains("backing_file") {
        let depth = number(medium, "backing_file_depth");
        let backing = text(medium, "backing_file");
        out.push_str(&format!(
            "    Backing file:     {backing} (chain depth: {depth})\n"
        ));
    }
    let detect = text(medium, "detect_zeroes");
    if !detect.is_empty() && detect != "off" {
        out.push_str(&format!("    Detect zeroes:    {detect}\n"));
    }
    let mut image = medium.get("image").and_then(Value::as_dict);
    while let (Some(shown), true) = (image, verbose) {
        show_image(out, shown);
        image = shown.get("backing-image").and_then(Value::as_dict);
    }
}

fn show_image(out: &mut String, image: &Dict) {
    let virtual_size = number(image, "virtual-size");
    out.push_str(&format!(
        "\nimage: {}\nfile format: {}\nvirtual size: {} ({virtual_size} bytes)\ndisk size: {}\n",
        text(image, "filename"),
        text(image, "format"),
        show_bytes(virtual_size as f64),
        show_bytes(number(image, "actual-size") as f64),
    ));
    if image.contains("cluster-size") {
        out.push_str(&format!(
            "cluster_size: {}\n",
            number(image, "cluster-size")
        ));
    }
    if image.contains("backing-filename") {
        out.push_str(&format!(
            "backing file: {}\n",
            text(image, "backing-filename")
        ));
    }
}
