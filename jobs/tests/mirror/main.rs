//! The mirror, in virtual time, over disks in memory and guests that write.

mod guests;
mod lab;
mod model;
mod support;

mod bounds;
mod cow;
mod empty;
mod ends;
mod errors;
mod granules;
mod pauses;
mod pivot;
mod refused;
mod room;
mod sync_modes;
mod zeroes;
