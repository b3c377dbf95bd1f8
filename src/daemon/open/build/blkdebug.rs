//! `blkdebug`.

use blockjob_block::Perm;
use blockjob_block::child::ChildRole;
use blockjob_block::driver::blkdebug::BlkdebugOptions;

use super::Built;
use crate::daemon::open::common::take_size;
use crate::daemon::open::flags::Role;
use crate::daemon::open::format::Format;
use crate::daemon::open::inherit::Opening;
use crate::daemon::open::options::Options;
use crate::qapi::{QmpError, QmpResult};

/// Rules given as options, in the form that they have in a file.
///
/// QEMU: `read_config` (block/blkdebug.c), which goes the same way.
fn rules(options: &mut Options) -> QmpResult<String> {
    let mut text = String::new();
    for group in ["inject-error", "set-state"] {
        let count = options.array_len(group);
        let rules = options.take_child(group);
        for index in 0..count {
            let rule = rules.clone().take_child(&index.to_string());
            text.push_str(&format!("[{group}]\n"));
            for (key, _) in rule.iter() {
                let value = rule.text(key).unwrap_or_default();
                if value.contains(['"', '\n']) {
                    return Err(QmpError::generic(format!(
                        "Invalid value of parameter '{key}'"
                    )));
                }
                // No sector is any sector.
                if (key, &*value) != ("sector", "-1") {
                    text.push_str(&format!("{key} = \"{value}\"\n"));
                }
            }
        }
    }
    Ok(text)
}

/// QEMU: `blkdebug_parse_perms` (block/blkdebug.c).
fn take_perms(options: &mut Options, name: &str) -> QmpResult<Perm> {
    let count = options.array_len(name);
    let list = options.take_child(name);
    let mut perms = Perm::NONE;
    for index in 0..count {
        let text = list
            .text(&index.to_string())
            .unwrap_or_default()
            .into_owned();
        perms |= match &*text {
            "consistent-read" => Perm::CONSISTENT_READ,
            "write" => Perm::WRITE,
            "write-unchanged" => Perm::WRITE_UNCHANGED,
            "resize" => Perm::RESIZE,
            _ => {
                return Err(QmpError::generic(format!(
                    "Parameter 'null' does not accept value '{text}'"
                )));
            }
        };
    }
    Ok(perms)
}

/// QEMU: `blkdebug_open` (block/blkdebug.c).
pub(super) fn open(opening: &mut Opening<'_>) -> QmpResult<Built> {
    let options = &mut opening.options;
    let mut made = BlkdebugOptions::new();
    if let Some(name) = options.take("config") {
        let text = std::fs::read_to_string(&name).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(0);
            let why = blockjob_block::error::errno_text(errno);
            QmpError::generic(format!("Could not read blkdebug config file: {why}"))
        })?;
        made = made.config(&text)?;
    }
    made = made.config(&rules(options)?)?;
    let mut size = |name| take_size(options, name).map(Option::unwrap_or_default);
    made = made
        .align(size("align")?)
        .max_transfer(size("max-transfer")?)
        .opt_write_zero(size("opt-write-zero")?)
        .max_write_zero(size("max-write-zero")?)
        .opt_discard(size("opt-discard")?)
        .max_discard(size("max-discard")?);
    made = made
        .take_child_perms(take_perms(options, "take-child-perms")?)
        .unshare_child_perms(take_perms(options, "unshare-child-perms")?);
    let name = options.take("x-image");
    let is_format = Format::Blkdebug.is_format();
    let image = opening.open_child("image", name, Role::Filtered, is_format)?;
    let image =
        image.ok_or_else(|| QmpError::generic("A block device must be specified for \"image\""))?;
    Ok(Built {
        driver: Box::new(made.build(&image)?),
        read_only: !opening.flags.writable,
        children: vec![("image", ChildRole::Filtered, image)],
    })
}
