//! What a backend does about failed requests of its device, and the status that it shows.

use std::cell::RefCell;
use std::rc::Rc;

use blockjob_block::backend::{DeviceOps, IoError};
use blockjob_block::error_policy::{ErrorAction, IoOperation, IoStatus, OnError};
use blockjob_block::{BlockBackend, Graph, PermPair};
use blockjob_runtime::AioContext;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

#[derive(Default)]
struct Device {
    told: RefCell<Vec<IoError>>,
}

impl DeviceOps for Device {
    fn io_error(&self, error: &IoError) {
        self.told.borrow_mut().push(error.clone());
    }
}

fn backend() -> (Rc<Graph>, Rc<BlockBackend>, Rc<Device>) {
    let ctx = AioContext::builder().virtual_time().build();
    let graph = Graph::new(&ctx);
    let backend = BlockBackend::new(&graph, "drive0", PermPair::HARMLESS).expect("a new name");
    let device = Rc::new(Device::default());
    backend.set_device_ops(Some(device.clone()));
    (graph, backend, device)
}

#[test]
fn the_device_is_told_what_failed_and_what_is_done_about_it() {
    let (_graph, backend, device) = backend();
    backend.set_on_error(OnError::Stop, OnError::Ignore);
    assert_eq!(
        backend.error_action(IoOperation::Read, EIO),
        ErrorAction::Stop
    );
    assert_eq!(
        backend.error_action(IoOperation::Write, ENOSPC),
        ErrorAction::Ignore
    );
    let told = device.told.borrow();
    assert_eq!(
        told[0],
        IoError {
            operation: IoOperation::Read,
            action: ErrorAction::Stop,
            nospace: false,
            reason: "Input/output error".to_owned(),
        }
    );
    assert_eq!(told[1].action, ErrorAction::Ignore);
    assert!(told[1].nospace);
}

#[test]
fn the_status_keeps_the_first_error_that_stopped_the_device_until_it_is_reset() {
    let (_graph, backend, _device) = backend();
    backend.iostatus_enable();
    backend.set_on_error(OnError::Report, OnError::Stop);
    backend.error_action(IoOperation::Read, EIO);
    assert_eq!(
        backend.iostatus(),
        Some(IoStatus::Ok),
        "a report stops nothing"
    );
    backend.error_action(IoOperation::Write, ENOSPC);
    backend.error_action(IoOperation::Write, EIO);
    assert_eq!(backend.iostatus(), Some(IoStatus::Nospace));
    backend.iostatus_reset();
    assert_eq!(backend.iostatus(), Some(IoStatus::Ok));
}

#[test]
fn a_device_without_an_io_status_shows_none() {
    let (_graph, backend, _device) = backend();
    backend.set_on_error(OnError::Stop, OnError::Stop);
    assert_eq!(
        backend.error_action(IoOperation::Write, EIO),
        ErrorAction::Stop
    );
    assert_eq!(backend.iostatus(), None);
}

#[test]
fn left_to_itself_a_backend_reports_reads_and_stops_for_a_full_medium() {
    let (_graph, backend, _device) = backend();
    assert_eq!(
        backend.error_action(IoOperation::Read, ENOSPC),
        ErrorAction::Report
    );
    assert_eq!(
        backend.error_action(IoOperation::Write, EIO),
        ErrorAction::Report
    );
    assert_eq!(
        backend.error_action(IoOperation::Write, ENOSPC),
        ErrorAction::Stop
    );
}
