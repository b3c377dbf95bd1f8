//! WAKE: whoever waits for a condition hears when it changes.
//!
//! A context that has nothing left to do looks at what lives in it before it waits ([`Shard::forgotten`]):
//! whoever still waits then for something that is already so was forgotten. A wake-up from another
//! thread that gets lost is seen by shuttle and loom as threads that all wait.
//!
//! [`Shard::forgotten`]: crate::drill::shard::Shard::forgotten

use super::{Checker, Scene};
use crate::drill::hub::Seen;

/// See the module.
pub(crate) struct Wake;

impl Checker for Wake {
    fn see(&mut self, scene: &mut Scene<'_>, seen: &Seen<'_>) {
        if let Seen::Idle(Some(forgotten)) = seen {
            let (context, forgotten) = (scene.context.to_owned(), forgotten.clone());
            scene.fail("WAKE", || format!("in {context}, {forgotten}"));
        }
    }
}
