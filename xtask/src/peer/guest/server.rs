//! What serves the guest: a storage daemon, ours or the peer's, or `qemu-nbd`.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::Failure;
use crate::clock::pause;
use crate::peer::qmp::Qmp;
use crate::peer::scratch::{Running, Scratch};

/// The pause between two looks whether a server listens.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// How many looks there are before it is given up.
const LOOKS: u32 = 1000;

/// A daemon to be measured.
#[derive(Clone)]
pub(crate) struct Daemon {
    /// As it stands in the tables.
    pub(crate) name: &'static str,
    pub(crate) ours: bool,
    /// The program, with the words that come before its options.
    pub(crate) words: Vec<String>,
}

/// What a node stands on.
#[derive(Clone, Copy)]
pub(crate) enum Below<'a> {
    /// A file, through the page cache or past it.
    File { path: &'a Path, direct: bool },
    /// The export `disk` behind a unix socket.
    Nbd { socket: &'a Path },
}

/// A node with a format of its own.
#[derive(Clone, Copy)]
pub(crate) struct Image<'a> {
    pub(crate) format: &'static str,
    pub(crate) below: Below<'a>,
}

impl Image<'_> {
    /// The two options that make the nodes `name-file` and `name`.
    fn options(&self, name: &str) -> [String; 2] {
        // A comma in an option's value is written twice.
        let escaped = |path: &Path| path.display().to_string().replace(',', ",,");
        let below = match self.below {
            Below::File { path, direct } => {
                let direct = if direct { "on" } else { "off" };
                let filename = escaped(path);
                format!("driver=file,filename={filename},cache.direct={direct}")
            }
            Below::Nbd { socket } => {
                let path = escaped(socket);
                format!("driver=nbd,export=disk,server.type=unix,server.path={path}")
            }
        };
        let format = self.format;
        [
            format!("{below},node-name={name}-file"),
            format!("driver={format},node-name={name},file={name}-file"),
        ]
    }
}

/// A daemon that runs, with the node `source` exported as `disk`, and perhaps a node `target`.
pub(crate) struct Served {
    running: Running,
    pub(crate) qmp: Qmp,
    /// Where the export is.
    pub(crate) socket: PathBuf,
}

impl Served {
    /// Starts a daemon; its monitor answers when it has done all it was told.
    pub(crate) fn start(
        scratch: &Scratch,
        daemon: &Daemon,
        source: Image<'_>,
        target: Option<Image<'_>>,
    ) -> Result<Self, Failure> {
        let socket = scratch.path().join("guest.sock");
        // The one of the daemon before may be there.
        crate::peer::disk::remove(&socket)?;
        let (program, first) = daemon.words.split_first().expect("a daemon has a name");
        let mut command = Command::new(program);
        command.args(first);
        let nodes = source.options("source").into_iter();
        let nodes = nodes.chain(target.iter().flat_map(|target| target.options("target")));
        for node in nodes {
            command.arg("--blockdev").arg(node);
        }
        let address = format!("addr.type=unix,addr.path={}", socket.display());
        command
            .arg("--nbd-server")
            .arg(address)
            .arg("--export")
            .arg("type=nbd,id=guest,node-name=source,name=disk,writable=on")
            // Over its own input and output, so that a daemon that dies is seen as the end of it.
            .args(["--chardev", "stdio,id=qmp,signal=off"])
            .args(["--monitor", "chardev=qmp,mode=control"])
            .current_dir(scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut running = scratch.spawn(&mut command)?;
        let (input, output) = running.pipes();
        let qmp = Qmp::negotiate(output, input)?;
        Ok(Self {
            running,
            qmp,
            socket,
        })
    }

    /// Ends it.
    pub(crate) fn quit(mut self) -> Result<(), Failure> {
        self.qmp.execute("quit", json!({}))?;
        drop(self.qmp);
        let status = self.running.wait()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("the daemon ended badly: {status}").into()),
        }
    }
}

/// True if the daemon's mirror has `copy-mode=auto`: its schema says so.
pub(crate) fn has_auto(scratch: &Scratch, daemon: &Daemon) -> Result<bool, Failure> {
    let path = scratch.path().join("asked.raw");
    crate::peer::disk::make_empty(&path, 1 << 20)?;
    let below = Below::File {
        path: &path,
        direct: false,
    };
    let image = Image {
        format: "raw",
        below,
    };
    let mut served = Served::start(scratch, daemon, image, None)?;
    let schema = served.qmp.execute("query-qmp-schema", json!({}))?;
    served.quit()?;
    crate::peer::disk::remove(&path)?;
    Ok(schema_has_auto(&schema))
}

fn schema_has_auto(schema: &Value) -> bool {
    let types = schema.as_array().map_or(&[][..], Vec::as_slice);
    types.iter().any(|of| {
        let values = of["values"].as_array().map_or(&[][..], Vec::as_slice);
        ["auto", "background", "write-blocking"]
            .iter()
            .all(|name| values.iter().any(|value| value == name))
    })
}

/// A `qemu-nbd` that exports a file as `disk`, to one client after the other. Dropping it ends it.
pub(crate) struct QemuNbd {
    _running: Running,
    /// Where the export is.
    pub(crate) socket: PathBuf,
}

impl QemuNbd {
    /// Starts it, and returns when it listens.
    pub(crate) fn start(scratch: &Scratch, format: &str, path: &Path) -> Result<Self, Failure> {
        let socket = scratch.path().join("qemu-nbd.sock");
        crate::peer::disk::remove(&socket)?;
        let mut command = Command::new("qemu-nbd");
        command
            .args(["--persistent", "--export-name=disk", "--shared=8"])
            .arg(format!("--format={format}"))
            .arg(format!("--socket={}", socket.display()))
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let running = scratch.spawn(&mut command)?;
        for _ in 0..LOOKS {
            if UnixStream::connect(&socket).is_ok() {
                return Ok(Self {
                    _running: running,
                    socket,
                });
            }
            pause(LOOK_PAUSE);
        }
        Err("qemu-nbd does not listen".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_looked_for_among_the_modes_of_copying() {
        let modes = |names: &[&str]| json!([{"meta-type": "enum", "values": names}]);
        assert!(schema_has_auto(&modes(&[
            "background",
            "write-blocking",
            "auto"
        ])));
        assert!(!schema_has_auto(&modes(&["background", "write-blocking"])));
        assert!(!schema_has_auto(&modes(&["on", "off", "auto"])));
    }
}
