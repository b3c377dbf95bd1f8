//! Events of an I/O thread, on their way to the monitors.

use blockjob_runtime::sync::Arc;

use super::common::Common;
use crate::daemon::EventSink;
use crate::qapi::Dict;

/// Sends events to the main context.
pub(super) struct ToMain(pub(super) Arc<Common>);

impl EventSink for ToMain {
    fn emit(&self, name: &'static str, data: Dict) {
        self.0.send_event(name, data);
    }
}
