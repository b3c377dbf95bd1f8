//! `nbd`.

use blockjob_block::driver::nbd::{NbdDriver, NbdOptions};

use super::{Built, refuse};
use crate::daemon::open::common::{is_on, take_number};
use crate::daemon::open::format::Format;
use crate::daemon::open::inherit::Opening;
use crate::daemon::open::nbd_socket::Socket;
use crate::daemon::open::options::Options;
use crate::qapi::types::sockets::SocketAddress;
use crate::qapi::{Dict, Flavour, Input, Qapi, QmpError, QmpResult, Value};

/// Nanoseconds in a second: the options are in seconds.
const SECOND_NS: u64 = 1_000_000_000;

fn fail<T>(text: &str) -> QmpResult<T> {
    Err(QmpError::generic(text))
}

/// `path`, or `host` and `port`, as they were before there was `server`.
///
/// QEMU: `nbd_process_legacy_socket_options` (block/nbd.c).
fn take_legacy(options: &mut Options) -> QmpResult<Options> {
    let server = options.take_child("server");
    let [path, host, port] = ["path", "host", "port"].map(|name| options.take(name));
    if path.is_some() && host.is_some() {
        return fail("path and host may not be used at the same time");
    }
    if path.is_none() && host.is_none() {
        return match port {
            Some(_) => fail("port may not be used without host"),
            None => Ok(server),
        };
    }
    if !server.is_empty() {
        return fail("Cannot use 'server' and path/host/port at the same time");
    }
    let port = port.unwrap_or_else(|| blockjob_block::nbd::proto::DEFAULT_PORT.to_string());
    Ok(match (path, host) {
        (Some(path), _) => [("type", "unix"), ("path", &path)].into_iter().collect(),
        (_, host) => {
            let host = host.unwrap_or_default();
            let members = [("type", "inet"), ("host", &host), ("port", &port)];
            members.into_iter().collect()
        }
    })
}

/// QEMU: `nbd_config` (block/nbd.c).
fn take_address(options: &mut Options) -> QmpResult<SocketAddress> {
    let server = take_legacy(options)?;
    if server.is_empty() {
        return fail("NBD server address missing");
    }
    let members: Dict = server
        .iter()
        .map(|(name, _)| (name, server.text(name).unwrap_or_default().into_owned()))
        .collect();
    SocketAddress::visit(Input::top(&Value::Dict(members), Flavour::Keyval))
}

/// QEMU: `nbd_process_options` (block/nbd.c).
fn take_options(options: &mut Options) -> QmpResult<(SocketAddress, NbdOptions)> {
    let address = take_address(options)?;
    let seconds_ns = |seconds: Option<u64>| seconds.unwrap_or(0).saturating_mul(SECOND_NS);
    let nbd = NbdOptions {
        export: options.take("export").unwrap_or_default(),
        reconnect_delay_ns: seconds_ns(take_number(options, "reconnect-delay")?),
        open_timeout_ns: seconds_ns(take_number(options, "open-timeout")?),
    };
    if let Some(id) = options.take("tls-creds") {
        return fail(&format!("No TLS credentials with id '{id}'"));
    }
    for name in ["tls-hostname", "x-dirty-bitmap"] {
        refuse(Format::Nbd, options, name, None)?;
    }
    Ok((address, nbd))
}

/// QEMU: `nbd_open` (block/nbd.c).
pub(super) fn open(opening: &mut Opening<'_>) -> QmpResult<Built> {
    let (address, nbd) = take_options(&mut opening.options)?;
    let context = opening.daemon.context().clone();
    let transport = Box::new(Socket::new(&context, address));
    let connect = {
        let context = context.clone();
        async move { NbdDriver::connect(&context, transport, nbd).await }
    };
    let driver = context.run("nbd connect", connect)?;
    let auto_read_only = opening.all.text("auto-read-only");
    let auto_read_only = is_on(auto_read_only.as_deref());
    if driver.info().is_read_only() && opening.flags.writable {
        if !auto_read_only {
            return fail("Could not open image: Permission denied");
        }
        // QEMU: `bdrv_apply_auto_read_only` (block.c).
        opening.flags.writable = false;
    }
    Ok(Built {
        driver: Box::new(driver),
        read_only: !opening.flags.writable,
        children: Vec::new(),
    })
}
