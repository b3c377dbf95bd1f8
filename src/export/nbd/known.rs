//! The exports as the handshake asks for them: those of all contexts.

use std::rc::Rc;

use blockjob_block::nbd::server::{Exported, Exports as KnownExports};
use blockjob_runtime::AioHandle;

use crate::daemon::Daemon;

/// The exports that there are at one moment.
pub(super) enum Known {
    /// All of them are here.
    Here(Rc<Daemon>),
    /// What was told of each, the oldest first.
    Told(Vec<Exported>),
}

impl Known {
    /// Those of `daemon`, which is the main context's. Other contexts are asked, if they have any: what
    /// clients are told must be as it is now. One that is just going from one context to another is as
    /// it was when it set out.
    pub(super) async fn of(daemon: &Rc<Daemon>) -> Known {
        if daemon.contexts.is_empty() {
            return Known::Here(daemon.clone());
        }
        let listed = daemon.common().names.lock().nbd_exports();
        let mut homes: Vec<AioHandle> = Vec::new();
        for (home, _) in &listed {
            if !homes.contains(home) {
                homes.push(home.clone());
            }
        }
        let mut now: Vec<Exported> = told(daemon);
        for home in homes {
            let Some(other) = daemon.contexts.daemon_of(&home) else {
                continue;
            };
            // One whose thread has panicked has none.
            let asked = other.request("nbd exports", told).await;
            now.extend(asked.unwrap_or_default());
        }
        let is_now = |name: &str| now.iter().find(|told| told.name == name).cloned();
        let all = listed.into_iter();
        let all = all.map(|(_, before)| is_now(&before.name).unwrap_or(before));
        Known::Told(all.collect())
    }
}

/// What clients are told of the exports of one context.
fn told(daemon: &Rc<Daemon>) -> Vec<Exported> {
    let open = daemon.exports.open_nbd();
    open.iter().map(|export| export.told()).collect()
}

impl KnownExports for Known {
    fn list(&self) -> Vec<(String, Option<String>)> {
        match self {
            Known::Here(daemon) => {
                let open = daemon.exports.open_nbd();
                let told = open.iter();
                told.map(|export| (export.name().to_owned(), export.description()))
                    .collect()
            }
            Known::Told(all) => {
                let told = all.iter();
                told.map(|told| (told.name.clone(), told.description.clone()))
                    .collect()
            }
        }
    }

    fn find(&self, name: &str) -> Option<Exported> {
        match self {
            Known::Here(daemon) => Some(daemon.exports.find_nbd(name)?.told()),
            Known::Told(all) => all.iter().find(|told| told.name == name).cloned(),
        }
    }
}
