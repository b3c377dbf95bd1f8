//! DATA, of images: what their files hold.

use std::rc::Rc;

use blockjob_sim::cast::{Cast, Pair};
use blockjob_sim::check::data::Data;
use blockjob_sim::decide::Random;
use blockjob_sim::failure::Rule;
use blockjob_sim::run::Runner;
use blockjob_sim::swarm::Scenario;
use bytes::{Bytes, BytesMut};

use crate::support::{PLAIN, assert_is, finds, is_ready, pair, scribble, when};

/// Where in an image of 32 KiB the tables are: its clusters have 512 bytes, and the first table of the
/// second level comes behind those that are there from the beginning.
const REFCOUNTS: u64 = 1024;
const L2: u64 = 2048;

fn plain() -> String {
    format!("{PLAIN},format=qcow2")
}

async fn read(cast: &Cast, offset: u64, bytes: usize) -> Bytes {
    let file = pair(cast)
        .target_node()
        .child("file")
        .expect("it is an image");
    let (buf, read) = file.node().co_read(offset, BytesMut::zeroed(bytes)).await;
    read.expect("no fault");
    buf.freeze()
}

async fn write(cast: &Cast, offset: u64, data: Bytes) {
    let file = pair(cast)
        .target_node()
        .child("file")
        .expect("it is an image");
    let written = file.node().co_write(offset, data).await;
    written.expect("no fault");
}

/// Acts when the job has ended, and whoever could write rests.
fn afterwards<F: Future<Output = ()> + 'static>(
    cast: &Rc<Cast>,
    act: impl FnOnce(Rc<Cast>) -> F + 'static,
) {
    let open = cast.keep_open();
    let is_over = |cast: &Cast| cast.guests_rest() && cast.pairs.iter().all(Pair::is_over);
    when(cast, is_over, |cast| async move {
        act(cast).await;
        drop(open);
    });
}

#[test]
fn a_target_that_somebody_else_has_written_to_is_no_copy() {
    let failure = finds::<Data>(&plain(), |cast| {
        when(cast, is_ready, |cast| async move {
            let target = &pair(&cast).target_node();
            target.co_write(128, scribble(128)).await.expect("no fault");
        });
    });
    assert_is(&failure, Rule::Data, "target-differs");
}

#[test]
fn a_file_that_somebody_else_has_written_to_does_not_show_what_was_written() {
    let failure = finds::<Data>(&plain(), |cast| {
        when(cast, is_ready, |cast| async move {
            write(&cast, L2 + 512, scribble(128)).await;
        });
    });
    assert_is(&failure, Rule::Data, "image-differs");
}

#[test]
fn a_cluster_of_the_file_has_one_use() {
    let failure = finds::<Data>(&plain(), |cast| {
        afterwards(cast, |cast| async move {
            let entry = read(&cast, L2, 8).await;
            write(&cast, L2 + 8, entry).await;
        });
    });
    assert_is(&failure, Rule::Data, "image-broken");
    assert!(failure.text.contains("is data and data"), "{failure}");
}

#[test]
fn a_cluster_in_use_is_not_free() {
    let failure = finds::<Data>(&plain(), |cast| {
        afterwards(cast, |cast| async move {
            let cluster = L2 / 512;
            write(&cast, REFCOUNTS + cluster * 2, Bytes::from_static(&[0; 2])).await;
        });
    });
    assert_is(&failure, Rule::Data, "image-broken");
    assert!(failure.text.contains("has the refcount 0"), "{failure}");
}

#[test]
fn what_a_job_has_flushed_is_in_the_file_after_a_crash() {
    let failure = finds::<Data>(&plain(), |cast| {
        afterwards(cast, |cast| async move {
            // The first cluster is given up behind the driver's back; the image is sound without it.
            write(&cast, L2, Bytes::from_static(&[0; 8])).await;
        });
    });
    assert_is(&failure, Rule::Data, "lost-in-crash");
}

#[test]
fn images_are_copied_without_a_failure_whatever_happens_to_their_files() {
    let scenario = Scenario::built_in("qcow2").expect("it comes with the program");
    let mut runner = Runner::new();
    for seed in 0..200 {
        let config = scenario.draw(seed).expect("its values go together");
        let report = runner.run(&config, Box::new(Random::new(seed)));
        assert_eq!(report.failure, None, "seed {seed}: {config}");
    }
}
