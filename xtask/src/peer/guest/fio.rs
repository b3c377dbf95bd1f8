//! The guest: `fio` with its NBD engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Failure;
use crate::clock::Stopwatch;
use crate::peer::scratch::{Running, Scratch};

/// Seconds of each run that fio does not count. The mirror begins in them, under load.
pub(crate) const RAMP_S: u32 = 2;

/// What the guest does.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// `randwrite`, `randread` or `randrw`, as fio has them.
    pub(crate) rw: &'static str,
    pub(crate) block_bytes: u64,
    /// Requests under way at once.
    pub(crate) depth: u32,
    /// Bytes per second at most; none for as fast as it goes.
    pub(crate) rate_bytes: Option<u64>,
    /// How long is counted.
    pub(crate) seconds: u32,
}

/// What the guest felt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Felt {
    /// Requests a second.
    pub(crate) iops: f64,
    /// Microseconds in which 99 of 100 requests were done.
    pub(crate) p99_us: f64,
}

/// A guest at work.
pub(crate) struct Guest {
    running: Running,
    report: PathBuf,
    watch: Stopwatch,
    /// How long it is to take, in seconds.
    planned_s: u32,
}

impl Guest {
    /// Starts a guest on the export `disk` behind a socket. `seed` decides where it writes.
    pub(crate) fn start(
        scratch: &Scratch,
        socket: &Path,
        size_bytes: u64,
        load: Load,
        seed: usize,
    ) -> Result<Self, Failure> {
        Self::start_on(scratch, socket, "disk", size_bytes, load, seed)
    }

    /// The same on an export of another name. Guests of different exports may work at once.
    pub(crate) fn start_on(
        scratch: &Scratch,
        socket: &Path,
        export: &str,
        size_bytes: u64,
        load: Load,
        seed: usize,
    ) -> Result<Self, Failure> {
        let report = scratch.path().join(format!("fio-{export}.json"));
        let mut command = Command::new("fio");
        command
            // One process: whoever kills it has killed all of it.
            .args(["--name=guest", "--thread", "--ioengine=nbd"])
            .arg(format!("--uri={}", uri(socket, export)))
            .arg(format!("--rw={}", load.rw))
            .arg(format!("--bs={}", load.block_bytes))
            .arg(format!("--iodepth={}", load.depth))
            .arg(format!("--size={size_bytes}"))
            .args(["--norandommap", "--time_based"])
            // The processor's counter, which fio would calibrate by itself, goes wrong under load.
            .arg("--clocksource=clock_gettime")
            .arg(format!("--randseed={}", seed + 1))
            .arg(format!("--ramp_time={RAMP_S}"))
            .arg(format!("--runtime={}", load.seconds))
            .arg("--output-format=json")
            .arg(format!("--output={}", report.display()));
        if let Some(rate_bytes) = load.rate_bytes {
            command.arg(format!("--rate={rate_bytes}"));
        }
        command
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let watch = Stopwatch::start();
        let running = scratch.spawn(&mut command)?;
        Ok(Self {
            running,
            report,
            watch,
            planned_s: RAMP_S + load.seconds,
        })
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Result<Felt, Failure> {
        let status = self.running.wait()?;
        if !status.success() {
            return Err(format!("the guest failed: {status}").into());
        }
        let (took_s, planned_s) = (self.watch.seconds(), self.planned_s);
        if took_s < f64::from(planned_s) {
            return Err(format!("the guest took {took_s:.1} s for {planned_s}").into());
        }
        let text = fs::read_to_string(&self.report)?;
        felt(&text)
    }
}

/// An export behind a unix socket.
pub(crate) fn uri(socket: &Path, export: &str) -> String {
    format!("nbd+unix:///{export}?socket={}", socket.display())
}

/// Reads fio's report. Of a guest that reads and writes, the rates add up, and the slower of the two
/// counts.
fn felt(report: &str) -> Result<Felt, Failure> {
    // There may be warnings before it.
    let json = report.find('{').map_or("", |start| &report[start..]);
    let report: Value = serde_json::from_str(json)?;
    let job = &report["jobs"][0];
    if job["error"] != 0 {
        return Err(format!("the guest met error {}", job["error"]).into());
    }
    let mut felt = Felt {
        iops: 0.0,
        p99_us: 0.0,
    };
    for way in ["read", "write"] {
        felt.iops += job[way]["iops"].as_f64().unwrap_or(0.0);
        let p99_ns = job[way]["clat_ns"]["percentile"]["99.000000"].as_f64();
        felt.p99_us = felt.p99_us.max(p99_ns.unwrap_or(0.0) / 1000.0);
    }
    match felt.iops > 0.0 {
        true => Ok(felt),
        false => Err("the guest was not served at all".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(error: u32, iops: [f64; 2], p99_ns: [u64; 2]) -> String {
        let way = |way: usize| {
            serde_json::json!({"iops": iops[way],
                "clat_ns": {"percentile": {"99.000000": p99_ns[way]}}})
        };
        let job = serde_json::json!({"error": error, "read": way(0), "write": way(1)});
        format!("fio: a warning\n{}", serde_json::json!({"jobs": [job]}))
    }

    #[test]
    fn rates_of_both_ways_add_up_and_the_slower_of_the_two_counts() {
        let felt = felt(&report(0, [100.0, 50.5], [3000, 7000])).unwrap();
        assert_eq!((felt.iops, felt.p99_us), (150.5, 7.0));
    }

    #[test]
    fn a_guest_with_an_error_or_without_a_request_is_a_failure() {
        assert!(felt(&report(5, [100.0, 50.5], [3000, 7000])).is_err());
        assert!(felt(&report(0, [0.0, 0.0], [0, 0])).is_err());
        assert!(felt("nothing").is_err());
    }
}
