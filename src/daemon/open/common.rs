//! What all drivers have in common: node names, caching, access, discards.
//!
//! QEMU: `bdrv_open_common`, `bdrv_runtime_opts` (block.c).

use std::rc::Rc;

use blockjob_block::Node;
use blockjob_block::settings::{NodeSettings, ZeroDetection};

use super::build;
use super::format::Format;
use super::inherit::Opening;
use super::options::Options;
use crate::daemon::facts::NodeFacts;
use crate::qapi::{QmpError, QmpResult};

/// True for what means yes.
pub(super) fn is_on(text: Option<&str>) -> bool {
    matches!(text, Some("on" | "yes" | "true" | "y"))
}

/// Takes a flag out of `options`.
///
/// QEMU: `parse_option_bool` (util/qemu-option.c).
pub(super) fn take_bool(options: &mut Options, name: &str) -> QmpResult<Option<bool>> {
    match options.take(name).as_deref() {
        None => Ok(None),
        Some("on" | "yes" | "true" | "y") => Ok(Some(true)),
        Some("off" | "no" | "false" | "n") => Ok(Some(false)),
        Some(_) => Err(QmpError::generic(format!(
            "Parameter '{name}' expects 'on' or 'off'"
        ))),
    }
}

/// Takes a number out of `options`.
///
/// QEMU: `parse_option_number` (util/qemu-option.c).
pub(super) fn take_number(options: &mut Options, name: &str) -> QmpResult<Option<u64>> {
    let Some(text) = options.take(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(QmpError::generic(format!(
            "Parameter '{name}' expects a number"
        ))),
    }
}

/// Takes a size in bytes, which may have a suffix, out of `options`.
///
/// QEMU: `parse_option_size` (util/qemu-option.c).
pub(super) fn take_size(options: &mut Options, name: &str) -> QmpResult<Option<u64>> {
    let Some(text) = options.take(name) else {
        return Ok(None);
    };
    if text.starts_with('-') {
        return Err(QmpError::generic(format!(
            "Value '{text}' is out of range for parameter '{name}'"
        )));
    }
    let size = crate::qapi::builtin::size_from_text(&text);
    size.map(Some).ok_or_else(|| {
        QmpError::generic(format!(
            "Parameter '{name}' expects a non-negative number below 2^64"
        ))
    })
}

/// What a name says that was given for a driver.
///
/// QEMU: `bdrv_parse_filename` of `BlockDriver` (include/block/block_int-common.h).
pub(super) fn parse_filename(format: Format, name: &str, options: &mut Options) -> QmpResult<()> {
    match format {
        Format::File => {
            options.put("filename", name.strip_prefix("file:").unwrap_or(name));
        }
        Format::HostDevice => {
            options.put(
                "filename",
                name.strip_prefix("host_device:").unwrap_or(name),
            );
        }
        Format::NullCo | Format::NullAio => {
            let only = format!("{}://", format.name());
            if name != only {
                return Err(QmpError::generic(format!(
                    "The only allowed filename for this driver is '{only}'"
                )));
            }
            options.take("filename");
        }
        Format::Nbd => super::nbd_name::parse(name, options)?,
        Format::Blkdebug => {
            options.take("filename");
            let Some(rest) = name.strip_prefix("blkdebug:") else {
                options.put("x-image", name);
                return Ok(());
            };
            let (config, image) = rest.split_once(':').ok_or_else(|| {
                QmpError::generic("blkdebug requires both config file and image path")
            })?;
            if !config.is_empty() {
                options.put("config", config);
            }
            options.put("x-image", image);
        }
        _ => {}
    }
    Ok(())
}

/// What all drivers have in common.
pub(super) struct Shared {
    pub(super) node_name: Option<String>,
    pub(super) direct: bool,
    settings: NodeSettings,
}

impl Shared {
    /// Takes it out of the options.
    ///
    /// QEMU: `bdrv_open_common` (block.c).
    pub(super) fn take(
        opening: &mut Opening<'_>,
        format: Format,
        facts: &NodeFacts,
    ) -> QmpResult<Shared> {
        let flags = opening.flags;
        let options = &mut opening.options;
        options.take("driver");
        let node_name = options.take("node-name");
        take_bool(options, "read-only")?;
        let direct = take_bool(options, "cache.direct")?.unwrap_or(false);
        let no_flush = take_bool(options, "cache.no-flush")?.unwrap_or(false);
        let auto_read_only = take_bool(options, "auto-read-only")?.unwrap_or(false);
        let force_share = take_bool(options, "force-share")?.unwrap_or(false);
        if take_bool(options, "active")? == Some(false) {
            return Err(QmpError::generic(
                "Parameter 'active' is supported with the value 'on' only",
            ));
        }
        if force_share && flags.writable {
            return Err(QmpError::generic(
                "force-share=on can only be used with read-only images",
            ));
        }
        let filename = options.text("filename");
        if format.needs_filename() && filename.is_none_or(|name| name.is_empty()) {
            return Err(QmpError::generic(format!(
                "The '{}' block driver requires a file name",
                format.name()
            )));
        }
        let unmap = match options.take("discard").as_deref() {
            None => flags.unmap,
            Some("on" | "unmap") => true,
            Some("off" | "ignore") => false,
            Some(_) => return Err(QmpError::generic("Invalid discard option")),
        };
        opening.flags.unmap = unmap;
        let detect_zeroes = detect_zeroes(&mut opening.options, unmap)?;
        facts.cache_direct.set(direct);
        facts.cache_no_flush.set(no_flush);
        facts.auto_read_only.set(auto_read_only);
        facts.force_share.set(force_share);
        facts.discard_unmap.set(unmap);
        facts.detect_zeroes.set(detect_zeroes);
        let settings = NodeSettings {
            unmap,
            no_flush,
            detect_zeroes,
            force_share,
        };
        Ok(Shared {
            node_name,
            direct,
            settings,
        })
    }
}

/// QEMU: `bdrv_parse_detect_zeroes` (block.c).
pub(super) fn detect_zeroes(options: &mut Options, unmap: bool) -> QmpResult<ZeroDetection> {
    let detect = match options.take("detect-zeroes").as_deref() {
        None | Some("off") => ZeroDetection::Off,
        Some("on") => ZeroDetection::On,
        Some("unmap") => ZeroDetection::Unmap,
        Some(other) => {
            return Err(QmpError::generic(format!(
                "Parameter 'detect-zeroes' does not accept value '{other}'"
            )));
        }
    };
    if detect == ZeroDetection::Unmap && !unmap {
        return Err(QmpError::generic(
            "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap",
        ));
    }
    Ok(detect)
}

impl Opening<'_> {
    /// Makes the node itself, without its backing file.
    ///
    /// QEMU: `bdrv_open_driver` (block.c).
    pub(super) fn open_common(
        &mut self,
        format: Format,
        file: Option<Rc<Node>>,
        shared: &Shared,
        facts: &Rc<NodeFacts>,
    ) -> QmpResult<Rc<Node>> {
        let graph = self.daemon.graph();
        if let Some(name) = &shared.node_name {
            graph.check_node_name(name)?;
        }
        // A driver that opens nodes for itself does so below a node that is listed already.
        let number = graph.take_node_number();
        let built = build::driver(self, format, file, shared, facts)?;
        let node = graph.add_node(
            shared.node_name.as_deref(),
            built.driver,
            built.read_only,
            &built.children,
        )?;
        node.set_number(number);
        node.set_settings(shared.settings);
        self.daemon.facts.set(&node, facts.clone());
        Ok(node)
    }
}
