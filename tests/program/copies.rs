//! Copies that are made, byte for byte.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::support::{Ended, Scratch, noise};

/// Mirrors `src` to `dst` with more words, and compares.
fn copies(scratch: &Scratch, more: &[&str]) -> Ended {
    let words: Vec<&str> = ["mirror", "src", "dst"]
        .iter()
        .chain(more)
        .copied()
        .collect();
    let ended = scratch.run(&words);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_equal(scratch);
    ended
}

fn assert_equal(scratch: &Scratch) {
    let source = fs::read(scratch.path("src")).expect("it can be read");
    let target = fs::read(scratch.path("dst")).expect("it can be read");
    assert_eq!(source.len(), target.len());
    let differs = source.iter().zip(&target).position(|(a, b)| a != b);
    assert_eq!(differs, None, "the first byte that differs");
}

/// What a file takes up on its disk, in bytes.
fn allocated_bytes(scratch: &Scratch, name: &str) -> u64 {
    fs::metadata(scratch.path(name))
        .expect("it is there")
        .blocks()
        * 512
}

#[test]
fn a_disk_that_is_half_holes_is_copied_as_sparse_as_it_is() {
    let scratch = Scratch::new();
    scratch.half_holes("src", 64);
    copies(&scratch, &[]);
    let (source, target) = (
        allocated_bytes(&scratch, "src"),
        allocated_bytes(&scratch, "dst"),
    );
    // The filesystem may need a block more to note where the pieces are; a granule more is a hole
    // that was copied.
    assert!(target < source + (64 << 10), "{target} bytes, not {source}");
}

#[test]
fn a_large_granularity_copies_no_more_than_a_small_one() {
    let scratch = Scratch::new();
    scratch.half_holes("src", 16);
    // A granule has both data and holes.
    copies(&scratch, &["--granularity", "4M"]);
    let (source, target) = (
        allocated_bytes(&scratch, "src"),
        allocated_bytes(&scratch, "dst"),
    );
    assert!(target < source + (64 << 10), "{target} bytes, not {source}");
}

#[test]
fn lengths_that_are_no_multiple_of_anything_are_copied_exactly() {
    for bytes in [0, 1, 511, 513, 65537, (3 << 20) + 12345] {
        for more in [
            &["--granularity", "512"][..],
            &["--granularity", "64M"],
            &[],
        ] {
            let scratch = Scratch::new();
            scratch.file("src", &noise(bytes, bytes as usize));
            copies(&scratch, more);
        }
    }
}

#[test]
fn an_odd_length_is_copied_exactly_past_the_page_cache() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, (1 << 20) + 1234));
    let ended = scratch.run(&["mirror", "src", "dst", "--cache-direct"]);
    if ended.status == Some(2) && ended.stderr.contains("O_DIRECT") {
        return super::support::skip("a copy past the page cache", ended.stderr.trim());
    }
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_equal(&scratch);
}

#[test]
fn an_existing_target_full_of_noise_becomes_equal() {
    for more in [
        &[][..],
        &["--no-unmap"],
        &["--granularity", "1M"],
        &["--sync", "top"],
    ] {
        let scratch = Scratch::new();
        scratch.half_holes("src", 8);
        scratch.file("dst", &noise(99, 8 << 20));
        let words: Vec<&str> = ["--mode", "existing"].iter().chain(more).copied().collect();
        copies(&scratch, &words);
    }
}

#[test]
fn the_source_is_not_changed_and_need_not_be_writable() {
    let scratch = Scratch::new();
    let source = noise(5, 1 << 20);
    let path = scratch.file("src", &source);
    let mut permissions = fs::metadata(&path).expect("it is there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).expect("it is ours");
    copies(&scratch, &[]);
    assert_eq!(fs::read(&path).expect("it can be read"), source);
}

#[test]
fn the_outcome_is_one_json_object() {
    let scratch = Scratch::new();
    scratch.half_holes("src", 4);
    let ended = copies(&scratch, &["--json"]);
    let object: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one JSON value");
    assert_eq!(object["outcome"], "pivoted");
    assert_eq!(object["is_copy"], true);
    assert_eq!(object["flushed"], true);
    assert_eq!(object["len_bytes"], 4 << 20);
    assert_eq!(object["copied_bytes"], 2 << 20);
    assert_eq!(object["target_created"], true);
    assert_eq!(object["target_removed"], false);
    assert!(
        object["error"].is_null() && object["seconds"].is_f64(),
        "{object}"
    );
}

#[test]
fn options_of_every_kind_are_taken_together() {
    let scratch = Scratch::new();
    scratch.half_holes("src", 4);
    let words = "--sync full --mode absolute-paths --format raw --granularity 4K --buf-size 1M \
                 --speed 1G --on-source-error enospc --on-target-error stop --no-unmap";
    copies(&scratch, &words.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn a_copy_of_nothing_but_new_writes_is_not_called_more_than_it_is() {
    let scratch = Scratch::new();
    scratch.file("src", &noise(1, 1 << 20));
    scratch.file("dst", &noise(2, 1 << 20));
    let ended = scratch.run(&[
        "mirror", "src", "dst", "--mode", "existing", "--sync", "none",
    ]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("if it was a copy before"),
        "{ended:?}"
    );
}
