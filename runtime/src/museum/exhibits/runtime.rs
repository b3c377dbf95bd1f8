//! Bugs of event loops and co-locks.

use crate::museum::exhibit::{Exhibit, Finder, State, exhibit};

exhibit! {
    AIO_01, "AIO-01", "A poll that does not wait takes the notice that was meant for one that does",
    went_wrong: "An iothread had announced that it will wait. The main thread notified it, then polled \
        the same context without waiting, and that poll cleared the notice. The iothread went to sleep.",
    qemu: "util/async.c, aio_notify_accept; mended by b37548fcd1",
    seen_as: "a device that is dead from the start, on one or two of many machines booted at once",
    breaks: ["WAKE"],
    found_by: Loom,
    state: State::NotExpressible {
        why: "only the thread of a context polls it: `AioContext` is not `Send`, so there is no second poll \
            that could take the notice, and a poll of its own that does not wait does not touch it. What \
            remains is the model notify a_poll_that_does_not_block_leaves_nothing_behind",
    },
}

exhibit! {
    AIO_02, "AIO-02", "Poller and notifier do not see each other's store",
    went_wrong: "The poller stored that it will wait and then looked for work; the notifier stored work \
        and then looked for a poller. On one side a full barrier was missing, so that on some processors \
        both could see the old value.",
    qemu: "util/async.c, aio_notify; util/aio-posix.c, aio_poll; mended by 5710a3e09f",
    seen_as: "hangs on processors that order memory weakly",
    breaks: ["WAKE"],
    found_by: Loom,
    state: State::Here { site: "runtime: handle, Shared::notify" },
}

exhibit! {
    AIO_03, "AIO-03", "A kick does not see that somebody waits for it",
    went_wrong: "Who changed the condition then looked whether anybody waits; who waits said so and then \
        looked at the condition. Without barriers each could miss the other.",
    qemu: "util/aio-wait.c, aio_wait_kick; mended by 7455ff1aa0",
    seen_as: "a wait for a condition that has come true",
    breaks: ["WAKE"],
    found_by: Loom,
    state: State::Here { site: "runtime: handle, AioHandle::kick" },
}

exhibit! {
    AIO_05, "AIO-05", "A context is not told that its guest's sources are no longer masked",
    went_wrong: "While a guest's event sources were masked an iothread built its set of things to wait \
        for without them, and slept. Taking the mask away only counted down: the sleeper went on waiting \
        for a set that lacked the guest. Here a context looks at a source again only when it is told to, \
        and so its own thread is concerned as well.",
    qemu: "include/block/aio.h, aio_enable_external; mended in May 2017",
    seen_as: "a device that does not answer after a snapshot",
    breaks: ["WAKE"],
    found_by: Simulator,
    state: State::Here { site: "runtime: handle, AioHandle::enable_external" },
}

exhibit! {
    LCK_01, "LCK-01", "Readers stay asleep when the writer becomes a reader",
    went_wrong: "The lock took for granted that whoever holds it for reading can run, and woke the next \
        in line only when the last reader left. A writer that became a reader woke nobody, and if it then \
        waited for one of the readers in the line, that was all.",
    qemu: "util/qemu-coroutine-lock.c, qemu_co_rwlock_downgrade; mended by 050de36b13",
    seen_as: "readers that starve or hang",
    breaks: ["RWLOCK"],
    found_by: Property,
    state: State::Here { site: "runtime: co_rwlock, WriteGuard::downgrade" },
}

exhibit! {
    LCK_02, "LCK-02", "Neither side of a hand-off takes the mutex on",
    went_wrong: "Who locks joins the line and then looks whether the mutex is being handed on; who \
        unlocks offers it and then looks at the line. The barrier in between was missing, so that both \
        could miss each other. The message names the barrier; that a waiter would sleep beside a free \
        mutex is our conclusion. Here one access both joins and looks, which needs no barrier; the bug takes \
        it apart.",
    qemu: "util/qemu-coroutine-lock.c, qemu_co_mutex_unlock; mended in the series before 8.0 about barriers",
    seen_as: "a mutex that is free, and a coroutine that waits for it",
    breaks: ["WAKE", "PROGRESS"],
    found_by: Loom,
    state: State::Here { site: "runtime: co_mutex, CoMutex::announce_waiter" },
}
