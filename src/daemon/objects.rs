//! Objects that a user makes by `object-add`: throttle groups and secrets.
//!
//! QEMU: `user_creatable_add_qapi` (qom/object_interfaces.c).

/// The objects, by their ids.
#[derive(Default)]
pub struct Objects {}
