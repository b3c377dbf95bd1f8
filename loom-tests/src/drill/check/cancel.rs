//! CANCEL: a job that was cancelled by force takes no granules any more, and when it is concluded nothing
//! of it is on its way to the target.

use std::collections::{BTreeMap, BTreeSet};

use blockjob_jobs::mirror::steps::MirrorEvent;
use blockjob_jobs::state::JobStatus;
use blockjob_jobs::trace::JobTraceKind;

use super::{Checker, Scene};
use crate::drill::hub::Seen;

/// See the module.
#[derive(Default)]
pub(crate) struct Cancel {
    /// Jobs whose work is abandoned.
    forced: BTreeSet<String>,
    /// Targets of such jobs when these are concluded, until somebody starts anew.
    shut: BTreeMap<String, String>,
    /// Writes under way at each disk.
    writes: BTreeMap<String, u64>,
}

impl Cancel {
    fn concluded(&mut self, scene: &mut Scene<'_>, job: &str) {
        let Some(pair) = scene.pair(job) else { return };
        let target = pair.disks[1 - pair.place.lock().source].name().to_owned();
        if self.writes.get(&target).copied().unwrap_or(0) > 0 {
            return scene.fail("CANCEL", || {
                format!("'{job}' is concluded by force, and still writes to '{target}'")
            });
        }
        self.shut.insert(target, job.to_owned());
    }
}

impl Checker for Cancel {
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>) {
        match seen {
            Seen::Job(trace) => match trace.what {
                JobTraceKind::Cancel { force: true } => {
                    self.forced.insert(trace.job.to_string());
                }
                JobTraceKind::Status {
                    to: JobStatus::Concluded,
                    ..
                } if self.forced.remove(&*trace.job) => self.concluded(scene, &trace.job),
                JobTraceKind::Status {
                    to: JobStatus::Created,
                    ..
                } => {
                    if let Some(pair) = scene.pair(&trace.job) {
                        for disk in &pair.disks {
                            self.shut.remove(disk.name());
                        }
                    }
                }
                _ => {}
            },
            Seen::Mirror(trace) => {
                let takes = matches!(trace.event, MirrorEvent::MirrorIteration { .. });
                if takes && self.forced.contains(&*trace.job) {
                    let job = trace.job.clone();
                    scene.fail("CANCEL", || {
                        format!("'{job}' takes granules, and was cancelled by force")
                    });
                }
            }
            Seen::Disk(disk) if disk.writes => {
                let count = self.writes.entry(disk.disk.to_owned()).or_default();
                if !disk.begins {
                    *count = count.saturating_sub(1);
                    return;
                }
                *count += 1;
                if let Some(job) = self.shut.get(disk.disk).cloned() {
                    let disk = disk.disk;
                    scene.fail("CANCEL", || {
                        format!("somebody writes to '{disk}' after the forced end of '{job}'")
                    });
                }
            }
            _ => {}
        }
    }
}
