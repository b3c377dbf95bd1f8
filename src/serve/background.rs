//! `--daemonize`: the parent ends once the daemon has started, or has failed to.
//!
//! QEMU forks. That cannot be had without `unsafe`, so the program starts itself once more, in a session
//! of its own, and gives it one end of a socket as standard input to say over when it is ready.
//!
//! QEMU: `os_daemonize`, `os_setup_post` (os-posix.c).

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::setsid;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::failure::Failure;

/// Tells the second program that it is one. It is no option: nobody is to give it.
const MARK: &str = "BLOCKJOB_DAEMON";
/// What the daemon says when it is ready.
const READY: u8 = b'1';

/// What `--daemonize` means for this process.
pub(super) enum Role {
    /// It has started the daemon, which is ready or has failed; it ends with this.
    Parent(ExitCode),
    /// It is the daemon.
    Daemon,
}

/// Starts the program again in the background, unless this is that one.
pub(super) fn begin() -> Result<Role, Failure> {
    if env::var_os(MARK).is_some() {
        // It leads a group already if a shell has made it so, and then needs no session to be safe
        // from the terminal's signals.
        let _leads_one = setsid();
        return Ok(Role::Daemon);
    }
    let failed = |error: io::Error| Failure::failed(format!("cannot daemonize: {error}"));
    let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
    let mut command = Command::new(env::current_exe().map_err(failed)?);
    command
        .args(env::args_os().skip(1))
        .env(MARK, "1")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    let mut daemon = command.spawn().map_err(failed)?;
    // Also this end's copy of the daemon's end has to go, or its death would not be seen.
    drop(command);
    let mut said = Vec::new();
    ours.read_to_end(&mut said).map_err(failed)?;
    if said == [READY] {
        return Ok(Role::Parent(ExitCode::SUCCESS));
    }
    let status = daemon.wait().map_err(failed)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(Role::Parent(ExitCode::from(code.unwrap_or(1).max(1))))
}

/// The daemon has started: tells the parent, and lets the terminal go.
pub(super) fn ready() -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::failed(format!("cannot daemonize: {error}"));
    let stdin = io::stdin();
    let parent = stdin.as_fd().try_clone_to_owned().map_err(failed)?;
    let mut parent = UnixStream::from(parent);
    let _the_parent_was_killed = parent.write_all(&[READY]);
    env::set_current_dir("/").map_err(failed)?;
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(failed)?;
    for dup in [dup2_stdin::<&std::fs::File>, dup2_stdout, dup2_stderr] {
        dup(&null).map_err(|error| failed(error.into()))?;
    }
    Ok(())
}
