//! One run: a guest at work, a mirror that begins meanwhile, and what both came to.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::fio::{Felt, Guest, Load, RAMP_S};
use super::server::{Below, Daemon, Image, QemuNbd, Served};
use crate::Failure;
use crate::clock::pause;
use crate::peer::daemon::wait_for;
use crate::peer::disk::{self, Layout};
use crate::peer::scratch::Scratch;
use crate::peer::verify::{self, Depth};

/// How long the guest is alone.
const ALONE: Duration = Duration::from_secs(1);
/// What a run may take besides the time that is measured.
const LIMIT_S: u32 = 60;

/// Where the two disks are.
#[derive(Clone, Copy)]
pub(crate) struct Disks<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) size_bytes: u64,
    /// Past the page cache, on both sides.
    pub(crate) direct: bool,
    /// The target is behind a `qemu-nbd`.
    pub(crate) nbd: bool,
}

/// The job.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    /// The mode of copying.
    pub(crate) copy_mode: &'static str,
    /// Bytes per second at most; 0 for no limit.
    pub(crate) speed_bytes: u64,
}

/// What a mirror came to while the guest was at work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copied {
    /// Seconds from its start until it was ready; none if it never was.
    pub(crate) ready_s: Option<f64>,
    /// Bytes that went to the target beyond one pass over the disk, active writes included.
    pub(crate) again_bytes: u64,
}

/// A run that went well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) felt: Felt,
    /// None without a mirror.
    pub(crate) copied: Option<Copied>,
}

/// Measures a guest during a mirror, or without one. Then the mirror is completed, and the copy
/// compared with the source: a run whose copy is none is a failure.
pub(crate) fn one(
    scratch: &Scratch,
    daemon: &Daemon,
    disks: Disks<'_>,
    load: Load,
    job: Option<Job>,
    seed: usize,
) -> Result<Outcome, Failure> {
    let _limit = scratch.limit(RAMP_S + load.seconds + LIMIT_S);
    let (source, target) = (
        disks.folder.join("source.raw"),
        disks.folder.join("target.raw"),
    );
    let layout = Layout {
        size_bytes: disks.size_bytes,
        piece_bytes: 1 << 20,
        stride_bytes: 1 << 20,
    };
    disk::make(&source, layout)?;
    disk::make_empty(&target, disks.size_bytes)?;
    let server = match disks.nbd && job.is_some() {
        true => Some(QemuNbd::start(scratch, "raw", &target)?),
        false => None,
    };
    let raw = |below| Image {
        format: "raw",
        below,
    };
    let file = |path| Below::File {
        path,
        direct: disks.direct,
    };
    let below_target = match &server {
        Some(server) => Below::Nbd {
            socket: &server.socket,
        },
        None => file(&target),
    };
    let below_target = job.is_some().then(|| raw(below_target));
    let mut served = Served::start(scratch, daemon, raw(file(&source)), below_target)?;

    let guest = Guest::start(scratch, &served.socket, disks.size_bytes, load, seed)?;
    // What is counted begins later, with the mirror under way.
    pause(ALONE);
    if let Some(job) = job {
        start(&mut served, job)?;
    }
    let felt = guest.finish()?;
    let copied = match job {
        None => None,
        Some(job) => Some(end(&mut served, job, disks.size_bytes)?),
    };
    served.quit()?;
    drop(server);
    if copied.is_some() {
        verify::same(&source, &target, &[], Depth::Full)?;
    }
    disk::remove(&target)?;
    disk::remove(&source)?;
    Ok(Outcome { felt, copied })
}

fn start(served: &mut Served, job: Job) -> Result<(), Failure> {
    let arguments = json!({
        "job-id": "mirror0", "device": "source", "target": "target", "sync": "full",
        "copy-mode": job.copy_mode, "speed": job.speed_bytes, "auto-dismiss": false,
    });
    served.qmp.execute("blockdev-mirror", arguments)?;
    Ok(())
}

/// The guest has ended: notes how far the job had come, and completes it.
fn end(served: &mut Served, job: Job, size_bytes: u64) -> Result<Copied, Failure> {
    let qmp = &mut served.qmp;
    let jobs = qmp.execute("query-block-jobs", json!({}))?;
    // All that happened before the reply came before it.
    let events = qmp.take_events();
    let ready_s = ready_s(&events);
    let Some(offset) = jobs[0]["offset"].as_u64() else {
        return Err(format!("the mirror is gone: {events:?}").into());
    };
    if job.speed_bytes > 0 {
        let arguments = json!({"device": "mirror0", "speed": 0});
        qmp.execute("block-job-set-speed", arguments)?;
    }
    if ready_s.is_none() {
        wait_for(qmp, "ready")?;
    }
    qmp.execute("job-complete", json!({"id": "mirror0"}))?;
    wait_for(qmp, "concluded")?;
    qmp.execute("job-dismiss", json!({"id": "mirror0"}))?;
    Ok(Copied {
        ready_s,
        again_bytes: offset.saturating_sub(size_bytes),
    })
}

/// Seconds from the job's creation until it was ready, by the daemon's clock.
fn ready_s(events: &[Value]) -> Option<f64> {
    let at_s = |event: &Value| {
        let part = |name: &str| event["timestamp"][name].as_f64();
        Some(part("seconds")? + part("microseconds")? / 1e6)
    };
    let created = events.iter().find(|event| {
        event["event"] == "JOB_STATUS_CHANGE" && event["data"]["status"] == "created"
    })?;
    let ready = events
        .iter()
        .find(|event| event["event"] == "BLOCK_JOB_READY")?;
    Some(at_s(ready)? - at_s(created)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, status: &str, us: u64) -> Value {
        json!({"event": name, "data": {"status": status},
               "timestamp": {"seconds": 7, "microseconds": us}})
    }

    #[test]
    fn the_time_until_ready_runs_from_the_creation_of_the_job() {
        let created = event("JOB_STATUS_CHANGE", "created", 100_000);
        let ready = event("BLOCK_JOB_READY", "", 600_000);
        let seconds = ready_s(&[created.clone(), ready]).unwrap();
        assert!((seconds - 0.5).abs() < 1e-6, "{seconds}");
        assert_eq!(ready_s(&[created]), None);
    }
}
