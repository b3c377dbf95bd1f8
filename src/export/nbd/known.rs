//! The exports as the handshake asks for them: those of all contexts.

use std::rc::Rc;

use blockjob_block::nbd::server::{Exported, Exports as KnownExports};

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
    /// clients are told must be as it is now.
    pub(super) async fn of(daemon: &Rc<Daemon>) -> Known {
        let main = daemon.context().handle();
        let homes = daemon.common().names.lock().homes_of_exports_but(&main);
        if homes.is_empty() {
            return Known::Here(daemon.clone());
        }
        let open = daemon.exports.open_nbd();
        let mut all: Vec<Exported> = open.iter().map(|export| export.told()).collect();
        for home in homes {
            let Some(other) = daemon.contexts.daemon_of(&home) else {
                continue;
            };
            let asked = other.request("nbd exports", |daemon: &Rc<Daemon>| {
                let open = daemon.exports.open_nbd();
                open.iter().map(|export| export.told()).collect::<Vec<_>>()
            });
            // One whose thread has panicked has none.
            all.extend(asked.await.unwrap_or_default());
        }
        let names = daemon.common().names.lock();
        all.sort_by_key(|told| names.nbd_export(&told.name).map(|named| named.number));
        drop(names);
        Known::Told(all)
    }
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
