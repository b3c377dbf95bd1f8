//! The mirror, in virtual time, over disks in memory and guests that write.

mod faults;
mod guests;
mod lab;
mod liar;
mod load;
mod model;
mod support;

mod active;
mod backing;
mod bounds;
mod budget;
mod cancels;
mod closing;
mod convergence;
mod cow;
mod empty;
mod ends;
mod errors;
mod filter;
mod flushes;
mod granules;
mod museum;
mod pauses;
mod pivot;
mod random;
mod receipts;
mod refused;
mod room;
mod several;
mod sync_modes;
mod traces;
mod verify;
mod words;
mod zeroes;
