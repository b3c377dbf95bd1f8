//! Whether a mirror catches up with whoever writes to its disk.
//!
//! QEMU has no counterpart.

use blockjob_jobs::driver::MirrorCopyMode;

use crate::{qapi_enum, qapi_struct};

qapi_enum! {
    /// What will come of a mirror if all goes on as it went in the last two seconds.
    pub enum XMirrorForecast {
        /// There is not enough to tell from yet.
        "unknown" Unknown,
        /// It has caught up.
        "ready" Ready,
        /// It catches up.
        "ready-in" ReadyIn,
        /// It never does: the guest makes as much dirty as is copied, or more.
        "diverges" Diverges,
        /// It copies as fast as the guest writes and next to nothing is left, but something always is.
        "keeps-up" KeepsUp,
        /// Nothing is copied.
        "stalled" Stalled,
        /// It stands still.
        "waits" Waits,
    }
}

qapi_enum! {
    /// What keeps a mirror from copying, or from copying faster.
    pub enum XMirrorLimit {
        /// It was asked to stand still, by its user or a drained section.
        "pause" Pause,
        /// An error has stopped it.
        "error" Error,
        /// Its speed limit.
        "speed" Speed,
        /// What it may cost the guest: `x-guest-latency-us`.
        "guest-latency" GuestLatency,
        /// Other jobs fill the memory that all share.
        "memory" Memory,
    }
}

qapi_struct! {
    /// How a mirror gets on with whoever writes to its disk.
    pub struct XMirrorConvergence {
        /// How the guest's writes get to the target now; never `auto`.
        "mode" mode: MirrorCopyMode,
        /// What was asked for.
        "asked-mode" asked_mode: MirrorCopyMode,
        /// Bytes to be copied.
        "dirty-bytes" dirty_bytes: u64,
        /// Bytes that are being copied.
        "in-flight-bytes" in_flight_bytes: u64,
        /// Bytes of data that were copied, recopied ones included.
        "copied-bytes" copied_bytes: u64,
        /// Bytes of granules that were taken again.
        "recopied-bytes" recopied_bytes: u64,
        /// Bytes of the guest's writes that went to both sides at once.
        "active-bytes" active_bytes: u64,
        /// How much becomes dirty by what the guest writes, in bytes per second of the last two seconds;
        /// what is dirty already does not count.
        "dirty-rate" dirty_rate: Option<u64>,
        /// How much becomes clean by copies, or by writes to both sides that cover it, in bytes per second.
        "copy-rate" copy_rate: Option<u64>,
        /// What will come of it.
        "forecast" forecast: XMirrorForecast,
        /// If it catches up, when: in milliseconds from now.
        "ready-in-ms" ready_in_ms: Option<u64>,
        /// What holds it back.
        "limited-by" limited_by: Option<XMirrorLimit>,
        /// What it may cost the guest, in microseconds a request.
        "guest-latency-us" guest_latency_us: Option<u64>,
        /// What its copies cost the guest lately, in microseconds a request, as a mean. Only measured if
        /// that is limited.
        "guest-cost-us" guest_cost_us: Option<u64>,
    }
}
