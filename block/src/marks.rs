//! The rare places of this crate, as marks: see [`Mark`](blockjob_runtime::trace::Mark).

blockjob_runtime::marks! {
    DRAIN_POLLED "drain-polled" "A drained section that is polled for was established only after something had ended.";
    DRAIN_AWAITED "drain-awaited" "A drained section that a coroutine asks for was established only after something had ended.";
    DRAIN_NESTED "drain-nested" "A drained section began in another one of the same node.";
    DRAIN_OVER_FLIGHT "drain-over-flight" "A drained section began while a backend had requests in flight.";
    QUEUED_NESTED "queued-nested" "A request was queued while several drained sections of its node were open.";
    QUEUE_RELEASED "queue-released" "The end of a drained section let queued requests go on.";
    QUEUE_MOVED "queue-moved" "Requests were queued at a backend while it was given another node.";
    SERIALISED "serialised" "A request waited for another one that it must not overlap.";
    PADDED_WRITE "padded-write" "A write read and wrote back what surrounds it, up to the driver's alignment.";
    PADDED_ZERO "padded-zero" "A write of zeroes read and wrote back what surrounds it.";
}
