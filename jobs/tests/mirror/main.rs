//! The mirror, in virtual time, over disks in memory and a guest that writes.

mod support;

mod pivot;
