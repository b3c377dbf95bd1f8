//! Names of images: which protocol they mean, and what `json:` names hold.
//!
//! QEMU: `path_has_protocol`, `bdrv_find_protocol`, `parse_json_protocol` (block.c).

use std::os::unix::fs::FileTypeExt;

use super::format::Format;
use super::options::Options;
use crate::qapi::json::from_json;
use crate::qapi::{QmpError, QmpResult, Value};

/// Where the part of a name before the first `:` or `/` ends, if that is a `:`.
fn protocol_end(name: &str) -> Option<usize> {
    let end = name.find([':', '/'])?;
    name[end..].starts_with(':').then_some(end)
}

/// True if a name begins with a protocol: `nbd:...`.
///
/// QEMU: `path_has_protocol` (block.c).
pub fn has_protocol(name: &str) -> bool {
    protocol_end(name).is_some()
}

/// The driver for what has this name. With `prefixes` the name may begin with a protocol.
///
/// QEMU: `bdrv_find_protocol` (block.c).
///
/// # Errors
///
/// Nobody knows the protocol.
pub(super) fn find(name: &str, prefixes: bool) -> QmpResult<Format> {
    // What is a disk of the host is one also if it has a strange name.
    if std::fs::metadata(name).is_ok_and(|data| data.file_type().is_block_device()) {
        return Ok(Format::HostDevice);
    }
    let Some(end) = protocol_end(name).filter(|_| prefixes) else {
        return Ok(Format::File);
    };
    let protocol = &name[..end];
    Format::with_protocol(protocol)
        .ok_or_else(|| QmpError::generic(format!("Unknown protocol '{protocol}'")))
}

/// If the name is a `json:` name, the options that it holds join `options`, where they are not given
/// yet; returns the name that is left.
///
/// QEMU: `parse_json_protocol` (block.c).
///
/// # Errors
///
/// What follows is no JSON object.
pub(super) fn take_json(name: Option<String>, options: &mut Options) -> QmpResult<Option<String>> {
    let Some(text) = name.as_deref().and_then(|name| name.strip_prefix("json:")) else {
        return Ok(name);
    };
    let value =
        from_json(text).map_err(|error| error.prepend("Could not parse the JSON options: "))?;
    let Value::Dict(dict) = value else {
        return Err(QmpError::generic("Invalid JSON object given"));
    };
    options.join(&Options::flatten(&dict));
    Ok(None)
}

/// The name of what an image names, seen from the image's own place: `dir` ends in a slash or is
/// empty.
///
/// QEMU: `bdrv_make_absolute_filename`, `path_combine` (block.c).
pub(super) fn absolute(dir: &str, name: &str) -> String {
    if has_protocol(name) || name.starts_with('/') {
        return name.to_owned();
    }
    format!("{dir}{name}")
}

/// The part of a name that names the folder, with its slash; empty if there is none. A protocol at
/// the front belongs to it.
///
/// QEMU: `path_combine` with an empty name (block.c).
pub(super) fn folder(name: &str) -> &str {
    let path = protocol_end(name).map_or(0, |end| end + 1);
    let end = name[path..]
        .rfind('/')
        .map_or(path, |slash| path + slash + 1);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_what_stands_before_a_colon_and_no_slash() {
        assert!(has_protocol("nbd:x") && has_protocol("null-co://"));
        assert!(!has_protocol("/a:b") && !has_protocol("./a:b") && !has_protocol("a"));
    }

    #[test]
    fn an_unknown_protocol_is_named_and_a_known_one_found() {
        let error = find("foo:bar", true).expect_err("nobody knows it");
        assert_eq!(error.desc, "Unknown protocol 'foo'");
        assert_eq!(find("foo:bar", false), Ok(Format::File));
        assert_eq!(find("file:bar", true), Ok(Format::File));
        assert_eq!(find("null-co://", true), Ok(Format::NullCo));
        // Formats are no protocols.
        assert!(find("qcow2:bar", true).is_err());
    }

    #[test]
    fn options_in_a_name_do_not_override_those_beside_it() {
        let mut options: Options = [("driver", "raw")].into_iter().collect();
        let name = "json:{'driver': 'qcow2', 'file': {'filename': 'x'}}".to_owned();
        assert_eq!(take_json(Some(name), &mut options), Ok(None));
        assert_eq!(options.text("driver").as_deref(), Some("raw"));
        assert_eq!(options.text("file.filename").as_deref(), Some("x"));
        let mut options = Options::new();
        let list = take_json(Some("json:[]".to_owned()), &mut options);
        assert_eq!(list.expect_err("a list").desc, "Invalid JSON object given");
        let broken = take_json(Some("json:{".to_owned()), &mut options);
        let broken = broken.expect_err("broken").desc;
        assert!(broken.starts_with("Could not parse the JSON options: "));
    }

    #[test]
    fn a_relative_name_is_seen_from_its_image() {
        assert_eq!(folder("/a/b.qcow2"), "/a/");
        assert_eq!(folder("b.qcow2"), "");
        assert_eq!(folder("file:a/b"), "file:a/");
        assert_eq!(absolute("/a/", "c"), "/a/c");
        assert_eq!(absolute("/a/", "/c"), "/c");
        assert_eq!(absolute("/a/", "nbd:c"), "nbd:c");
    }
}
