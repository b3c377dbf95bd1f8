//! The rules, and which of them are in force.
//!
//! An event puts the error rules that wait for it in force, *instead of* all that were before; from
//! then on every request that fits one of them fails, until an event with other error rules comes.
//! That is QEMU's way, with its surprises: a rule that waits for reads lets the next write fail too
//! unless it is told which kinds it means.
//!
//! QEMU: `process_rule`, `rule_check` (block/blkdebug.c).

use std::ops::Range;

use blockjob_runtime::sync::Arc;

use super::event::{Event, IoType};
use crate::error::BlockError;

/// The state that rules see at the beginning.
const FIRST_STATE: u32 = 1;

/// An error that requests get.
///
/// QEMU: `BlkdebugInjectErrorOptions` (qapi/block-core.json).
#[derive(Debug, Clone)]
pub struct InjectError {
    pub(super) event: Event,
    pub(super) state: Option<u32>,
    io_types: Vec<IoType>,
    range: Option<Range<u64>>,
    errno: i32,
    once: bool,
    pub(super) immediately: bool,
}

impl InjectError {
    /// From `event` on, all requests but block status fail with `EIO`, anywhere, again and again,
    /// and after one turn of the event loop.
    pub fn new(event: Event) -> Self {
        InjectError {
            event,
            state: None,
            io_types: IoType::DEFAULT.to_vec(),
            range: None,
            errno: nix::libc::EIO,
            once: false,
            immediately: false,
        }
    }

    /// Only in this state.
    #[must_use]
    pub fn in_state(mut self, state: u32) -> Self {
        self.state = Some(state);
        self
    }

    /// Only requests of this kind.
    #[must_use]
    pub fn io_type(self, io_type: IoType) -> Self {
        self.io_types(&[io_type])
    }

    /// Only requests of these kinds.
    #[must_use]
    pub fn io_types(mut self, io_types: &[IoType]) -> Self {
        self.io_types = io_types.to_vec();
        self
    }

    /// Only requests that touch one of these bytes. Flushes touch none.
    #[must_use]
    pub fn range(mut self, range: Range<u64>) -> Self {
        self.range = Some(range);
        self
    }

    /// With this positive errno. With 0 the rule injects no error, but it still is the one that fits:
    /// those that were added after it do not come into their own.
    #[must_use]
    pub fn errno(mut self, errno: i32) -> Self {
        self.errno = errno;
        self
    }

    /// Only one request; then the rule is gone.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Without a turn of the event loop: the request fails inside of the call that began it.
    #[must_use]
    pub fn immediately(mut self) -> Self {
        self.immediately = true;
        self
    }

    fn applies_to(&self, io_type: IoType, offset: u64, bytes: u64) -> bool {
        self.io_types.contains(&io_type)
            && self.range.as_ref().is_none_or(|range| {
                offset < range.end && range.start < offset.saturating_add(bytes)
            })
    }

    pub(super) fn error(&self) -> BlockError {
        BlockError::from_errno(
            self.errno,
            format!("blkdebug rule for event '{}'", self.event),
        )
    }
}

/// At an event, goes over to another state.
///
/// QEMU: `BlkdebugSetStateOptions` (qapi/block-core.json).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetState {
    /// The event.
    pub event: Event,
    /// Only in this state. The first state is 1.
    pub state: Option<u32>,
    /// The state afterwards.
    pub new_state: u32,
}

enum Action {
    Inject(Arc<InjectError>),
    SetState(u32),
    Suspend { tag: Arc<str>, once: bool },
}

struct Rule {
    event: Event,
    state: Option<u32>,
    action: Action,
}

/// All rules of a node.
pub(super) struct Rules {
    state: u32,
    rules: Vec<Rule>,
    active: Vec<Arc<InjectError>>,
}

impl Rules {
    pub(super) fn new() -> Self {
        Rules {
            state: FIRST_STATE,
            rules: Vec::new(),
            active: Vec::new(),
        }
    }

    pub(super) fn inject(&mut self, error: InjectError) {
        let error = Arc::new(error);
        if error.event == Event::NONE {
            if error.state.is_none_or(|state| state == self.state) {
                self.active.push(error);
            }
            return;
        }
        self.rules.push(Rule {
            event: error.event,
            state: error.state,
            action: Action::Inject(error),
        });
    }

    pub(super) fn set_state(&mut self, rule: SetState) {
        self.rules.push(Rule {
            event: rule.event,
            state: rule.state,
            action: Action::SetState(rule.new_state),
        });
    }

    pub(super) fn suspend(&mut self, event: Event, tag: &str, once: bool) {
        self.rules.push(Rule {
            event,
            state: None,
            action: Action::Suspend {
                tag: tag.into(),
                once,
            },
        });
    }

    /// Forgets the rules that suspend under this tag.
    pub(super) fn remove_suspends(&mut self, unwanted: &str) {
        self.rules.retain(
            |rule| !matches!(&rule.action, Action::Suspend { tag, .. } if **tag == *unwanted),
        );
    }

    /// Forgets all rules that inject errors.
    pub(super) fn clear_errors(&mut self) {
        self.active.clear();
        self.rules
            .retain(|rule| !matches!(rule.action, Action::Inject(_)));
    }

    /// Applies the rules for an event, and returns the tags under which it suspends its request.
    ///
    /// QEMU: `blkdebug_co_debug_event` (block/blkdebug.c).
    pub(super) fn raise(&mut self, event: Event) -> Vec<Arc<str>> {
        let mut new_state = self.state;
        let mut injected = Vec::new();
        let mut suspended = Vec::new();
        let state = self.state;
        self.rules.retain(|rule| {
            if rule.event != event || rule.state.is_some_and(|wanted| wanted != state) {
                return true;
            }
            match &rule.action {
                Action::Inject(error) => injected.push(error.clone()),
                Action::SetState(state) => new_state = *state,
                Action::Suspend { tag, once } => {
                    suspended.push(tag.clone());
                    return !once;
                }
            }
            true
        });
        if !injected.is_empty() {
            self.active = injected;
        }
        self.state = new_state;
        suspended
    }

    /// The rule by which a request fails, if there is one.
    ///
    /// QEMU: `rule_check` (block/blkdebug.c).
    pub(super) fn check(
        &mut self,
        io_type: IoType,
        offset: u64,
        bytes: u64,
    ) -> Option<Arc<InjectError>> {
        let index = self
            .active
            .iter()
            .position(|error| error.applies_to(io_type, offset, bytes))?;
        let error = self.active[index].clone();
        if error.errno == 0 {
            // It injects nothing, and keeps the rules behind it from doing so.
            return None;
        }
        if error.once {
            self.active.remove(index);
            self.rules.retain(
                |rule| !matches!(&rule.action, Action::Inject(other) if Arc::ptr_eq(other, &error)),
            );
        }
        Some(error)
    }
}
