//! Signals, as events of the context.

use std::fs;
use std::io;

use async_signal::{Signal, Signals};
use blockjob::runtime::AioContext;
use futures_lite::StreamExt;

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

/// Calls `callback` with each signal, in the event loop, outside of coroutines.
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
        .filter(|signal| ignored & (1 << (*signal as i32 - 1)) == 0);
    let mut signals = Signals::new(watched)?;
    let context = ctx.clone();
    let watcher = ctx.coroutine("signals", async move {
        while let Some(Ok(signal)) = signals.next().await {
            if signal == Signal::Xfsz {
                continue;
            }
            let callback = callback.clone();
            context.schedule_oneshot("signal", move || callback(signal));
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
