//! Bugs of drained sections, drivers and dirty bitmaps.

use crate::museum::exhibit::{Exhibit, Finder, State, exhibit};

exhibit! {
    DRN_01, "DRN-01", "A request that was let go and has not run yet is counted nowhere",
    went_wrong: "Requests that come while a backend is drained wait in a queue and are not in flight. The \
        end of the section woke them, and each counted itself when it ran. A second section that began in \
        between saw nothing in flight, and the requests then ran inside of it.",
    qemu: "block/block-backend.c, blk_root_drained_end and blk_wait_while_drained; mended by 8eeaa706ba",
    seen_as: "an assertion in bdrv_drain_all_begin; in a mirror's completion it would lose a write",
    breaks: ["INFLIGHT", "DRAIN"],
    found_by: Simulator,
    state: State::Here { site: "block: backend, BlockBackend::drained_end; backend::io, BlockBackend::begin" },
}

exhibit! {
    DRN_09, "DRN-09", "A drained section does not wait until its jobs stand still",
    went_wrong: "The section asked the job to pause and went on: nobody asked the job whether it did. Even \
        the unit test said so, and wondered.",
    qemu: "blockjob.c, child_job_drained_begin without a child_job_drained_poll; mended by 89bd030533",
    seen_as: "I/O of a job inside of drained sections",
    breaks: ["DRAIN"],
    found_by: Simulator,
    state: State::Here { site: "jobs: block_job, BlockJob::drained_poll" },
}

exhibit! {
    THR_04, "THR-04", "The rest of a short read is taken from the wrong place",
    went_wrong: "After a short read the next one was submitted at the number of bytes that had been read, \
        instead of so many bytes behind the first one's place.",
    qemu: "block/io_uring.c, luring_resubmit_short_read; broken since 6663a0a337",
    seen_as: "wrong data where a read came back short, and a mirror that copies it",
    breaks: ["DATA"],
    found_by: Simulator,
    state: State::Here { site: "block: driver::transfer, read_full" },
}

exhibit! {
    BMP_02, "BMP-02", "A bitmap that was merged into keeps its old count",
    went_wrong: "A merge took over the bits and not their number. A bitmap that said it had none was then \
        passed over by the next merge.",
    qemu: "util/hbitmap.c, hbitmap_merge; mended by d1dde7149e, broken since be58721db",
    seen_as: "dirty data that is taken for clean",
    breaks: ["COUNT"],
    found_by: Property,
    state: State::Here { site: "block: dirty_bitmap, DirtyBitmap::merge_from" },
}
