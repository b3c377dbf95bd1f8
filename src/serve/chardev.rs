//! `--chardev`: where a monitor is reached.
//!
//! QEMU: `qemu_chr_parse_opts` (chardev/char.c), `qemu_chr_parse_socket` (chardev/char-socket.c).

use std::path::PathBuf;

use blockjob::block::graph::name_wellformed;
use blockjob::monitor::{ChardevBackend, ChardevOptions, SocketAddress, SocketOptions};
use blockjob::qapi::opts::Opts;
use blockjob::qapi::{QmpError, QmpResult};

/// Reads the option.
pub(super) fn parse(text: &str) -> QmpResult<ChardevOptions> {
    let mut opts = Opts::parse(text, Some("backend"))?;
    let wrong = |what: String| Err(QmpError::generic(what));
    let Some(id) = opts.take("id") else {
        return wrong("chardev: no id specified".to_owned());
    };
    if !name_wellformed(&id) {
        let error = QmpError::generic("Parameter 'id' expects an identifier");
        return Err(error.with_hint(
            "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
        ));
    }
    let Some(backend) = opts.take("backend") else {
        return wrong(format!("chardev: \"{id}\" missing backend"));
    };
    let need_path = |opts: &mut Opts, what: &str| match opts.take("path") {
        Some(path) => Ok(PathBuf::from(path)),
        None => Err(QmpError::generic(format!(
            "chardev: {backend}: no {what} given"
        ))),
    };
    let backend = match &*backend {
        "socket" => ChardevBackend::Socket(socket(&mut opts)?),
        "stdio" => ChardevBackend::Stdio {
            signal: opts.take_bool("signal")?.unwrap_or(true),
        },
        "file" => ChardevBackend::File {
            path: need_path(&mut opts, "filename")?,
            input: opts.take("input-path").map(PathBuf::from),
            append: opts.take_bool("append")?.unwrap_or(false),
        },
        "pipe" => ChardevBackend::Pipe {
            path: need_path(&mut opts, "device path")?,
        },
        "null" => ChardevBackend::Null,
        other => return wrong(format!("'{other}' is not a valid char driver name")),
    };
    opts.finish()?;
    Ok(ChardevOptions { id, backend })
}

/// QEMU: `qemu_chr_parse_socket` (chardev/char-socket.c).
fn socket(opts: &mut Opts) -> QmpResult<SocketOptions> {
    let wrong = |what: &str| Err(QmpError::generic(what));
    let server = opts.take_bool("server")?.unwrap_or(false);
    let wait = opts.take_bool("wait")?;
    let reconnect_s = opts.take_number("reconnect")?;
    let reconnect_ms = opts.take_number("reconnect-ms")?;
    if !server && wait.is_some() {
        return wrong("'wait' option is incompatible with socket in client connect mode");
    }
    if reconnect_s.is_some() && reconnect_ms.is_some() {
        return wrong("'reconnect' and 'reconnect-ms' are mutually exclusive");
    }
    let (path, host, fd) = (opts.take("path"), opts.take("host"), opts.take("fd"));
    let address = match (path, host, fd) {
        (Some(path), None, None) => SocketAddress::Unix { path: path.into() },
        (None, Some(host), None) => {
            let Some(port) = opts.take("port") else {
                return wrong("chardev: socket: no port given");
            };
            let port = port.parse().map_err(|_| {
                QmpError::generic(format!(
                    "address resolution failed for {host}:{port}: Servname not supported for \
                     ai_socktype"
                ))
            })?;
            SocketAddress::Inet { host, port }
        }
        (None, None, fd) => {
            let fd = fd.unwrap_or_default();
            let number = fd.parse();
            let number =
                number.map_err(|_| QmpError::generic(format!("Unable to parse FD number {fd}")))?;
            SocketAddress::Fd { fd: number }
        }
        _ => return wrong("None or one of 'path', 'fd' or 'host' option required."),
    };
    for unsupported in ["telnet", "tn3270", "websocket"] {
        if opts.take_bool(unsupported)?.unwrap_or(false) {
            return wrong(&format!(
                "'{unsupported}' is not supported: the socket is a plain one"
            ));
        }
    }
    Ok(SocketOptions {
        address,
        server,
        wait: server && wait.unwrap_or(true),
        reconnect_ms: reconnect_ms
            .or(reconnect_s.map(|s| s.saturating_mul(1000)))
            .unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        parse(text).expect_err("it is wrong").desc
    }

    #[test]
    fn a_server_waits_unless_it_is_told_not_to() {
        let socket = |text: &str| match parse(text).expect("it is right").backend {
            ChardevBackend::Socket(socket) => socket,
            other => panic!("{other:?} is no socket"),
        };
        assert!(socket("socket,id=a,path=/x,server=on").wait);
        assert!(!socket("socket,id=a,path=/x,server=on,wait=off").wait);
        let inet = socket("socket,id=a,host=::1,port=5,server=on,wait=off").address;
        assert_eq!(
            inet,
            SocketAddress::Inet {
                host: "::1".to_owned(),
                port: 5
            }
        );
    }

    #[test]
    fn mistakes_are_told_in_the_words_of_the_peer() {
        assert_eq!(wrong("foo"), "chardev: no id specified");
        assert_eq!(wrong("socket,id=a"), "Unable to parse FD number ");
        assert_eq!(
            wrong("socket,id=a,host=x"),
            "chardev: socket: no port given"
        );
        assert_eq!(
            wrong("bogus,id=a"),
            "'bogus' is not a valid char driver name"
        );
        assert_eq!(wrong("stdio,id=a,foo=1"), "Invalid parameter 'foo'");
        assert_eq!(wrong("file,id=a"), "chardev: file: no filename given");
        assert_eq!(
            wrong("socket,id=a,path=x,host=y"),
            "None or one of 'path', 'fd' or 'host' option required."
        );
        assert_eq!(
            wrong("socket,id=a,path=/x,server=off,wait=on"),
            "'wait' option is incompatible with socket in client connect mode"
        );
    }
}
