//! What guests get done.

use super::metrics::GuestMetrics;
use super::quantiles::Quantiles;
use crate::cast::Cast;
use crate::event::{GuestEvent, GuestWhat};

/// Watches the guests; each keeps its latencies itself.
#[derive(Default)]
pub(super) struct GuestWatch {
    guests: Vec<Tally>,
}

#[derive(Clone, Default)]
struct Tally {
    first_ns: Option<u64>,
    last_ns: u64,
    bytes: u64,
}

impl Tally {
    fn active_ns(&self) -> u64 {
        self.first_ns.map_or(0, |first| self.last_ns - first)
    }

    /// Both as if they were one.
    fn with(&self, other: &Tally) -> Tally {
        Tally {
            first_ns: [self.first_ns, other.first_ns].into_iter().flatten().min(),
            last_ns: self.last_ns.max(other.last_ns),
            bytes: self.bytes + other.bytes,
        }
    }
}

impl GuestWatch {
    pub(super) fn see(&mut self, now_ns: u64, event: &GuestEvent) {
        if event.guest >= self.guests.len() {
            self.guests.resize(event.guest + 1, Tally::default());
        }
        let tally = &mut self.guests[event.guest];
        match event.what {
            GuestWhat::Asks => {
                tally.first_ns.get_or_insert(now_ns);
            }
            GuestWhat::Done => {
                tally.bytes += event.bytes;
                tally.last_ns = now_ns;
            }
            GuestWhat::Failed => tally.last_ns = now_ns,
            GuestWhat::Abandons => {}
        }
    }

    /// Those of each guest, and of all together.
    pub(super) fn metrics(&self, cast: &Cast) -> (Vec<GuestMetrics>, GuestMetrics) {
        let everybody = cast.pairs.iter().flat_map(|pair| &pair.guests);
        let mut each = Vec::new();
        let mut all_ns = Vec::new();
        let mut sum = Tally::default();
        for (number, guest) in everybody.enumerate() {
            let mut latencies_ns = guest.latencies_ns();
            all_ns.extend_from_slice(&latencies_ns);
            let tally = self.guests.get(number).cloned().unwrap_or_default();
            each.push(metrics(&mut latencies_ns, &tally));
            sum = sum.with(&tally);
        }
        let all = metrics(&mut all_ns, &sum);
        (each, all)
    }
}

fn metrics(latencies_ns: &mut [u64], tally: &Tally) -> GuestMetrics {
    GuestMetrics {
        requests: latencies_ns.len() as u64,
        bytes: tally.bytes,
        latency_ns: Quantiles::of(latencies_ns),
        active_ns: tally.active_ns(),
    }
}
