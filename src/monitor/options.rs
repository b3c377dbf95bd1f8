//! What a monitor and its door are asked to be.
//!
//! QEMU: `MonitorOptions` (qapi/control.json), `ChardevBackend` (qapi/char.json), `SocketAddress`
//! (qapi/sockets.json).

use std::path::PathBuf;

/// What is spoken on a monitor.
///
/// QEMU: `MonitorMode` (qapi/control.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonitorMode {
    /// QMP, for programs.
    Control,
    /// Lines, for people.
    Readline,
}

impl MonitorMode {
    /// The mode of that name on a command line: `control` or `readline`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "control" => Some(MonitorMode::Control),
            "readline" => Some(MonitorMode::Readline),
            _ => None,
        }
    }
}

/// What a monitor is asked to be.
///
/// QEMU: `MonitorOptions` (qapi/control.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitorOptions {
    /// What is spoken.
    pub mode: MonitorMode,
    /// Replies and events are laid out for people. Only QMP has this.
    pub pretty: bool,
}

impl MonitorOptions {
    /// A monitor that speaks QMP, each reply on one line.
    pub fn control() -> Self {
        MonitorOptions {
            mode: MonitorMode::Control,
            pretty: false,
        }
    }

    /// A monitor for people.
    pub fn readline() -> Self {
        MonitorOptions {
            mode: MonitorMode::Readline,
            pretty: false,
        }
    }
}

/// Where a socket is.
///
/// QEMU: `SocketAddress` (qapi/sockets.json).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAddress {
    /// A unix socket in the file system.
    Unix {
        /// Its name; at most 107 bytes.
        path: PathBuf,
    },
    /// TCP.
    Inet {
        /// A name or an address; empty for the loopback address.
        host: String,
        /// 0 lets the system choose one for a server.
        port: u16,
    },
    /// A socket that this process was born with: connected, or listening if it is a server's.
    Fd {
        /// Its number.
        fd: i32,
    },
}

/// A socket that a monitor is reached by.
///
/// QEMU: `ChardevSocket` (qapi/char.json).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketOptions {
    /// Where it is.
    pub address: SocketAddress,
    /// Clients connect to it, one at a time; otherwise it connects to a server.
    pub server: bool,
    /// For a server: opening it lasts until the first client has connected.
    pub wait: bool,
    /// For a client: how many milliseconds after a connection was lost or refused to try again; 0 for
    /// never.
    pub reconnect_ms: u64,
}

impl SocketOptions {
    /// A server that does not wait for its first client.
    pub fn server(address: SocketAddress) -> Self {
        SocketOptions {
            address,
            server: true,
            wait: false,
            reconnect_ms: 0,
        }
    }

    /// A client that tries once.
    pub fn client(address: SocketAddress) -> Self {
        SocketOptions {
            address,
            server: false,
            wait: false,
            reconnect_ms: 0,
        }
    }
}

/// What a door is made of.
///
/// QEMU: `ChardevBackend` (qapi/char.json).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChardevBackend {
    /// A socket.
    Socket(SocketOptions),
    /// Standard input and output of this process.
    Stdio {
        /// Ctrl-C and the like at the terminal end the process; otherwise they are plain input.
        signal: bool,
    },
    /// A file that output goes to; there is no input, unless from another file.
    File {
        /// Where output goes.
        path: PathBuf,
        /// Where input comes from.
        input: Option<PathBuf>,
        /// Output goes behind what is there, which is cut off otherwise.
        append: bool,
    },
    /// The named pipes `PATH.in` and `PATH.out`, or `PATH` alone for both ways.
    Pipe {
        /// Their name.
        path: PathBuf,
    },
    /// Nobody: no input, and output is thrown away.
    Null,
}

/// A door, by name.
///
/// QEMU: `ChardevOptions` (qapi/char.json).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChardevOptions {
    /// How others refer to it.
    pub id: String,
    /// What it is made of.
    pub backend: ChardevBackend,
}
