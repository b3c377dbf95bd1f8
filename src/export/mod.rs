//! Exports: nodes that somebody outside of the daemon uses.
//!
//! An export uses its node through a backend of its own, so it follows when a mirror puts another node
//! in its place, with its clients connected.
//!
//! QEMU: block/export/export.c.

mod add;
pub mod nbd;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use blockjob_block::Node;

pub use add::{ExportOptions, add};
use nbd::{NbdExport, NbdServer};

use crate::daemon::{Daemon, open};
use crate::qapi::types::export::{BlockExportDeleted, BlockExportType};

/// What an export is to its clients.
pub enum Kind {
    /// A disk over the network block device protocol.
    Nbd(Rc<NbdExport>),
}

/// An export.
///
/// QEMU: `BlockExport` (include/block/export.h).
pub struct BlockExport {
    id: String,
    kind: Kind,
    shutting_down: Cell<bool>,
}

impl BlockExport {
    /// Its name among the exports.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What kind of export it is.
    pub fn export_type(&self) -> BlockExportType {
        match self.kind {
            Kind::Nbd(_) => BlockExportType::Nbd,
        }
    }

    /// The node that it uses now.
    pub fn node(&self) -> Option<Rc<Node>> {
        let Kind::Nbd(nbd) = &self.kind;
        nbd.blk().node()
    }

    /// True once somebody has asked it to end.
    pub fn is_shutting_down(&self) -> bool {
        self.shutting_down.get()
    }

    /// How many clients use it.
    pub fn clients(&self) -> usize {
        let Kind::Nbd(nbd) = &self.kind;
        nbd.clients()
    }
}

/// The exports of a daemon, and the servers that they are reached by.
#[derive(Default)]
pub struct Exports {
    /// The oldest first.
    list: RefCell<Vec<Rc<BlockExport>>>,
    nbd_server: RefCell<Option<Rc<NbdServer>>>,
}

impl Exports {
    /// All exports, the newest first.
    pub fn all(&self) -> Vec<Rc<BlockExport>> {
        self.list.borrow().iter().rev().cloned().collect()
    }

    /// The export of that name.
    ///
    /// QEMU: `blk_exp_find` (block/export/export.c).
    pub fn find(&self, id: &str) -> Option<Rc<BlockExport>> {
        let list = self.list.borrow();
        list.iter().find(|export| export.id == id).cloned()
    }

    /// The NBD exports to which clients may come, the oldest first.
    pub fn open_nbd(&self) -> Vec<Rc<NbdExport>> {
        let list = self.list.borrow();
        let open = list.iter().filter(|export| !export.is_shutting_down());
        open.map(|export| {
            let Kind::Nbd(nbd) = &export.kind;
            nbd.clone()
        })
        .collect()
    }

    /// The NBD export that clients know by that name.
    ///
    /// QEMU: `nbd_export_find` (nbd/server.c).
    pub fn find_nbd(&self, name: &str) -> Option<Rc<NbdExport>> {
        let mut open = self.open_nbd().into_iter();
        open.find(|export| export.name() == name)
    }

    /// The NBD server, if it has been started.
    pub fn nbd_server(&self) -> Option<Rc<NbdServer>> {
        self.nbd_server.borrow().clone()
    }

    /// There is another NBD server from now on, or none.
    pub fn set_nbd_server(&self, server: Option<Rc<NbdServer>>) {
        let before = self.nbd_server.replace(server);
        drop(before);
    }

    fn push(&self, export: Rc<BlockExport>) {
        self.list.borrow_mut().push(export);
    }

    /// Has an export end: no client comes to it any more, those that there are lose it, and when their
    /// requests have ended, everybody is told that it is gone. Called outside of coroutines.
    ///
    /// QEMU: `blk_exp_request_shutdown` (block/export/export.c).
    pub fn request_shutdown(daemon: &Rc<Daemon>, export: &Rc<BlockExport>) {
        if export.shutting_down.replace(true) {
            return;
        }
        let Kind::Nbd(nbd) = &export.kind;
        let gone = {
            let daemon = Rc::downgrade(daemon);
            let export = Rc::downgrade(export);
            move || Self::delete_soon(&daemon, &export)
        };
        nbd.close(gone);
        if export.clients() == 0 {
            Self::delete(daemon, export);
        }
    }

    /// The last session ends, in a coroutine, where nobody may poll.
    fn delete_soon(daemon: &Weak<Daemon>, export: &Weak<BlockExport>) {
        let (daemon, export) = (daemon.clone(), export.clone());
        let Some(context) = daemon.upgrade().map(|daemon| daemon.context().clone()) else {
            return;
        };
        context.schedule_oneshot("blk_exp_delete", move || {
            if let (Some(daemon), Some(export)) = (daemon.upgrade(), export.upgrade()) {
                Self::delete(&daemon, &export);
            }
        });
    }

    /// QEMU: `blk_exp_delete_bh` (block/export/export.c).
    fn delete(daemon: &Rc<Daemon>, export: &Rc<BlockExport>) {
        let exports = &daemon.exports;
        let listed = |other: &Rc<BlockExport>| Rc::ptr_eq(other, export);
        if !exports.list.borrow().iter().any(listed) {
            return;
        }
        exports.list.borrow_mut().retain(|other| !listed(other));
        let node = export.node();
        let Kind::Nbd(nbd) = &export.kind;
        nbd.release();
        if let Some(node) = node
            && node.parents().is_empty()
            && !daemon.owned.has_node(&node)
        {
            // The export was its last user.
            open::flush_before_close(daemon, &node);
        }
        daemon.emit(&BlockExportDeleted {
            id: export.id.clone(),
        });
    }

    /// Ends all exports. Polls until they are gone.
    ///
    /// QEMU: `blk_exp_close_all` (block/export/export.c).
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn close_all(daemon: &Rc<Daemon>) {
        for export in daemon.exports.all() {
            Self::request_shutdown(daemon, &export);
        }
        daemon
            .context()
            .poll_while(|| !daemon.exports.list.borrow().is_empty());
    }

    /// Ends all exports, and the server. Polls until both are gone.
    ///
    /// # Panics
    ///
    /// Inside of a coroutine.
    pub fn shut_down(daemon: &Rc<Daemon>) {
        Self::close_all(daemon);
        let server = daemon.exports.nbd_server.take();
        if let Some(server) = server {
            server.close();
        }
    }
}
