//! The one error of the block layer: a small kind to branch on, the place it happened, and the
//! errno as data, because error policies, NBD replies and job results all end as an errno.

use nix::libc;
use thiserror::Error;

/// What went wrong, as far as a caller branches on it. The errno says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such file, node, job or bitmap.
    NotFound,
    /// What was to be created is there already.
    AlreadyExists,
    /// The operating system or a permission check refuses the access.
    PermissionDenied,
    /// A directory was named where an image is needed.
    IsDirectory,
    /// Somebody else holds the image, node or device.
    InUse,
    /// No room is left on the storage; the error policy `enospc` looks for it.
    NoSpace,
    /// The request contradicts itself, or the alignment or the limits of its target.
    Invalid,
    /// The request reaches beyond the end, or beyond what an offset can express.
    OutOfRange,
    /// A write was asked of something opened read-only.
    ReadOnly,
    /// The storage cannot do this; the caller may try another way.
    NotSupported,
    /// The request was cancelled before it took effect.
    Canceled,
    /// Writes that were acknowledged, and that no flush has made safe yet, may be gone: the connection over
    /// which they went was lost. Said once, by the next flush; whoever has written them can do it again.
    LostWrites,
    /// The storage moved fewer bytes than asked and gave no reason.
    ShortIo,
    /// Any other failure of the storage.
    Io,
}

impl ErrorKind {
    /// The kind that belongs to the positive number `errno`.
    pub const fn from_errno(errno: i32) -> Self {
        match errno {
            libc::ENOENT => Self::NotFound,
            libc::EEXIST => Self::AlreadyExists,
            libc::EACCES | libc::EPERM => Self::PermissionDenied,
            libc::EISDIR => Self::IsDirectory,
            libc::EAGAIN | libc::EBUSY | libc::ETXTBSY => Self::InUse,
            libc::ENOSPC | libc::EDQUOT => Self::NoSpace,
            libc::EINVAL => Self::Invalid,
            libc::EFBIG | libc::EOVERFLOW | libc::ERANGE => Self::OutOfRange,
            libc::EROFS => Self::ReadOnly,
            libc::EOPNOTSUPP | libc::ENOSYS | libc::ENODEV | libc::ENOTTY => Self::NotSupported,
            libc::ECANCELED => Self::Canceled,
            _ => Self::Io,
        }
    }

    /// The positive errno that stands for this kind when no system call gave one.
    pub const fn errno(self) -> i32 {
        match self {
            Self::NotFound => libc::ENOENT,
            Self::AlreadyExists => libc::EEXIST,
            Self::PermissionDenied => libc::EACCES,
            Self::IsDirectory => libc::EISDIR,
            Self::InUse => libc::EBUSY,
            Self::NoSpace => libc::ENOSPC,
            Self::Invalid => libc::EINVAL,
            Self::OutOfRange => libc::EINVAL,
            // QEMU's request path answers a write to a read-only node with EPERM.
            Self::ReadOnly => libc::EPERM,
            Self::NotSupported => libc::EOPNOTSUPP,
            Self::Canceled => libc::ECANCELED,
            Self::LostWrites | Self::ShortIo | Self::Io => libc::EIO,
        }
    }
}

/// What most functions of the block layer return.
pub type BlockResult<T> = Result<T, BlockError>;

/// An error of the block layer. It can be cloned, so that all who waited for one request can be
/// told the same.
///
/// Its text is one sentence without a full stop; after [`from_errno`](Self::from_errno) it ends
/// in the system's text for the errno, as QEMU's `error_setg_errno()` in `util/error.c` writes it.
#[derive(Clone, Debug, Error)]
#[error("{context}{}", errno_suffix(*.errno, *.names_errno))]
pub struct BlockError {
    kind: ErrorKind,
    errno: i32,
    context: String,
    names_errno: bool,
    hint: Option<String>,
    source: Option<Box<BlockError>>,
}

impl BlockError {
    /// An error that no system call reported: `context` is the whole sentence, and the errno is
    /// the one that stands for `kind`.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            errno: kind.errno(),
            context: context.into(),
            names_errno: false,
            hint: None,
            source: None,
        }
    }

    /// An error that a system call or a peer reported as the positive number `errno`; `context`
    /// says what was being done. A value that is no positive number is taken for `EIO`.
    pub fn from_errno(errno: i32, context: impl Into<String>) -> Self {
        let errno = if errno > 0 { errno } else { libc::EIO };
        Self {
            errno,
            names_errno: true,
            ..Self::new(ErrorKind::from_errno(errno), context)
        }
    }

    /// An error of the standard library; one without an errno becomes `EIO` with its text kept.
    pub fn from_io(error: &std::io::Error, context: impl Into<String>) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::from_errno(errno, context),
            None => Self::new(ErrorKind::Io, format!("{}: {error}", context.into())),
        }
    }

    /// The same error with another kind, where the place knows better than the errno.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error with another positive errno; the text does not change for errors made by
    /// [`new`](Self::new).
    #[must_use]
    pub fn with_errno(mut self, errno: i32) -> Self {
        self.errno = errno;
        self
    }

    /// The same error with a line of advice that a command line prints below it and a monitor
    /// leaves out, as `error_append_hint()` in `util/error.c` does.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with the error that caused it.
    #[must_use]
    pub fn with_source(mut self, source: BlockError) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What a caller branches on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The positive errno; QEMU's functions return its negative.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// What was being done, without the text of the errno.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The line of advice, if there is one, without a line end.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// The C library's text for `errno`, such as "No space left on device".
pub fn errno_text(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    // The standard library appends the number; the readers of these texts compare them with
    // QEMU's, which do not have it.
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

fn errno_suffix(errno: i32, names_errno: bool) -> String {
    if names_errno {
        format!(": {}", errno_text(errno))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_errno_becomes_a_kind_and_stays_as_data() {
        let error = BlockError::from_errno(libc::ENOSPC, "Could not write 'disk'");
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(error.errno(), libc::ENOSPC);
        assert_eq!(
            error.to_string(),
            "Could not write 'disk': No space left on device"
        );
        assert_eq!(error.context(), "Could not write 'disk'");
    }

    #[test]
    fn every_kind_without_an_exception_is_found_again_from_its_errno() {
        use ErrorKind::*;
        for kind in [
            NotFound,
            AlreadyExists,
            PermissionDenied,
            IsDirectory,
            InUse,
            NoSpace,
            Invalid,
            NotSupported,
            Canceled,
            Io,
        ] {
            assert_eq!(ErrorKind::from_errno(kind.errno()), kind);
        }
    }

    #[test]
    fn a_cause_and_a_hint_travel_with_a_clone() {
        let cause = BlockError::from_errno(libc::EIO, "pread");
        let error = BlockError::new(ErrorKind::Io, "Could not read the header")
            .with_source(cause)
            .with_hint("Try again");
        let copy = error.clone();
        assert_eq!(
            copy.source().expect("kept").to_string(),
            "pread: Input/output error"
        );
        assert_eq!(copy.hint(), Some("Try again"));
        assert_eq!(copy.to_string(), "Could not read the header");
    }

    #[test]
    fn a_number_that_is_no_errno_counts_as_an_input_output_error() {
        assert_eq!(BlockError::from_errno(0, "x").errno(), libc::EIO);
        assert_eq!(BlockError::from_errno(-5, "x").kind(), ErrorKind::Io);
    }
}
