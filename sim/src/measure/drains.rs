//! How long drained sections take to begin.

use blockjob_block::request::BlockTrace;

use super::metrics::{DrainMetrics, DrainSample};
use super::quantiles::Quantiles;

/// Watches drained sections.
#[derive(Default)]
pub(super) struct DrainWatch {
    /// The number, and when it was asked for, of each section that is not established.
    asked: Vec<(u64, u64)>,
    latencies_ns: Vec<u64>,
    samples: Vec<DrainSample>,
}

impl DrainWatch {
    /// Something happens in the block layer, at `now_ns`. Sections that are asked for in the calm are
    /// not measured: nobody is busy then.
    pub(super) fn see(&mut self, now_ns: u64, calm: bool, seen: &BlockTrace) {
        match seen {
            BlockTrace::DrainBegin { section, .. } if !calm => self.asked.push((*section, now_ns)),
            BlockTrace::Drained {
                node,
                section,
                owner,
            } => {
                let Some(at_ns) = self.take(*section) else {
                    return;
                };
                let latency_ns = now_ns - at_ns;
                self.latencies_ns.push(latency_ns);
                if self.samples.len() < DrainMetrics::MAX_SAMPLES {
                    self.samples.push(DrainSample {
                        node: node.to_string(),
                        owner,
                        at_ns,
                        latency_ns,
                    });
                }
            }
            // A section that was given up before it was established has no latency.
            BlockTrace::DrainEnd { section, .. } => drop(self.take(*section)),
            _ => {}
        }
    }

    fn take(&mut self, section: u64) -> Option<u64> {
        let place = self.asked.iter().position(|(id, _)| *id == section)?;
        Some(self.asked.swap_remove(place).1)
    }

    pub(super) fn metrics(&mut self) -> DrainMetrics {
        DrainMetrics {
            latency_ns: Quantiles::of(&mut self.latencies_ns),
            sections: std::mem::take(&mut self.samples),
        }
    }
}
