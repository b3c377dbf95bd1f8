//! Time, CPU and memory of one foreign process.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;

use super::disk;
use super::scratch::Scratch;
use crate::Failure;
use crate::clock::{Stopwatch, beside, pause};

/// The pause between two looks at a process's memory.
const SAMPLE_PAUSE: Duration = Duration::from_millis(5);

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Seconds until the copy was done and on the storage.
    pub(crate) wall_s: f64,
    /// Seconds of CPU, in user and system mode.
    pub(crate) cpu_s: f64,
    /// The largest resident set; none for a process too short to be looked at.
    pub(crate) max_rss_bytes: Option<u64>,
}

/// Runs a process to its end, then brings the target to the storage. The time covers both.
pub(crate) fn program(
    scratch: &Scratch,
    command: &mut Command,
    target: &Path,
) -> Result<Sample, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let watch = Stopwatch::start();
    let running = scratch.spawn(command)?;
    let gauge = Gauge::start(running.pid());
    let status = running.wait()?;
    if !status.success() {
        let name = command.get_program().display();
        return Err(format!("{name} failed: {status}").into());
    }
    disk::sync(target)?;
    let wall_s = watch.seconds();
    let (cpu_s, max_rss_bytes) = gauge.finish()?;
    Ok(Sample {
        wall_s,
        cpu_s,
        max_rss_bytes,
    })
}

/// CPU and memory of one child, from its start until it has been reaped.
pub(crate) struct Gauge {
    cpu_before_s: f64,
    ended: Arc<AtomicBool>,
    sampler: JoinHandle<Option<u64>>,
}

impl Gauge {
    /// Begins to look at a child that has just been started.
    pub(crate) fn start(pid: Pid) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let seen_end = Arc::clone(&ended);
        // The kernel keeps the high-water mark but drops it with the process's memory, before
        // the process can be reaped; so it is read again and again while the process lives.
        let sampler = beside(move || {
            let mut last = None;
            while !seen_end.load(Ordering::Relaxed) {
                match high_water_bytes(pid) {
                    Some(bytes) => last = Some(bytes),
                    None => break,
                }
                pause(SAMPLE_PAUSE);
            }
            last
        });
        Self {
            cpu_before_s: reaped_cpu_s().unwrap_or(0.0),
            ended,
            sampler,
        }
    }

    /// Seconds of CPU and the largest resident set in bytes. The child must have been reaped, and
    /// no other child meanwhile: the kernel adds up the CPU time of all.
    pub(crate) fn finish(self) -> Result<(f64, Option<u64>), Failure> {
        self.ended.store(true, Ordering::Relaxed);
        let max_rss_bytes = self
            .sampler
            .join()
            .map_err(|_| "the thread that samples memory panicked")?;
        Ok((reaped_cpu_s()? - self.cpu_before_s, max_rss_bytes))
    }
}

/// The CPU seconds of all children that ended so far.
fn reaped_cpu_s() -> Result<f64, Failure> {
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The largest resident set of a living process; none when its memory is gone.
fn high_water_bytes(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_fails_is_an_error_and_not_a_fast_copy() {
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let target = scratch.path().join("target");
        fs::write(&target, b"").unwrap();
        assert!(program(&scratch, &mut Command::new("false"), &target).is_err());
        assert!(program(&scratch, &mut Command::new("true"), &target).is_ok());
    }

    #[test]
    fn the_memory_of_a_living_process_is_seen() {
        let own = high_water_bytes(Pid::this()).expect("this process lives");
        assert!(own > 100 << 10, "{own} bytes are too few for any process");
    }
}
