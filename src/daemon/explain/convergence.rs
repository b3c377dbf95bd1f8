//! Whether a mirror catches up with whoever writes to its disk, in words.

use blockjob_jobs::mirror::MirrorJob;

use crate::daemon::convergence;

/// What is said of it, at most [`MAX_CONVERGENCE`](super::sentences::MAX_CONVERGENCE) lines; nothing if
/// nothing is known.
pub(super) fn lines(mirror: &MirrorJob) -> Option<Vec<String>> {
    let sentences = convergence::sentences(&convergence::convergence(mirror));
    (!sentences.is_empty()).then_some(sentences)
}
