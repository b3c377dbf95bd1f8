//! `qemu-io DEVICE "..."`: the guest, by hand.
//!
//! It uses a drive as its guest would, or a node through a backend of its own. The requests are
//! waited for: while the disk is drained, so is the monitor.
//!
//! QEMU: `hmp_qemu_io` (block/monitor/block-hmp-cmds.c), qemu-io-cmds.c.

mod asked;
mod breaks;

use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::error_policy::IoOperation;
use blockjob_block::{BlockBackend, BlockError, BlockResult, ErrorKind, Perm, PermPair};
use bytes::{Bytes, BytesMut};

use super::size::show_bytes;
use crate::daemon::Daemon;
use crate::qapi::{QmpError, QmpResult};
use asked::Asked;

/// What a request is filled with unless it is said.
const FILL: u8 = 0xcd;

const HELP: &str = "\
alloc offset [count] -- checks if offset is allocated in the file
break event tag -- sets a breakpoint on event and tags the stopped request as tag
discard [-q] off len -- discards a number of bytes at a specified offset
flush -- flush all in-core file state to disk
help -- help for all commands
length -- gets the length of the current file
map  -- prints the allocated areas of a file
read [-qv] [-P pattern] off len -- reads a number of bytes at a specified offset
remove_break tag -- remove a breakpoint by tag
resume tag -- resumes the request tagged as tag
truncate off -- truncates the current file at the given offset
write [-fnquz] [-P pattern] off len -- writes a number of bytes at a specified offset
";

/// The guest's door to one disk.
struct Door<'a> {
    daemon: &'a Daemon,
    blk: Rc<BlockBackend>,
}

/// Runs one command of qemu-io on the drive or node `device`.
pub(super) fn run(
    daemon: &Rc<Daemon>,
    device: &str,
    command: &str,
    out: &mut String,
) -> QmpResult<()> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let Some((name, words)) = words.split_first() else {
        return Ok(());
    };
    if *name == "help" {
        out.push_str(HELP);
        return Ok(());
    }
    let Some(usage) = HELP
        .lines()
        .find(|line| line.split(' ').next() == Some(name))
    else {
        out.push_str(&format!("command \"{name}\" not found\n"));
        return Ok(());
    };
    if breaks::run(daemon, device, (name, words), out)? {
        return Ok(());
    }
    let mut asked = match Asked::parse(name, usage, words) {
        Ok(asked) => asked,
        Err(wrong) => {
            out.push_str(&format!("{wrong}\n"));
            return Ok(());
        }
    };
    let door = Door::open(daemon, device, name)?;
    let result = match *name {
        "read" => door.read(&asked, out),
        "write" => door.write(&asked, out),
        "discard" => door.discard(&asked, out),
        "flush" => door.flush(),
        "length" => door.length(out),
        "truncate" => door.truncate(asked.numbers[0]),
        "map" => door.map(out),
        "alloc" => {
            asked.numbers.resize(2, 1);
            door.alloc(asked.numbers[0], asked.numbers[1], out)
        }
        other => unreachable!("{other} is in the help and not here"),
    };
    if let Err(error) = result {
        door.tell_error(name, &asked, &error);
        let text = blockjob_block::error::errno_text(error.errno());
        out.push_str(&format!("{name} failed: {text}\n"));
    }
    Ok(())
}

impl<'a> Door<'a> {
    /// QEMU: `hmp_qemu_io` (block/monitor/block-hmp-cmds.c).
    fn open(daemon: &'a Rc<Daemon>, device: &str, command: &str) -> QmpResult<Self> {
        let blk = match daemon.graph().find_backend(device) {
            Some(blk) => blk,
            None => {
                let node = daemon.graph().lookup(device)?;
                let blk =
                    BlockBackend::new(daemon.graph(), "", PermPair::new(Perm::NONE, Perm::ALL))?;
                blk.insert(&node)?;
                blk
            }
        };
        if blk.node().is_none() {
            return Err(QmpError::generic(format!(
                "Device '{device}' has no medium"
            )));
        }
        // QEMU: `qemuio_command` takes the permissions that the command needs, for good.
        let needs = match command {
            "write" | "discard" => Perm::WRITE,
            "truncate" => Perm::WRITE | Perm::RESIZE,
            "read" => Perm::CONSISTENT_READ,
            _ => Perm::NONE,
        };
        let perms = blk.perms();
        if !perms.used.contains(needs) {
            blk.set_perms(PermPair::new(perms.used | needs, perms.shared))?;
        }
        Ok(Door { daemon, blk })
    }

    /// A request of the guest on a drive has failed: the policy of the drive says what is done about it.
    ///
    /// QEMU: what devices do, such as `virtio_blk_handle_rw_error` (hw/block/virtio-blk.c).
    fn tell_error(&self, command: &str, asked: &Asked, error: &BlockError) {
        let operation = match command {
            "read" => IoOperation::Read,
            "write" | "discard" | "flush" => IoOperation::Write,
            _ => return,
        };
        // Devices do not send what cannot be right.
        let end = asked
            .numbers
            .iter()
            .fold(0u64, |end, part| end.saturating_add(*part));
        let sent = self.blk.len().is_ok_and(|len| end <= len);
        if sent && error.kind() != ErrorKind::ReadOnly && !self.blk.name().is_empty() {
            self.blk.error_action(operation, error.errno());
        }
    }

    fn wait<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.daemon.context().run("qemu-io", future)
    }

    /// Runs a request and says how long it took, as the tool of the peer does.
    fn timed(
        &self,
        asked: &Asked,
        what: &str,
        out: &mut String,
        request: impl Future<Output = BlockResult<()>> + 'static,
    ) -> BlockResult<()> {
        let (offset, bytes) = (asked.numbers[0], asked.numbers[1]);
        let context = self.daemon.context();
        let began_ns = context.now_ns();
        self.wait(request)?;
        if asked.has('q') {
            return Ok(());
        }
        let seconds = (context.now_ns() - began_ns).max(1) as f64 / 1e9;
        out.push_str(&format!(
            "{what} {bytes}/{bytes} bytes at offset {offset}\n{}, 1 ops; {seconds:05.2} sec \
             ({}/sec and {:.4} ops/sec)\n",
            show_bytes(bytes as f64),
            show_bytes(bytes as f64 / seconds),
            1.0 / seconds,
        ));
        Ok(())
    }

    fn write(&self, asked: &Asked, out: &mut String) -> BlockResult<()> {
        let (offset, bytes) = (asked.numbers[0], asked.numbers[1]);
        let blk = self.blk.clone();
        let flags = ZeroFlags {
            may_unmap: asked.has('u'),
            no_fallback: asked.has('n'),
        };
        let (zeroes, fua) = (asked.has('z'), asked.has('f'));
        let pattern = asked.pattern.unwrap_or(FILL);
        self.timed(asked, "wrote", out, async move {
            if zeroes {
                blk.write_zeroes(offset, bytes, flags).await?;
            } else {
                let data = vec![pattern; usize::try_from(bytes).expect("it is bounded")];
                blk.write(offset, Bytes::from(data)).await?;
            }
            if fua {
                blk.flush().await?;
            }
            Ok(())
        })
    }

    fn read(&self, asked: &Asked, out: &mut String) -> BlockResult<()> {
        let (offset, bytes) = (asked.numbers[0], asked.numbers[1]);
        let buf = BytesMut::zeroed(usize::try_from(bytes).expect("it is bounded"));
        let blk = self.blk.clone();
        let read = Rc::new(std::cell::RefCell::new(BytesMut::new()));
        let into = read.clone();
        let mut timing = String::new();
        self.timed(asked, "read", &mut timing, async move {
            let (buf, result) = blk.read(offset, buf).await;
            *into.borrow_mut() = buf;
            result
        })?;
        let read = read.borrow();
        if let Some(pattern) = asked.pattern
            && read.iter().any(|byte| *byte != pattern)
        {
            out.push_str(&format!(
                "Pattern verification failed at offset {offset}, {bytes} bytes\n"
            ));
        }
        if asked.has('v') {
            dump(out, offset, &read);
        }
        out.push_str(&timing);
        Ok(())
    }

    fn discard(&self, asked: &Asked, out: &mut String) -> BlockResult<()> {
        let (offset, bytes) = (asked.numbers[0], asked.numbers[1]);
        let blk = self.blk.clone();
        self.timed(asked, "discard", out, async move {
            blk.discard(offset, bytes).await
        })
    }

    fn flush(&self) -> BlockResult<()> {
        let blk = self.blk.clone();
        self.wait(async move { blk.flush().await })
    }

    fn truncate(&self, len: u64) -> BlockResult<()> {
        let blk = self.blk.clone();
        self.wait(async move { blk.truncate(len).await })
    }

    fn length(&self, out: &mut String) -> BlockResult<()> {
        out.push_str(&format!("{}\n", show_bytes(self.blk.len()? as f64)));
        Ok(())
    }

    /// How much from `offset` on is allocated, or is not, without a change.
    fn extent(&self, offset: u64, bytes: u64) -> BlockResult<(bool, u64)> {
        let node = self.blk.node().expect("the door has a medium");
        self.wait(async move {
            let status = node.block_status_above(None, offset, bytes).await?;
            Ok((status.allocated, status.bytes))
        })
    }

    fn map(&self, out: &mut String) -> BlockResult<()> {
        let len = self.blk.len()?;
        let mut offset = 0;
        while offset < len {
            let (allocated, mut bytes) = self.extent(offset, len - offset)?;
            while offset + bytes < len {
                match self.extent(offset + bytes, len - offset - bytes)? {
                    (same, more) if same == allocated => bytes += more,
                    _ => break,
                }
            }
            out.push_str(&format!(
                "{} (0x{bytes:x}) bytes {} allocated at offset {} (0x{offset:x})\n",
                show_bytes(bytes as f64),
                if allocated { "    " } else { "not " },
                show_bytes(offset as f64),
            ));
            offset += bytes;
        }
        Ok(())
    }

    fn alloc(&self, start: u64, bytes: u64, out: &mut String) -> BlockResult<()> {
        let (mut offset, mut sum) = (start, 0);
        let end = (start + bytes).min(self.blk.len()?);
        while offset < end {
            let (allocated, bytes) = self.extent(offset, end - offset)?;
            sum += if allocated { bytes } else { 0 };
            offset += bytes;
        }
        let at = show_bytes(start as f64);
        out.push_str(&format!("{sum}/{bytes} bytes allocated at offset {at}\n"));
        Ok(())
    }
}

/// QEMU: `dump_buffer` (qemu-io-cmds.c).
fn dump(out: &mut String, offset: u64, data: &[u8]) {
    for (row, bytes) in data.chunks(16).enumerate() {
        let hex: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
        let text = bytes.iter().map(|byte| match byte {
            b'!'..=b'~' => char::from(*byte),
            _ => '.',
        });
        let text: String = text.collect();
        out.push_str(&format!(
            "{:08x}: {hex}  {text}\n",
            offset + row as u64 * 16
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockjob_block::driver::mem::MemOptions;
    use blockjob_runtime::AioContext;

    fn on_a_disk(commands: &[&str]) -> Vec<String> {
        let context = AioContext::builder().virtual_time().build();
        let _current = context.make_current();
        let daemon = Daemon::new(&context);
        let disk = Box::new(MemOptions::new(1 << 20).build());
        let node = daemon.graph().add_node(Some("disk"), disk, false, &[]);
        daemon.owned.add_node(node.expect("the name is free"));
        let said = commands.iter().map(|command| {
            let mut out = String::new();
            match run(&daemon, "disk", command, &mut out) {
                Ok(()) => out,
                Err(error) => error.desc,
            }
        });
        said.collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let said = on_a_disk(&[
            "write -q -P 0x11 4k 4k",
            "read -q -P 0x11 4k 4k",
            "read -q -P 0x12 4k 4k",
            "write -q -z 4k 512",
            "read -q -v 4592 24",
        ]);
        assert_eq!(said[0], "");
        assert_eq!(said[1], "");
        assert_eq!(
            said[2],
            "Pattern verification failed at offset 4096, 4096 bytes\n"
        );
        assert_eq!(
            said[4],
            "000011f0:  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................\n\
             00001200:  11 11 11 11 11 11 11 11  ........\n"
        );
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_is_written() {
        let said = on_a_disk(&[
            "write 0",
            "write a 1",
            "write -x 0 1",
            "write -u 0 1",
            "bogus",
            "write 0 2M",
            "read -q -P 0 0 4k",
        ]);
        assert_eq!(
            said[0],
            "bad argument count 1 to write, expected 2 arguments\n"
        );
        assert!(said[1].ends_with("suffix -- a\n"), "{}", said[1]);
        assert_eq!(said[2], "write: invalid option -- 'x'\n");
        assert_eq!(said[3], "-u requires -z to be specified\n");
        assert_eq!(said[4], "command \"bogus\" not found\n");
        assert_eq!(said[5], "write failed: Input/output error\n");
        assert_eq!(said[6], "");
    }

    #[test]
    fn what_is_allocated_is_shown() {
        let said = on_a_disk(&["write -q 64k 64k", "alloc 64k 64k", "length", "map"]);
        assert_eq!(said[1], "65536/65536 bytes allocated at offset 64 KiB\n");
        assert_eq!(said[2], "1 MiB\n");
        assert!(
            said[3].contains("allocated at offset 0 bytes (0x0)"),
            "{}",
            said[3]
        );
    }
}
