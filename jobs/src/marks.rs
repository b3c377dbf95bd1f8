//! The rare places of this crate, as marks: see [`Mark`].

use blockjob_runtime::trace::Mark;

use crate::error_policy::{ErrorAction, OnError};

blockjob_runtime::marks! {
    INIT_SLEPT "init-slept" "The mirror slept in the middle of finding out what is dirty.";
    INIT_CANCELLED "init-cancelled" "The mirror was cancelled while it found out what is dirty.";
    CANCELLED_FIRST "cancelled-first" "The mirror was cancelled before its coroutine had run.";
    SLICE_OVER "slice-over" "The mirror had something to do and did not, because its slice of time was over.";
    ALL_IN_FLIGHT "all-in-flight" "All that was dirty was being copied at that moment.";
    CLAIM_CUT "claim-cut" "A claim ended where a granule was in flight.";
    CLAIM_WIDENED "claim-widened" "A claim was widened to the target's clusters.";
    COPIED_AGAIN "copied-again" "A granule was copied once more, because a guest had written to it.";
    STATUS_THEN_DIRTY "status-then-dirty" "A guest wrote to a claim while the source was asked what it knows of it.";
    READ_THEN_DIRTY "read-then-dirty" "A guest wrote to what was being read for a copy.";
    PART_WAITED "part-waited" "A part of a claim waited for another one to end.";
    ROOM_KEPT "room-kept" "A claim was kept for want of memory that all jobs share.";
    ROOM_AWAITED "room-awaited" "A mirror yielded until other jobs had given memory back.";
    HOLE_SKIPPED "hole-skipped" "Zeroes of the source were not written, because the target reads as zeroes.";
    CLAIM_ABANDONED "claim-abandoned" "The mirror ended with a part of a claim not begun.";
    CLAIM_GIVEN_UP "claim-given-up" "The mirror ended with a claim that waited for memory.";
    ROOM_NOT_AWAITED "room-not-awaited" "A claim that waited for memory was given up for a guest's write.";
    GUEST_OUTRANKED "guest-outranked" "The mirror claimed a granule that guests kept writing to, and waited for them.";
    ACTIVE_WAITED "active-waited" "An active write waited for another one or for a copy.";
    ACTIVE_NOT_NOW "active-not-now" "A guest's write was not copied at once, because the job stood still or was over.";
    ACTIVE_LEFT_OUT "active-left-out" "A part of an active write was left for the job to copy.";
    ACTIVE_SOURCE_FAILED "active-source-failed" "The source failed an active write.";
    ACTIVE_TARGET_FAILED "active-target-failed" "The target failed an active write.";
    ACTIVE_LET_GO "active-let-go" "A guest was let go before the target had its write.";
    EXIT_AWAITED_ACTIVE "exit-awaited-active" "A mirror that was over waited for what guests that were let go had left at the target.";
    ACTIVE_LATE "active-late" "A guest was let go because its budget was used up, before the target had its write.";
    ACTIVE_GIVEN_UP "active-given-up" "A guest's write was not copied at once, because that would have been over its budget.";
    AUTO_TURNED "auto-turned" "A mirror turned to write-blocking because the background could not win.";
    GUEST_SPARED "guest-spared" "A mirror rested for the sake of its guest.";
    RETRY_LATER "retry-later" "The mirror slept because a request had failed and the policy said to go on.";
    FLUSH_FAILED "flush-failed" "The flush before READY failed.";
    FLUSH_FAILED_IN_DRAIN "flush-failed-in-drain" "The flush within the last drained section failed.";
    DIRTY_AGAIN "dirty-again" "A mirror that was READY found something dirty.";
    DIRT_IN_DRAIN "dirt-in-drain" "The source was drained to complete, counted again, and was not clean.";
    PIVOT_NESTED "pivot-nested" "The users of the source got the target while somebody else drained the source, too.";
    ERROR_REPORTED "error-reported" "A failed request ended a job.";
    ERROR_IGNORED "error-ignored" "A failed request was passed over.";
    ERROR_STOPPED "error-stopped" "A failed request paused a job.";
    FULL_STOPPED "full-stopped" "A full disk paused a job that would have failed by another error.";
    FULL_REPORTED "full-reported" "Another error failed a job that a full disk would have paused.";
    STOPPED_TWICE "stopped-twice" "A failed request was to pause a job that stood still for its user already.";
    DRAINED_WHEN_PAUSED "drained-when-paused" "A job that stood still already was asked to, by a drained section or its user.";
    PAUSED_WHEN_READY "paused-when-ready" "A job that was READY came to stand still.";
    PAUSE_TOO_SHORT "pause-too-short" "A pause ended while the driver waited for its requests.";
    ENTERED_EARLY "entered-early" "A job was entered before its sleep was over.";
    RATE_SLEPT "rate-slept" "A job slept because of its speed limit.";
    SPEED_WHEN_ASLEEP "speed-when-asleep" "The speed of a job was changed while it slept.";
    CANCEL_SOFT "cancel-soft" "A job that was READY was cancelled softly.";
    CANCEL_FORCED "cancel-forced" "A job that had not been READY was cancelled.";
    CANCEL_HARDER "cancel-harder" "A job was cancelled by force that had been cancelled softly.";
    CANCEL_WHEN_PAUSED "cancel-when-paused" "A job that its user had paused was cancelled.";
    CANCEL_DEFERRED "cancel-deferred" "A job was cancelled between the end of its coroutine and its completion.";
    CANCEL_DONE "cancel-done" "A job was cancelled that was completed and not concluded.";
    TXN_SIBLING "txn-sibling" "A job was cancelled because another one of its transaction had failed.";
    TXN_WAITED "txn-waited" "A job had succeeded and waited for others of its transaction.";
}

/// The mark for what `on_error` has made of an error.
pub(crate) fn of_error(on_error: OnError, action: ErrorAction) -> &'static Mark {
    match (on_error, action) {
        (OnError::Enospc | OnError::Auto, ErrorAction::Stop) => &FULL_STOPPED,
        (OnError::Enospc | OnError::Auto, ErrorAction::Report) => &FULL_REPORTED,
        (_, ErrorAction::Stop) => &ERROR_STOPPED,
        (_, ErrorAction::Report) => &ERROR_REPORTED,
        (_, ErrorAction::Ignore) => &ERROR_IGNORED,
    }
}
