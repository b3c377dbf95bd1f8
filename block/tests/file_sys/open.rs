//! What may be opened, and what is known of it then.

use blockjob_block::driver::file::{FileHandle, FileKind, OpenOptions};
use blockjob_block::error::ErrorKind;
use rustix::io::Errno;

use crate::common::Scratch;

#[test]
fn a_handle_may_be_shared_by_threads() {
    fn shared_by_threads<T: Send + Sync + 'static>() {}
    shared_by_threads::<FileHandle>();
}

#[test]
fn a_missing_file_is_not_created_and_keeps_its_errno() {
    let scratch = Scratch::with(b"");
    let path = scratch.folder.path().join("none");
    let error = OpenOptions::new(&path).open().expect_err("nothing there");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.errno(), Errno::NOENT.raw_os_error());
    assert_eq!(
        error.to_string(),
        format!(
            "Could not open '{}': No such file or directory",
            path.display()
        )
    );
    assert!(!path.exists());
}

#[test]
fn a_directory_is_refused_in_one_clear_sentence() {
    let scratch = Scratch::with(b"");
    let path = scratch.folder.path();
    for read_only in [false, true] {
        let error = OpenOptions::new(path)
            .read_only(read_only)
            .open()
            .expect_err("no image");
        assert_eq!(error.kind(), ErrorKind::IsDirectory);
        assert_eq!(
            error.to_string(),
            format!(
                "'{}' is a directory; an image must be a regular file or a block device",
                path.display()
            )
        );
    }
}

#[test]
fn a_character_device_is_refused() {
    let error = OpenOptions::new("/dev/null").open().expect_err("no image");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("a character device"), "{error}");
}

#[test]
fn a_fifo_is_refused_at_once_although_opening_one_would_wait_for_a_writer() {
    let scratch = Scratch::with(b"");
    let path = scratch.folder.path().join("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a FIFO can be made");
    let error = OpenOptions::new(&path)
        .read_only(true)
        .open()
        .expect_err("no image");
    assert!(error.to_string().contains("a FIFO"), "{error}");
}

#[test]
fn the_length_is_asked_anew_each_time() {
    let scratch = Scratch::with(b"12345");
    let handle = scratch.open();
    assert_eq!(handle.size().expect("a length"), 5);
    std::fs::write(&scratch.image, b"123456789").expect("grown by somebody else");
    assert_eq!(handle.size().expect("a length"), 9);
}

#[test]
fn truncate_cuts_and_grows_with_zeroes() {
    let scratch = Scratch::with(b"12345");
    let handle = scratch.open();
    handle.truncate(3).expect("cut");
    handle.truncate(6).expect("grown");
    assert_eq!(scratch.contents(), b"123\0\0\0");
}

#[test]
fn all_paths_to_one_file_have_one_identity_and_other_files_another() {
    let scratch = Scratch::with(b"same");
    let folder = scratch.folder.path();
    std::os::unix::fs::symlink(&scratch.image, folder.join("symbolic")).expect("linked");
    std::fs::hard_link(&scratch.image, folder.join("hard")).expect("linked");
    std::fs::write(folder.join("other"), b"same").expect("written");
    let handle = scratch.open();
    assert_eq!(handle.kind(), FileKind::Regular);
    assert!(handle.is_regular());
    let identity = |name: &str| {
        OpenOptions::new(folder.join(name))
            .open()
            .expect("opens")
            .identity()
    };
    assert_eq!(identity("symbolic"), handle.identity());
    assert_eq!(identity("hard"), handle.identity());
    assert_ne!(identity("other"), handle.identity());
}
