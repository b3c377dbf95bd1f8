//! Flushing, and what a failed flush leaves behind.

use blockjob_block::driver::file::FlushState;
use rustix::io::Errno;

use crate::common::Scratch;

#[test]
fn a_flush_of_a_healthy_file_succeeds_again_and_again() {
    let handle = Scratch::with(b"x").open();
    handle.flush().expect("flushed");
    handle.flush().expect("flushed");
}

#[test]
fn after_a_failed_flush_all_later_ones_fail_with_its_errno() {
    let state = FlushState::new(false);
    assert_eq!(state.run(|| Ok(())), Ok(()));
    assert_eq!(state.run(|| Err(Errno::IO)), Err(Errno::IO));
    let mut calls = 0;
    let result = state.run(|| {
        calls += 1;
        Ok(())
    });
    assert_eq!(result, Err(Errno::IO), "the lost pages were forgotten");
    assert_eq!(calls, 0);
}

#[test]
fn a_failed_flush_past_the_page_cache_may_be_tried_again() {
    let state = FlushState::new(true);
    assert_eq!(state.run(|| Err(Errno::IO)), Err(Errno::IO));
    assert_eq!(state.run(|| Ok(())), Ok(()));
}

#[test]
fn an_interrupted_flush_is_no_failed_one() {
    let state = FlushState::new(false);
    let mut interrupted = false;
    let result = state.run(|| {
        if std::mem::replace(&mut interrupted, true) {
            Ok(())
        } else {
            Err(Errno::INTR)
        }
    });
    assert_eq!(result, Ok(()));
    assert_eq!(state.run(|| Ok(())), Ok(()));
}
