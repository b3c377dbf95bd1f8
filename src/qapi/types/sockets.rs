//! Where sockets are.
//!
//! Of what the peer knows, `vsock` is left out, and ranges of ports, and `mptcp`.
//!
//! QEMU: qapi/sockets.json.

use crate::monitor;
use crate::qapi::{QmpError, QmpResult};
use crate::{qapi_enum, qapi_struct, qapi_union};

qapi_enum! {
    /// The kind of a socket.
    pub enum SocketAddressType {
        /// TCP.
        "inet" Inet,
        /// A socket in the file system.
        "unix" Unix,
        /// A socket that the daemon was born with.
        "fd" Fd,
    }
}

qapi_struct! {
    /// A TCP socket.
    pub struct InetSocketAddress {
        /// A name or an address; empty for the loopback address.
        "host" host: String,
        /// A number.
        "port" port: String,
        /// The host is an address and not a name.
        "numeric" numeric: Option<bool>,
        /// Whether an address of version 4 will do.
        "ipv4" ipv4: Option<bool>,
        /// Whether an address of version 6 will do.
        "ipv6" ipv6: Option<bool>,
        /// Have the system notice when the other side is gone. Only for clients.
        "keep-alive" keep_alive: Option<bool>,
    }
}

qapi_struct! {
    /// A unix socket.
    pub struct UnixSocketAddress {
        /// Its name in the file system.
        "path" path: String,
    }
}

qapi_struct! {
    /// A socket that the daemon was born with.
    pub struct FdSocketAddress {
        /// Its number.
        "str" str_: String,
    }
}

qapi_struct! {
    /// What every socket has.
    pub struct SocketAddressBase {
        /// Its kind.
        "type" address_type: SocketAddressType,
    }
}

qapi_union! {
    /// Where a socket is.
    pub union SocketAddress as SocketAddressKind {
        base: SocketAddressBase,
        tag "type" address_type: SocketAddressType,
        "inet" Inet => InetSocketAddress,
        "unix" Unix => UnixSocketAddress,
        "fd" Fd => FdSocketAddress,
    }
}

qapi_struct! {
    /// A TCP socket, in a member of its own.
    pub struct InetSocketAddressWrapper {
        /// Where it is.
        "data" data: InetSocketAddress,
    }
}

qapi_struct! {
    /// A unix socket, in a member of its own.
    pub struct UnixSocketAddressWrapper {
        /// Where it is.
        "data" data: UnixSocketAddress,
    }
}

qapi_struct! {
    /// A socket that the daemon was born with, in a member of its own.
    pub struct FdSocketAddressWrapper {
        /// Which it is.
        "data" data: FdSocketAddress,
    }
}

qapi_union! {
    /// Where a socket is, in the older form that some commands still have.
    pub union SocketAddressLegacy as SocketAddressLegacyKind {
        base: SocketAddressBase,
        tag "type" address_type: SocketAddressType,
        "inet" Inet => InetSocketAddressWrapper,
        "unix" Unix => UnixSocketAddressWrapper,
        "fd" Fd => FdSocketAddressWrapper,
    }
}

impl SocketAddressLegacy {
    /// The same in the newer form.
    pub fn flatten(self) -> SocketAddress {
        use SocketAddressKind as Kind;
        let u = match self.u {
            SocketAddressLegacyKind::Inet(inet) => Kind::Inet(Box::new(inet.data)),
            SocketAddressLegacyKind::Unix(unix) => Kind::Unix(Box::new(unix.data)),
            SocketAddressLegacyKind::Fd(fd) => Kind::Fd(Box::new(fd.data)),
            SocketAddressLegacyKind::Nothing => Kind::Nothing,
        };
        SocketAddress { base: self.base, u }
    }
}

impl SocketAddress {
    /// The same for whoever listens.
    ///
    /// # Errors
    ///
    /// A number is none.
    pub fn resolve(&self) -> QmpResult<monitor::SocketAddress> {
        match &self.u {
            SocketAddressKind::Unix(unix) => Ok(monitor::SocketAddress::Unix {
                path: (&*unix.path).into(),
            }),
            SocketAddressKind::Inet(inet) => {
                let (host, port) = (inet.host.clone(), &inet.port);
                for (name, value) in [
                    ("ipv4", inet.ipv4),
                    ("ipv6", inet.ipv6),
                    ("keep-alive", inet.keep_alive),
                ] {
                    if value.is_some() {
                        let text = format!("Option '{name}' is not supported for a server");
                        return Err(QmpError::generic(text));
                    }
                }
                let port = port.parse().map_err(|_| {
                    QmpError::generic(format!(
                        "address resolution failed for {host}:{port}: Servname not supported for \
                         ai_socktype"
                    ))
                })?;
                Ok(monitor::SocketAddress::Inet { host, port })
            }
            SocketAddressKind::Fd(fd) => {
                let fd = fd
                    .str_
                    .parse()
                    .map_err(|_| QmpError::generic("only QEMU supports file descriptor passing"))?;
                Ok(monitor::SocketAddress::Fd { fd })
            }
            SocketAddressKind::Nothing => unreachable!("every kind of socket says where it is"),
        }
    }
}
