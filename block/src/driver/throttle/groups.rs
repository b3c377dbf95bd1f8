//! The throttle groups of a program, by their names.
//!
//! QEMU: `throttle_groups` (block/throttle-groups.c).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use blockjob_runtime::AioContext;

use super::group::ThrottleGroup;
use super::limits::ThrottleLimits;
use crate::error::{BlockError, BlockResult, ErrorKind};

/// The throttle groups of a program. The errors are worded as those of QEMU's monitor.
#[derive(Debug, Default)]
pub struct ThrottleGroups {
    groups: Rc<GroupMap>,
}

/// Groups by their names.
pub(super) type GroupMap = RefCell<BTreeMap<String, Rc<ThrottleGroup>>>;

impl ThrottleGroups {
    /// None yet.
    pub fn new() -> ThrottleGroups {
        Self::default()
    }

    /// Makes a group; see [`ThrottleGroup::new`].
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is one of that name; `Invalid` if the limits do not fit together.
    pub fn create(
        &self,
        context: &AioContext,
        name: &str,
        limits: &ThrottleLimits,
    ) -> BlockResult<Rc<ThrottleGroup>> {
        if self.groups.borrow().contains_key(name) {
            let text =
                format!("attempt to add duplicate property '{name}' to object (type 'container')");
            return Err(BlockError::new(ErrorKind::AlreadyExists, text));
        }
        let group = ThrottleGroup::new(context, name, limits)?;
        self.enter(&group);
        Ok(group)
    }

    /// Takes in a group, with its name. When its members move to another context it moves along, to the
    /// groups of the graph there.
    pub(super) fn enter(&self, group: &Rc<ThrottleGroup>) {
        group.set_listed(Rc::downgrade(&self.groups));
        let mut groups = self.groups.borrow_mut();
        groups.insert(group.name().to_owned(), group.clone());
    }

    /// The group of that name.
    ///
    /// QEMU: `throttle_group_exists`, `throttle_group_by_name` (block/throttle-groups.c).
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none.
    pub fn find(&self, name: &str) -> BlockResult<Rc<ThrottleGroup>> {
        let groups = self.groups.borrow();
        groups.get(name).cloned().ok_or_else(|| {
            let text = format!("Throttle group '{name}' does not exist");
            BlockError::new(ErrorKind::NotFound, text)
        })
    }

    /// Every group, in order of names.
    pub fn all(&self) -> Vec<Rc<ThrottleGroup>> {
        self.groups.borrow().values().cloned().collect()
    }

    /// Forgets a group that no node is in.
    ///
    /// QEMU: `user_creatable_del` (qom/object_interfaces.c).
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none of that name; `InUse` if it has members.
    pub fn remove(&self, name: &str) -> BlockResult<()> {
        let mut groups = self.groups.borrow_mut();
        let members = groups.get(name).map(|group| group.members());
        let refuse = |kind, text| Err(BlockError::new(kind, text));
        match members {
            Some(0) => {
                groups.remove(name);
                Ok(())
            }
            Some(_) => refuse(
                ErrorKind::InUse,
                format!("object '{name}' is in use, can not be deleted"),
            ),
            None => refuse(ErrorKind::NotFound, format!("object '{name}' not found")),
        }
    }
}
