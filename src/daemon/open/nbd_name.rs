//! Names of exports: `nbd:HOST:PORT`, `nbd:unix:PATH`, `nbd://host/export`, `nbd+unix:///export?socket=PATH`.
//!
//! QEMU: `nbd_parse_filename`, `nbd_parse_uri`, `nbd_refresh_filename` (block/nbd.c).

use std::borrow::Cow;

use blockjob_block::nbd::proto::DEFAULT_PORT;

use super::options::Options;
use crate::qapi::{QmpError, QmpResult};

/// Before the export in names of the older style.
const EXPORT: &str = ":exportname=";

fn fail<T>(text: impl Into<String>) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// Puts into `options` what a name says.
///
/// QEMU: `nbd_parse_filename` (block/nbd.c).
pub(super) fn parse(name: &str, options: &mut Options) -> QmpResult<()> {
    options.take("filename");
    if ["host", "port", "path"]
        .iter()
        .any(|option| options.contains(option))
    {
        return fail("host/port/path and file names may not be specified at the same time");
    }
    if name.contains("://") {
        return match parse_uri(name, options) {
            Some(()) => Ok(()),
            None => fail("No valid URL specified"),
        };
    }
    let (server, export) = match name.split_once(EXPORT) {
        // Then nothing is said, and somebody else may say that the address is missing.
        Some((_, "")) => return Ok(()),
        Some((server, export)) => (server, Some(export)),
        None => (name, None),
    };
    if let Some(export) = export {
        options.put("export", export);
    }
    let Some(server) = server.strip_prefix("nbd:") else {
        return fail("File name string for NBD must start with 'nbd:'");
    };
    if server.is_empty() {
        return Ok(());
    }
    if let Some(path) = server.strip_prefix("unix:") {
        put_unix(options, path);
        return Ok(());
    }
    let (host, port) = parse_inet(server)?;
    put_inet(options, host, port);
    Ok(())
}

fn put_unix(options: &mut Options, path: &str) {
    options.put("server.type", "unix");
    options.put("server.path", path);
}

fn put_inet(options: &mut Options, host: &str, port: &str) {
    options.put("server.type", "inet");
    options.put("server.host", host);
    options.put("server.port", port);
}

/// QEMU: `inet_parse` (util/qemu-sockets.c).
fn parse_inet(text: &str) -> QmpResult<(&str, &str)> {
    let (found, what) = match text.strip_prefix('[') {
        Some(rest) => (rest.split_once("]:"), "IPv6 address"),
        None => (text.split_once(':'), "address"),
    };
    match found {
        Some((host, port)) if !port.is_empty() && !port.contains(',') => Ok((host, port)),
        _ => fail(format!("error parsing {what} '{text}'")),
    }
}

/// QEMU: `nbd_parse_uri` (block/nbd.c).
fn parse_uri(name: &str, options: &mut Options) -> Option<()> {
    let (scheme, rest) = name.split_once("://")?;
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, query),
        None => (rest, ""),
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let export = decode(path.trim_start_matches('/'))?;
    let mut socket = None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=')? {
            ("socket", path) if scheme == "nbd+unix" => socket = Some(decode(path)?),
            _ => return None,
        }
    }
    if !export.is_empty() {
        options.put("export", export);
    }
    match scheme {
        "nbd" | "nbd+tcp" => {
            let (host, port) = parse_authority(authority)?;
            put_inet(options, &host, &port.to_string());
        }
        "nbd+unix" if authority.is_empty() => put_unix(options, &socket?),
        _ => return None,
    }
    Some(())
}

/// The host and the port, after a user whom nobody asks for.
fn parse_authority(authority: &str) -> Option<(Cow<'_, str>, u16)> {
    let address = authority
        .rsplit_once('@')
        .map_or(authority, |(_, rest)| rest);
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => match address.find(':') {
            Some(colon) => address.split_at(colon),
            None => (address, ""),
        },
    };
    let host = decode(host)?;
    let port = match port.strip_prefix(':') {
        None if !port.is_empty() => return None,
        None | Some("") => 0,
        Some(port) => port.parse().ok()?,
    };
    let port = if port == 0 { DEFAULT_PORT } else { port };
    (!host.is_empty()).then_some((host, port))
}

/// Resolves `%20` and its like. None if one is broken, stands for an end of text, or makes no UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok().filter(|byte| *byte != 0)?);
    }
    Some(String::from_utf8(bytes).ok()?.into())
}

/// The exact name of a node with these options.
///
/// QEMU: `nbd_refresh_filename` (block/nbd.c), which encodes nothing either.
pub(super) fn exact(options: &Options) -> String {
    let text = |names: [&str; 2]| names.iter().find_map(|name| options.text(name));
    let export = options.text("export");
    if let Some(path) = text(["server.path", "path"]) {
        return match export {
            Some(export) => format!("nbd+unix:///{export}?socket={path}"),
            None => format!("nbd+unix://?socket={path}"),
        };
    }
    let Some(host) = text(["server.host", "host"]) else {
        return String::new();
    };
    let port = text(["server.port", "port"]);
    let port = port.unwrap_or_else(|| DEFAULT_PORT.to_string().into());
    match export {
        Some(export) => format!("nbd://{host}:{port}/{export}"),
        None => format!("nbd://{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str) -> String {
        let mut options: Options = [("filename", name)].into_iter().collect();
        match parse(name, &mut options) {
            Ok(()) => {
                let all: Vec<_> = options
                    .iter()
                    .map(|(name, _)| format!("{name}={}", options.text(name).unwrap_or_default()))
                    .collect();
                all.join(" ")
            }
            Err(error) => error.desc,
        }
    }

    #[test]
    fn names_of_the_older_style_are_read_as_the_peer_reads_them() {
        assert_eq!(said("nbd:"), "");
        assert_eq!(said("nbd:unix:/a:exportname="), "");
        assert_eq!(said("nbd:unix:/a b"), "server.path=/a b server.type=unix");
        assert_eq!(
            said("nbd:unix:/a:exportname=x:y"),
            "export=x:y server.path=/a server.type=unix"
        );
        assert_eq!(
            said("nbd:h:1:exportname=x"),
            "export=x server.host=h server.port=1 server.type=inet"
        );
        assert_eq!(
            said("nbd:[::1]:1"),
            "server.host=::1 server.port=1 server.type=inet"
        );
        assert_eq!(said("nbd:h"), "error parsing address 'h'");
        assert_eq!(said("nbd:[::1"), "error parsing IPv6 address '[::1'");
        assert_eq!(
            said("nbd+unix:foo"),
            "File name string for NBD must start with 'nbd:'"
        );
    }

    #[test]
    fn uris_are_read_as_the_peer_reads_them() {
        let invalid = "No valid URL specified";
        assert_eq!(
            said("nbd://h"),
            "server.host=h server.port=10809 server.type=inet"
        );
        assert_eq!(
            said("nbd+tcp://u@h:5//x/y"),
            "export=x/y server.host=h server.port=5 server.type=inet"
        );
        assert_eq!(
            said("nbd://[::1]:5/x#y"),
            "export=x server.host=::1 server.port=5 server.type=inet"
        );
        assert_eq!(
            said("nbd+unix:///a%20b?socket=/c%2fd"),
            "export=a b server.path=/c/d server.type=unix"
        );
        assert_eq!(
            said("nbd+unix:///?socket=/a&socket=/b"),
            "server.path=/b server.type=unix"
        );
        for name in [
            "nbd://",
            "nbd:///x",
            "nbd://h:abc/x",
            "nbd://h:70000/x",
            "nbd://h/x?tls=1",
            "nbd://h/x?socket=/a",
            "nbd+unix:///x",
            "nbd+unix://h/x?socket=/a",
            "nbd+unix:///x%2?socket=/a",
            "nbd+unix:///x?socket=/a%00",
            "nbd+unix:///x?socket=/a&foo=1",
        ] {
            assert_eq!(said(name), invalid, "{name}");
        }
    }

    #[test]
    fn a_name_and_an_address_beside_it_contradict_each_other() {
        let mut options: Options = [("path", "/a")].into_iter().collect();
        let error = parse("nbd:unix:/b", &mut options).expect_err("which one is meant?");
        assert_eq!(
            error.desc,
            "host/port/path and file names may not be specified at the same time"
        );
    }

    #[test]
    fn a_node_is_called_by_its_address_and_export() {
        let name = |pairs: &[(&str, &str)]| exact(&pairs.iter().copied().collect());
        assert_eq!(name(&[("server.path", "/s")]), "nbd+unix://?socket=/s");
        assert_eq!(
            name(&[("path", "/s"), ("export", "x")]),
            "nbd+unix:///x?socket=/s"
        );
        assert_eq!(
            name(&[("server.host", "h"), ("server.port", "1"), ("export", "")]),
            "nbd://h:1/"
        );
        assert_eq!(name(&[("host", "h")]), "nbd://h:10809");
    }
}
