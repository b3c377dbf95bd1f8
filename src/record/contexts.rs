//! Contexts that tell what happens in them: to a recording, to `--trace`, or to both.

use std::io;
use std::rc::Rc;

use blockjob::runtime::AioContext;
use blockjob::runtime::trace::{Event, Trace, Wants};

use super::Recording;
use crate::failure::Failure;

/// A context of this machine called `name`. `trace` is told what it takes, as is `recording`. It fails if there
/// are no descriptors left.
pub(crate) fn observed<T: Trace + Clone + 'static>(
    name: &str,
    trace: Option<&T>,
    recording: Option<&Recording>,
) -> io::Result<AioContext> {
    let mut told: Vec<Rc<dyn Trace>> = Vec::new();
    if let Some(trace) = trace {
        told.push(Rc::new(trace.clone()));
    }
    if let Some(recording) = recording {
        told.push(Rc::new(recording.sink()));
    }
    let context = AioContext::builder().name(name);
    match told.len() {
        0 => context.try_build(),
        1 => context.trace(told.remove(0)).try_build(),
        _ => context.trace(Rc::new(All(told))).try_build(),
    }
}

/// The main context of a program without `--trace`.
pub(crate) fn recorded(recording: Option<&Recording>) -> Result<AioContext, Failure> {
    main_context(observed::<Nobody>("main", None, recording))
}

/// The main context, without which a program can do nothing.
pub(crate) fn main_context(made: io::Result<AioContext>) -> Result<AioContext, Failure> {
    made.map_err(|error| Failure::failed(format!("cannot make an event loop: {error}")))
}

/// Tells several.
struct All(Vec<Rc<dyn Trace>>);

impl Trace for All {
    fn event(&self, now_ns: u64, context: &str, event: &Event<'_>) {
        for trace in &self.0 {
            trace.event(now_ns, context, event);
        }
    }

    /// Each of them passes over what it does not know.
    fn wants(&self) -> Wants {
        let wants = self.0.iter().map(|trace| trace.wants());
        wants.fold(Wants::NOTHING, Wants::or)
    }
}

/// In place of a `--trace` that there is not.
#[derive(Clone)]
enum Nobody {}

impl Trace for Nobody {
    fn event(&self, _now_ns: u64, _context: &str, _event: &Event<'_>) {
        match *self {}
    }
}
