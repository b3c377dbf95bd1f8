//! `throttle`, `copy-on-read` and `quorum`.

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::copy_on_read::CopyOnReadOptions;
use blockjob_block::driver::quorum::{
    QuorumEvent, QuorumOp, QuorumOptions, ReadPattern, Sectors, child_name,
};
use blockjob_block::driver::throttle::ThrottleDriver;

use super::Built;
use crate::daemon::Daemon;
use crate::daemon::open::common::take_bool;
use crate::daemon::open::flags::Role;
use crate::daemon::open::inherit::Opening;
use crate::daemon::open::say;
use crate::qapi::types::quorum::{QuorumFailure, QuorumOpType, QuorumReportBad};
use crate::qapi::{QmpError, QmpResult};

/// QEMU: `throttle_open` (block/throttle.c).
pub(super) fn throttle(opening: &mut Opening<'_>, file: Rc<Node>) -> QmpResult<Built> {
    let name = opening.options.take("throttle-group");
    let name = name.ok_or_else(|| QmpError::generic("Please specify a throttle group"))?;
    let group = opening.daemon.graph().throttle_groups().find(&name)?;
    Ok(Built {
        driver: Box::new(ThrottleDriver::new(&group)),
        read_only: !opening.flags.writable,
        children: vec![("file", ChildRole::Filtered, file)],
    })
}

/// QEMU: `cor_open` (block/copy-on-read.c).
pub(super) fn copy_on_read(opening: &mut Opening<'_>, file: Rc<Node>) -> QmpResult<Built> {
    let options = CopyOnReadOptions {
        bottom: opening.options.take("bottom"),
    };
    Ok(Built {
        driver: Box::new(options.build(&file)?),
        read_only: !opening.flags.writable,
        children: vec![("file", ChildRole::Filtered, file)],
    })
}

/// QEMU: `quorum_open` (block/quorum.c).
pub(super) fn quorum(opening: &mut Opening<'_>) -> QmpResult<Built> {
    let options = &mut opening.options;
    let count = options.array_len("children");
    let threshold = match options.take("vote-threshold") {
        Some(text) => text
            .parse()
            .map_err(|_| QmpError::generic("Parameter 'vote-threshold' expects a number"))?,
        None => 0,
    };
    let mut made = QuorumOptions::new(threshold);
    made.blkverify = take_bool(options, "blkverify")?.unwrap_or(false);
    made.rewrite_corrupted = take_bool(options, "rewrite-corrupted")?.unwrap_or(false);
    made.read_pattern = match options.take("read-pattern").as_deref() {
        None | Some("quorum") => ReadPattern::Quorum,
        Some("fifo") => ReadPattern::Fifo,
        Some(_) => {
            return Err(QmpError::generic(
                "Please set read-pattern as fifo or quorum",
            ));
        }
    };
    let mut nodes = Vec::new();
    for index in 0..count {
        let name = format!("children.{index}");
        let child = opening.open_child(&name, None, Role::Data, false)?;
        nodes.push(child.ok_or_else(|| {
            QmpError::generic(format!("A block device must be specified for \"{name}\""))
        })?);
    }
    let driver = made.build(&nodes)?;
    let told = Rc::downgrade(opening.daemon);
    driver.on_event(move |event| {
        if let Some(daemon) = told.upgrade() {
            tell(&daemon, event);
        }
    });
    let children = nodes.into_iter().enumerate().map(|(index, node)| {
        let name =
            child_name(index).expect("the driver was made with no more than it has names for");
        (name, ChildRole::Data, node)
    });
    Ok(Built {
        driver: Box::new(driver),
        read_only: !opening.flags.writable,
        children: children.collect(),
    })
}

/// QEMU: `quorum_report_bad`, `quorum_report_failure` (block/quorum.c).
fn tell(daemon: &Daemon, event: &QuorumEvent) {
    let signed = |sectors: &Sectors| {
        let num = sectors.num.cast_signed();
        (num, sectors.count.cast_signed())
    };
    match event {
        QuorumEvent::Failure { reference, sectors } => {
            let (sector_num, sectors_count) = signed(sectors);
            daemon.emit(&QuorumFailure {
                reference: reference.to_string(),
                sector_num,
                sectors_count,
            });
        }
        QuorumEvent::ReportBad {
            op,
            error,
            node_name,
            sectors,
        } => {
            let (sector_num, sectors_count) = signed(sectors);
            daemon.emit(&QuorumReportBad {
                op_type: match op {
                    QuorumOp::Read => QuorumOpType::Read,
                    QuorumOp::Write => QuorumOpType::Write,
                    QuorumOp::Flush => QuorumOpType::Flush,
                },
                error: error.clone(),
                node_name: node_name.to_string(),
                sector_num,
                sectors_count,
            });
        }
        QuorumEvent::Mismatch { node_name, .. } => say::warn(&format!(
            "the two children of '{node_name}' differ, and blkverify is on"
        )),
    }
}
