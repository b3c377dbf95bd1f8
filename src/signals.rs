//! Signals, as events of the context.

use std::fs;
use std::io;

use std::os::unix::net::UnixStream;

use blockjob::runtime::AioContext;
use blockjob::runtime::io::Async;
use signal_hook::consts;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

/// A signal that the program has an answer to, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Signal {
    Hup = consts::SIGHUP,
    Int = consts::SIGINT,
    Quit = consts::SIGQUIT,
    Term = consts::SIGTERM,
    Cont = consts::SIGCONT,
    Xfsz = consts::SIGXFSZ,
}

/// Those that end the program, unless whoever started it had them ignored (`nohup`, a job in the
/// background of a script); the one that lets a stopped job go on; and the one that a file gives that
/// becomes larger than allowed, where the error of the write is enough.
const WATCHED: [Signal; 6] = [
    Signal::Hup,
    Signal::Int,
    Signal::Quit,
    Signal::Term,
    Signal::Cont,
    Signal::Xfsz,
];

/// Calls `callback` with each signal, in the event loop of `ctx`, which is current, outside of
/// coroutines. Signals of one kind that come at once count as one.
///
/// # Errors
///
/// If the handlers cannot be installed.
pub(crate) fn watch(
    ctx: &AioContext,
    callback: impl Fn(Signal) + Clone + 'static,
) -> io::Result<()> {
    let ignored = ignored_mask();
    let watched = WATCHED
        .into_iter()
        .filter(|signal| ignored & (1 << (*signal as i32 - 1)) == 0)
        .map(|signal| signal as i32);
    // The handlers write into it; they run in whichever thread the system chooses.
    let (told, teller) = UnixStream::pair()?;
    let news = Async::new(told.try_clone()?)?;
    let mut signals = SignalDelivery::with_pipe(told, teller, SignalOnly, watched)?;
    let context = ctx.clone();
    let watcher = ctx.coroutine("signals", async move {
        while news.readable().await.is_ok() {
            // This reads what was written, too.
            for number in signals.pending() {
                let signal = WATCHED.into_iter().find(|signal| *signal as i32 == number);
                let Some(signal) = signal.filter(|signal| *signal != Signal::Xfsz) else {
                    continue;
                };
                let callback = callback.clone();
                context.schedule_oneshot("signal", move || callback(signal));
            }
        }
    });
    watcher.enter();
    Ok(())
}

/// The status of a process that a signal ended, as shells show it.
pub(crate) fn exit_status(signal: Signal) -> u8 {
    128u8.saturating_add(signal as u8)
}

/// The name as people know it.
pub(crate) fn name(signal: Signal) -> String {
    format!("SIG{}", format!("{signal:?}").to_uppercase())
}

/// The signals that this process ignores from its start, by bits. A system that does not tell has
/// none.
fn ignored_mask() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
