//! Who may do what with a node: permissions, their conflicts and the texts of these, op blockers,
//! names; and that a change which is refused leaves nothing behind.

#[path = "../common/mod.rs"]
#[macro_use]
mod common;

mod backing;
mod changes;
mod conflicts;
mod lives;
mod names;
mod op_blockers;
mod rollback;
