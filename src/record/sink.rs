//! What a context tells its recording.

use std::cell::RefCell;

use blockjob::runtime::trace::{CoroutineId, Event, Trace, Wants};
use blockjob_sim::record::What;

use super::Recording;

/// Everything but choices, which nobody makes here, and marks, which are for sweeps.
const WANTS: Wants = Wants::COROUTINES
    .or(Wants::WAKES)
    .or(Wants::CALLBACKS)
    .or(Wants::TIMERS)
    .or(Wants::SCHEDULES)
    .or(Wants::LAYERS)
    .or(Wants::LAYER_DETAILS);

/// One for each context. It lives in the context's thread.
pub(super) struct Sink {
    recording: Recording,
    /// The coroutines on the stack with their names, the innermost last.
    running: RefCell<Vec<(CoroutineId, String)>>,
}

impl Recording {
    /// What one context tells it.
    pub(super) fn sink(&self) -> Sink {
        Sink {
            recording: self.clone(),
            running: RefCell::default(),
        }
    }
}

impl Trace for Sink {
    fn event(&self, now_ns: u64, context: &str, event: &Event<'_>) {
        let Some(what) = What::reported(event) else {
            return;
        };
        let mut running = self.running.borrow_mut();
        let who = running.last().map(|(_, name)| &**name);
        let mut file = self.recording.file.lock();
        file.event(now_ns, context, who, what.flat());
        match *event {
            Event::Enter { coroutine, .. } => {
                running.push((coroutine, format!("{context}/{coroutine}")));
            }
            Event::Yield { coroutine } | Event::End { coroutine } => {
                // One that is dropped where it is parked ends without having been entered.
                if running.last().is_some_and(|(last, _)| *last == coroutine) {
                    running.pop();
                }
                if running.is_empty() {
                    // The context may wait next, for long, or be killed: so nothing stays behind.
                    file.flush();
                }
            }
            _ => {}
        }
    }

    fn wants(&self) -> Wants {
        WANTS
    }
}
