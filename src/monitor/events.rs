//! Events as they go out.
//!
//! QEMU: `monitor_qapi_event_emit` (monitor/monitor.c), `qmp_event_build_dict` (qapi/qmp-event.c).

use std::time::{SystemTime, UNIX_EPOCH};

use crate::qapi::{Dict, Value};

/// Puts an event together, with the time of day.
pub(crate) fn event(name: &str, data: Dict) -> Value {
    let mut event = Dict::new();
    event.put("event", name);
    // The peer leaves it out for events that are declared without members.
    if !data.is_empty() {
        event.put("data", data);
    }
    event.put("timestamp", timestamp());
    Value::Dict(event)
}

#[allow(clippy::disallowed_methods)] // Clients are told the time of day, which no context knows.
fn timestamp() -> Dict {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let (seconds, microseconds) = match since {
        Ok(since) => (since.as_secs(), since.subsec_micros()),
        // A clock before 1970 has not been set.
        Err(_) => (0, 0),
    };
    Dict::from_iter([
        ("seconds", Value::from(seconds)),
        ("microseconds", Value::from(u64::from(microseconds))),
    ])
}
