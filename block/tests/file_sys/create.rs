//! Creating images.

use blockjob_block::driver::file::{CreateOptions, ImagePermissions, create, image_permission};
use blockjob_block::error::ErrorKind;

use crate::common::Scratch;

#[test]
fn a_new_file_has_its_length_and_occupies_nothing() {
    let mut scratch = Scratch::with(b"");
    scratch.image = scratch.folder.path().join("new");
    let options = CreateOptions {
        path: scratch.image.clone(),
        size_bytes: 1 << 20,
        exclusive: true,
    };
    create(&options).expect("created");
    assert_eq!(scratch.contents(), vec![0; 1 << 20]);
    assert!(scratch.allocated_bytes() < 1 << 16);
}

#[test]
fn an_exclusive_create_leaves_a_file_that_exists_alone() {
    let scratch = Scratch::with(b"precious");
    let options = CreateOptions {
        path: scratch.image.clone(),
        size_bytes: 4,
        exclusive: true,
    };
    let error = create(&options).expect_err("it exists");
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().ends_with("it exists already"), "{error}");
    assert_eq!(scratch.contents(), b"precious");
}

#[test]
fn a_create_that_is_not_exclusive_empties_the_old_file() {
    let scratch = Scratch::with(b"precious");
    let options = CreateOptions {
        path: scratch.image.clone(),
        size_bytes: 4,
        exclusive: false,
    };
    create(&options).expect("created anew");
    assert_eq!(scratch.contents(), [0; 4]);
}

#[test]
fn a_file_in_use_is_not_emptied() {
    let scratch = Scratch::with(b"precious");
    let user = scratch.open();
    if !user.takes_locks() {
        println!("skipped: the filesystem of the temporary folder has no locks");
        return;
    }
    user.set_permissions(ImagePermissions {
        used: image_permission::CONSISTENT_READ,
        shared: image_permission::CONSISTENT_READ,
    })
    .expect("locked");
    let options = CreateOptions {
        path: scratch.image.clone(),
        size_bytes: 4,
        exclusive: false,
    };
    let error = create(&options).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(scratch.contents(), b"precious");
}

#[test]
fn a_length_that_no_file_can_have_leaves_no_file_behind() {
    let scratch = Scratch::with(b"");
    for size_bytes in [u64::MAX, i64::MAX as u64] {
        let path = scratch.folder.path().join("huge");
        let options = CreateOptions {
            path: path.clone(),
            size_bytes,
            exclusive: true,
        };
        match create(&options) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::OutOfRange, "{error}");
                assert!(!path.exists(), "a half-made file stayed");
            }
            // A few filesystems take 2^63-1.
            Ok(()) => std::fs::remove_file(&path).expect("removed"),
        }
    }
}
