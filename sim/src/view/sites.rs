//! What is decided where.

/// The sites with what is decided there. A test holds it against those that ask in many runs.
const SITES: &[(&str, &str)] = &[
    (
        "aio.next",
        "Which of the things that are ready in an event loop runs next.",
    ),
    (
        "world.actor",
        "Who acts next: a context, the disks, or a worker of the pool.",
    ),
    (
        "disk.deliver",
        "Which of the requests that are done is answered next.",
    ),
    (
        "disk.latency",
        "How long a request takes, in eighths of the usual time and more.",
    ),
    ("disk.tail", "How often the time of a request doubles."),
    (
        "disk.early",
        "When a request does what it does: at the end of its time, or sooner.",
    ),
    ("disk.fail", "Whether a request fails."),
    (
        "disk.hold",
        "Whether a request is held until the faults end.",
    ),
    (
        "disk.short",
        "Whether a transfer comes short, and how much of it is done.",
    ),
    (
        "disk.status",
        "How long the question takes what a disk holds.",
    ),
    (
        "disk.survives",
        "What of a write that no flush has made safe is there after a crash.",
    ),
    ("monitor.verb", "What the monitor does next."),
    (
        "monitor.when",
        "For what the monitor waits before it does it.",
    ),
    ("monitor.whom", "Which of the jobs the monitor means."),
    ("monitor.speed", "Which limit of speed the monitor sets."),
    (
        "monitor.mode",
        "Which mode of copying the monitor asks for.",
    ),
    (
        "monitor.hold",
        "For how long the monitor keeps something drained.",
    ),
    (
        "monitor.way",
        "In which of two ways the monitor moves a disk.",
    ),
    (
        "monitor.where",
        "Which context the monitor moves a disk to.",
    ),
    ("lab.deed", "What is done to the collector of lab 2 next."),
    (
        "lab.again",
        "What whoever gets the items of lab 2 does with that moment.",
    ),
    (
        "lab.note",
        "Whether a note of lab 3 takes a turn through the event loop.",
    ),
    ("lab.work", "How long a coroutine of lab 3 keeps its slot."),
    (
        "lab.patience",
        "How long a coroutine of lab 3 waits before it gives up.",
    ),
    ("lab.poke", "Whom somebody else wakes in lab 3."),
    (
        "probe.when",
        "When somebody drains a source again for an instant.",
    ),
    ("guest.kind", "What a guest asks for next."),
    ("guest.place", "Where a guest's request begins."),
    ("guest.span", "How long a guest's request is."),
    (
        "guest.rest",
        "How long a guest rests before its next request.",
    ),
    ("guest.unmap", "Whether a guest's zeroes may become a hole."),
    ("guest.abandon", "Whether a guest waits for its request."),
];

/// What is decided at the site of that name, in a sentence; empty if that is not known.
pub fn what_of_site(name: &str) -> &'static str {
    let known = SITES.iter().find(|(known, _)| *known == name);
    known.map_or("", |(_, what)| what)
}
