//! QEMU's block-job machinery in async Rust: mirror a disk that is in use.
//!
//! This crate is the front door of the workspace. It gives its three floors one name each, and the
//! program `blockjob` stands on them:
//!
//! - [`runtime`]: the event loop of one thread, with coroutines, bottom halves and timers;
//! - [`block`]: nodes and drivers, requests, drained sections, dirty bitmaps;
//! - [`jobs`]: the job model of QEMU, and the mirror.
//!
//! A mirror between two disks in memory, without the program:
//!
//! ```
//! use std::rc::Rc;
//!
//! use blockjob::block::Graph;
//! use blockjob::block::buf::BufferPool;
//! use blockjob::block::driver::mem::MemOptions;
//! use blockjob::jobs::list::JobList;
//! use blockjob::jobs::mirror::{MirrorOptions, mirror_start};
//! use blockjob::runtime::AioContext;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ctx = AioContext::new();
//! let _current = ctx.make_current();
//! let graph = Graph::new(&ctx);
//! let disk = || Box::new(MemOptions::new(1 << 20).build());
//! let source = graph.add_node(Some("source"), disk(), false, &[])?;
//! let target = graph.add_node(Some("target"), disk(), false, &[])?;
//!
//! let jobs = JobList::new(&ctx, Rc::new(|event| println!("{event:?}")));
//! let pool = Rc::new(BufferPool::new(4096, 16 << 20));
//! let options = MirrorOptions {
//!     job_id: Some("job0".to_owned()),
//!     ..MirrorOptions::new()
//! };
//! let (job, mirror) = mirror_start(&jobs, &pool, &source, &target, &options)?;
//! ctx.poll_while(|| !job.is_ready());
//! job.complete_sync()?;
//! ctx.poll_while(|| mirror.outcome().is_none());
//! assert!(mirror.outcome().is_some_and(|outcome| outcome.is_copy()));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod daemon;
pub mod export;
pub mod monitor;
pub mod qapi;
pub mod sockets;

pub use blockjob_block as block;
pub use blockjob_jobs as jobs;
pub use blockjob_runtime as runtime;
