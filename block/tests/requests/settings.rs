//! What a user has chosen for a node: discards, flushes, and data that is all zeroes.

use blockjob_block::driver::{Limits, ZeroFlags};
use blockjob_block::settings::{NodeSettings, ZeroDetection};
use bytes::Bytes;

use crate::common::{TestDriver, World};

fn log_of(settings: NodeSettings) -> Vec<String> {
    let world = World::new();
    let driver = TestDriver::new(1 << 20).with_limits(Limits::default());
    driver.fill(7);
    let node = world.node("disk", &driver, &[]);
    node.set_settings(settings);
    driver.take_log();
    let done = world.run(async move {
        let flags = ZeroFlags {
            may_unmap: true,
            no_fallback: false,
        };
        node.co_write_zeroes(0, 512, flags).await?;
        node.co_discard(512, 512).await?;
        node.co_write(1024, Bytes::from(vec![0; 513])).await?;
        let mut last = vec![0; 513];
        last[512] = 1;
        node.co_write(2048, Bytes::from(last)).await?;
        node.flush().await
    });
    done.expect("nothing fails");
    driver.take_log()
}

#[test]
fn a_node_does_what_it_is_told_unless_a_user_says_otherwise() {
    let log = log_of(NodeSettings::default());
    assert_eq!(
        log,
        [
            "zero 0+512 unmap",
            "discard 512+512",
            "write 1024+513",
            "write 2048+513",
            "flush"
        ]
    );
}

#[test]
fn a_node_that_does_not_unmap_keeps_its_space() {
    let log = log_of(NodeSettings {
        unmap: false,
        ..NodeSettings::default()
    });
    assert_eq!(
        log,
        ["zero 0+512", "write 1024+513", "write 2048+513", "flush"]
    );
}

#[test]
fn zeroes_that_come_as_data_are_found_out_where_that_is_asked_for() {
    let with = |detect_zeroes| {
        log_of(NodeSettings {
            detect_zeroes,
            ..NodeSettings::default()
        })
    };
    assert!(with(ZeroDetection::On).contains(&"zero 1024+513".to_owned()));
    assert!(with(ZeroDetection::Unmap).contains(&"zero 1024+513 unmap".to_owned()));
    // One byte that is not zero, at the end, makes it data.
    assert!(with(ZeroDetection::Unmap).contains(&"write 2048+513".to_owned()));
}

#[test]
fn flushes_do_not_reach_the_driver_where_they_are_not_wanted() {
    let log = log_of(NodeSettings {
        no_flush: true,
        ..NodeSettings::default()
    });
    assert!(!log.contains(&"flush".to_owned()), "{log:?}");
}

#[test]
fn flushes_that_a_node_does_not_want_reach_those_below_it() {
    let world = World::new();
    let (below, driver) = world.disk("below");
    let (filter, _) = world.filter("filter", &below);
    filter.set_settings(NodeSettings {
        no_flush: true,
        ..NodeSettings::default()
    });
    let done = world.run(async move {
        below.co_write(0, Bytes::from(vec![1; 512])).await?;
        filter.flush().await
    });
    done.expect("nothing fails");
    assert!(driver.take_log().contains(&"flush".to_owned()));
}
