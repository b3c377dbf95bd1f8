//! Image locks between handles of one process; they are felt as by another process.

use blockjob_block::driver::file::{
    FileHandle, ImagePermissions, Locking, OpenOptions, image_permission as perm,
};
use blockjob_block::error::ErrorKind;

use crate::common::Scratch;

/// A writer that lets others only read.
const WRITER: ImagePermissions = ImagePermissions {
    used: perm::CONSISTENT_READ | perm::WRITE,
    shared: perm::CONSISTENT_READ,
};
/// A reader that lets others do anything.
const READER: ImagePermissions = ImagePermissions {
    used: perm::CONSISTENT_READ,
    shared: perm::ALL,
};
/// A reader whose image must not change.
const STRICT_READER: ImagePermissions = ImagePermissions {
    used: perm::CONSISTENT_READ,
    shared: perm::CONSISTENT_READ | perm::WRITE_UNCHANGED,
};

/// Two handles of one image, where the filesystem has locks.
fn two_handles() -> Option<(Scratch, FileHandle, FileHandle)> {
    let scratch = Scratch::with(b"image");
    let (first, second) = (scratch.open(), scratch.open());
    if !first.takes_locks() {
        println!("skipped: the filesystem of the temporary folder has no locks");
        return None;
    }
    Some((scratch, first, second))
}

#[test]
fn a_second_writer_is_refused_in_the_words_of_qemu() {
    let Some((scratch, first, second)) = two_handles() else {
        return;
    };
    first.set_permissions(WRITER).expect("nobody objects");
    let error = second.set_permissions(WRITER).expect_err("in use");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert_eq!(error.to_string(), "Failed to get \"write\" lock");
    assert_eq!(
        error.hint(),
        Some(
            format!(
                "Is another process using the image [{}]?",
                scratch.image.display()
            )
            .as_str()
        )
    );
    assert_eq!(second.permissions(), ImagePermissions::NONE);
}

#[test]
fn who_denies_what_somebody_does_is_refused_too() {
    let Some((_scratch, first, second)) = two_handles() else {
        return;
    };
    let sharing_writer = ImagePermissions {
        shared: perm::ALL,
        ..WRITER
    };
    first
        .set_permissions(sharing_writer)
        .expect("nobody objects");
    let error = second.set_permissions(STRICT_READER).expect_err("in use");
    assert_eq!(error.to_string(), "Failed to get shared \"write\" lock");
}

#[test]
fn readers_and_one_sharing_writer_get_along() {
    let Some((_scratch, first, second)) = two_handles() else {
        return;
    };
    first.set_permissions(WRITER).expect("nobody objects");
    second
        .set_permissions(READER)
        .expect("the writer lets others read");
}

#[test]
fn a_refused_change_leaves_no_lock_behind() {
    let Some((scratch, first, second)) = two_handles() else {
        return;
    };
    first.set_permissions(READER).expect("nobody objects");
    second
        .set_permissions(WRITER)
        .expect("the reader shares all");
    first.set_permissions(WRITER).expect_err("in use");
    assert_eq!(first.permissions(), READER);
    drop(second);
    let third = scratch.open();
    third
        .set_permissions(WRITER)
        .expect("neither the closed writer nor the refused one holds anything");
}

#[test]
fn lower_permissions_free_what_others_wait_for() {
    let Some((_scratch, first, second)) = two_handles() else {
        return;
    };
    first.set_permissions(WRITER).expect("nobody objects");
    second.set_permissions(WRITER).expect_err("in use");
    first.set_permissions(READER).expect("asks for less");
    second.set_permissions(WRITER).expect("free now");
    first
        .set_permissions(ImagePermissions::NONE)
        .expect("asks for nothing");
}

#[test]
fn between_prepare_and_commit_old_and_new_locks_are_held() {
    let Some((scratch, first, second)) = two_handles() else {
        return;
    };
    first
        .set_permissions(STRICT_READER)
        .expect("nobody objects");
    let sharing_writer = ImagePermissions {
        shared: perm::ALL,
        ..WRITER
    };
    first
        .prepare_permissions(sharing_writer)
        .expect("nobody objects");
    let error = second.set_permissions(WRITER).expect_err("both are held");
    assert_eq!(
        error.to_string(),
        "Failed to get \"write\" lock",
        "the old one"
    );
    let error = second
        .set_permissions(STRICT_READER)
        .expect_err("both are held");
    assert_eq!(
        error.to_string(),
        "Failed to get shared \"write\" lock",
        "the new one"
    );
    first.commit_permissions();
    let error = second.set_permissions(WRITER).expect_err("it writes");
    assert_eq!(error.to_string(), "Failed to get shared \"write\" lock");
    second
        .set_permissions(sharing_writer)
        .expect("the old one is gone");
    assert_eq!(first.permissions(), sharing_writer);
    drop(scratch);
}

#[test]
fn an_aborted_change_is_as_if_it_had_not_been() {
    let Some((_scratch, first, second)) = two_handles() else {
        return;
    };
    first.set_permissions(READER).expect("nobody objects");
    first.prepare_permissions(WRITER).expect("nobody objects");
    second
        .set_permissions(WRITER)
        .expect_err("prepared is held");
    first.abort_permissions();
    assert_eq!(first.permissions(), READER);
    second.set_permissions(WRITER).expect("free again");
}

#[test]
fn with_locking_off_nobody_is_kept_away() {
    let Some((scratch, first, _second)) = two_handles() else {
        return;
    };
    first.set_permissions(WRITER).expect("nobody objects");
    let blind = OpenOptions::new(&scratch.image)
        .locking(Locking::Off)
        .open()
        .expect("opens");
    assert!(!blind.takes_locks());
    blind.set_permissions(WRITER).expect("it does not look");
    assert_eq!(blind.permissions(), WRITER);
}

#[test]
fn locks_belong_to_their_handle_and_survive_the_closing_of_another() {
    let Some((scratch, first, second)) = two_handles() else {
        return;
    };
    first.set_permissions(WRITER).expect("nobody objects");
    // With the older locks of POSIX, this close would free them all.
    drop(second);
    scratch
        .open()
        .set_permissions(WRITER)
        .expect_err("still in use");
}

#[test]
fn an_image_that_is_opened_anew_keeps_its_locks() {
    use blockjob_block::driver::file::FileDriver;
    let Some((scratch, first, second)) = two_handles() else {
        return;
    };
    let driver = FileDriver::new(first).expect("the length can be had");
    driver
        .handle()
        .set_permissions(STRICT_READER)
        .expect("nobody objects");
    let before = driver.handle();
    let again = OpenOptions::new(&scratch.image)
        .open()
        .expect("it is there");
    driver.reopen(again).expect("it is the same file");
    // Also while somebody has the one before, its successor may do more, and others feel that.
    driver
        .handle()
        .set_permissions(WRITER)
        .expect("nobody objects");
    second.set_permissions(WRITER).expect_err("in use");
    driver.reopen_back(before).expect("it was so before");
    assert_eq!(driver.handle().permissions(), WRITER);
    second.set_permissions(WRITER).expect_err("in use");
    drop(driver);
    second.set_permissions(WRITER).expect("nobody is left");
}

#[test]
fn an_image_is_not_opened_anew_as_another_one() {
    use blockjob_block::driver::file::FileDriver;
    let (scratch, other) = (Scratch::with(b"image"), Scratch::with(b"other"));
    let driver = FileDriver::new(scratch.open()).expect("the length can be had");
    let error = driver.reopen(other.open()).expect_err("it is another one");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(driver.handle().path(), scratch.image);
}
