//! The scratch folder and the children that work in it: both end with the run, however it ends.

use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::Failure;
use crate::clock::{Stopwatch, beside, pause};

/// The exit code of a program that a signal ended, as shells give it for Ctrl-C.
const ENDED_BY_SIGNAL: i32 = 130;
/// The pause between two looks at a limit of time.
const LIMIT_PAUSE: Duration = Duration::from_millis(100);

/// A folder that is removed with this value, and the children that were started for it.
pub(crate) struct Scratch {
    dir: TempDir,
    live: Arc<Mutex<Live>>,
}

#[derive(Default)]
struct Live {
    /// The children that have not been reaped, so that none of these numbers can be somebody else's.
    children: Vec<Pid>,
    /// Folders elsewhere, to be removed as well.
    folders: Vec<PathBuf>,
}

impl Scratch {
    /// Makes the folder inside `base`.
    pub(crate) fn new(base: &Path) -> Result<Self, Failure> {
        Ok(Self {
            dir: folder_in(base)?,
            live: Arc::default(),
        })
    }

    /// One folder more, inside of another base: it goes with the value returned, and with a signal.
    pub(crate) fn folder_in(&self, base: &Path) -> Result<TempDir, Failure> {
        let folder = folder_in(base)?;
        lock(&self.live).folders.push(folder.path().to_owned());
        Ok(folder)
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// From now on SIGINT, SIGTERM and SIGHUP end the children, remove the folder and end this
    /// process. To be called on the main thread, before any other thread of this process starts:
    /// the signals are blocked in it and in all that come after, and one thread waits for them.
    pub(crate) fn remove_on_signal(&self) -> Result<(), Failure> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let live = Arc::clone(&self.live);
        let dir: PathBuf = self.path().to_owned();
        beside(move || {
            let outcome = signals.wait();
            // The lock is held until the end of the process, so no child can be started or
            // reaped after the list was read.
            let live = lock(&live);
            for &child in &live.children {
                // It may have ended meanwhile, which is as good.
                let _ = kill(child, Signal::SIGKILL);
            }
            for folder in &live.folders {
                // Most of them have gone before.
                let _ = std::fs::remove_dir_all(folder);
            }
            let removed = std::fs::remove_dir_all(&dir);
            eprintln!("xtask: ended by {outcome:?}; scratch folder removed: {removed:?}");
            std::process::exit(ENDED_BY_SIGNAL);
        });
        Ok(())
    }

    /// From now on the children have so many seconds, all together.
    pub(crate) fn limit(&self, seconds: u32) -> Limit {
        let over = Arc::new(AtomicBool::new(false));
        let live = Arc::clone(&self.live);
        let seen_over = Arc::clone(&over);
        let watch = Stopwatch::start();
        beside(move || {
            while !seen_over.load(Ordering::Relaxed) {
                if watch.seconds() > f64::from(seconds) {
                    eprintln!("{seconds} s are over: what runs is killed");
                    for &child in &lock(&live).children {
                        let _ = kill(child, Signal::SIGKILL);
                    }
                    return;
                }
                pause(LIMIT_PAUSE);
            }
        });
        Limit { over }
    }

    /// Starts a child that ends no later than the value returned.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Running, Failure> {
        let mut live = lock(&self.live);
        let child = command.spawn().map_err(|error| {
            let name = command.get_program().display();
            format!("{name} does not start: {error}")
        })?;
        let pid = i32::try_from(child.id()).expect("the kernel's process ids fit into pid_t");
        live.children.push(Pid::from_raw(pid));
        Ok(Running {
            child,
            pid: Pid::from_raw(pid),
            live: Arc::clone(&self.live),
        })
    }
}

/// Kills all children of a scratch folder when its time is over, unless it is dropped before. Whoever
/// waits for one of them then sees it end.
pub(crate) struct Limit {
    over: Arc<AtomicBool>,
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn folder_in(base: &Path) -> Result<TempDir, Failure> {
    tempfile::Builder::new()
        .prefix("blockjob-bench-")
        .tempdir_in(base)
        .map_err(|error| format!("no scratch folder in {}: {error}", base.display()).into())
}

/// A child that runs. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    pid: Pid,
    live: Arc<Mutex<Live>>,
}

impl Running {
    /// The child's process id.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// The child's standard input and output, which the command must have asked for as pipes.
    pub(crate) fn pipes(&mut self) -> (ChildStdin, ChildStdout) {
        let input = self.child.stdin.take();
        let output = self.child.stdout.take();
        input
            .zip(output)
            .expect("the command asked for both pipes, and they are taken once")
    }

    /// Waits for the child's end.
    pub(crate) fn wait(mut self) -> Result<ExitStatus, Failure> {
        self.wait_for_end()
    }

    fn wait_for_end(&mut self) -> Result<ExitStatus, Failure> {
        // First wait without reaping: the number stays the child's until it is off the list.
        while let Err(errno) = waitid(
            Id::Pid(self.pid),
            WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT,
        ) {
            if errno != nix::errno::Errno::EINTR {
                return Err(errno.into());
            }
        }
        lock(&self.live).children.retain(|&pid| pid != self.pid);
        Ok(self.child.wait()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After a wait the child is known to have ended, and neither call does anything.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.wait_for_end();
        }
    }
}

fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_runs_over_its_limit_is_killed() {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let running = scratch.spawn(Command::new("sleep").arg("1000")).unwrap();
        let _limit = scratch.limit(0);
        assert!(!running.wait().unwrap().success());
    }

    #[test]
    fn dropping_a_running_child_ends_it_and_the_folder_goes_with_the_scratch() {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let running = scratch.spawn(Command::new("sleep").arg("1000")).unwrap();
        let pid = running.pid();
        drop(running);
        assert!(kill(pid, None).is_err(), "the child outlived its value");
        assert!(lock(&scratch.live).children.is_empty());
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
    }
}
