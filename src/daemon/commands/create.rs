//! `blockdev-create`: a job that makes an image.
//!
//! QEMU: block/create.c.

use std::cell::RefCell;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::{Rc, Weak};

use blockjob_block::driver::file;
use blockjob_block::driver::qcow2::{self, Preallocation};
use blockjob_block::{BlockBackend, Node};
use blockjob_jobs::driver::{JobDriver, JobFuture, JobResult};
use blockjob_jobs::error::JobError;
use blockjob_jobs::event::JobType;
use blockjob_jobs::job::{Job, JobOptions};
use blockjob_runtime::{AioContext, CoQueue};

use crate::command;
use crate::daemon::{Daemon, open};
use crate::qapi::types::blockdev_create::{
    BlockdevCreate, BlockdevCreateOptionsFile, BlockdevCreateOptionsKind,
    BlockdevCreateOptionsQcow2, BlockdevQcow2Version, PreallocMode, Qcow2CompressionType,
};
use crate::qapi::types::node_options::BlockdevRef;
use crate::qapi::{Command, QmpError, QmpResult};

/// The table of this file.
pub static COMMANDS: &[Command<Daemon>] = &[command!(
    "blockdev-create", "Starts a job that makes an image.",
    BlockdevCreate => (), qmp_blockdev_create)];

/// What a job failed with whose error has no number of its own.
const EIO: i32 = 5;
/// How many bytes of zeroes are written at a time.
const ZERO_BYTES: usize = 1 << 20;

/// QEMU: `qmp_blockdev_create` (block/create.c).
fn qmp_blockdev_create(daemon: &Rc<Daemon>, args: BlockdevCreate) -> QmpResult<()> {
    if matches!(args.options.u, BlockdevCreateOptionsKind::Nothing) {
        let text = "Driver does not support blockdev-create";
        return Err(QmpError::generic(text));
    }
    let create = CreateJob {
        daemon: Rc::downgrade(daemon),
        options: args.options.u,
        user: RefCell::default(),
    };
    let options = JobOptions {
        auto_dismiss: false,
        ..JobOptions::default()
    };
    let job = Job::create(daemon.jobs(), Some(&args.job_id), Rc::new(create), options)?;
    job.start();
    Ok(())
}

/// QEMU: `BlockdevCreateJob` (block/create.c).
struct CreateJob {
    daemon: Weak<Daemon>,
    options: BlockdevCreateOptionsKind,
    /// Who uses the node that the image is written to.
    user: RefCell<Option<Rc<BlockBackend>>>,
}

impl JobDriver for CreateJob {
    fn job_type(&self) -> JobType {
        JobType::Create
    }

    /// QEMU: `blockdev_create_run` (block/create.c).
    fn run<'a>(&'a self, job: &'a Rc<Job>) -> JobFuture<'a, JobResult> {
        Box::pin(async move {
            job.progress_set_remaining(1);
            let result = self.create().await;
            job.progress_update(1);
            result.map_err(|error| JobError::Failed {
                errno: EIO,
                text: error.desc,
            })
        })
    }

    fn clean(&self, _job: &Rc<Job>) {
        let user = self.user.take();
        if let Some(user) = user {
            user.remove();
        }
    }
}

impl CreateJob {
    async fn create(&self) -> QmpResult<()> {
        match &self.options {
            BlockdevCreateOptionsKind::File(options) => {
                let made = make_file(options)?;
                self.allocate(made, options.preallocation).await
            }
            BlockdevCreateOptionsKind::Qcow2(options) => {
                let made = qcow2_options(options)?;
                let node = self.open(&options.file).await?;
                Ok(qcow2::create(&node, made).await?)
            }
            BlockdevCreateOptionsKind::Nothing => Ok(()),
        }
    }

    fn context(&self) -> Option<AioContext> {
        Some(self.daemon.upgrade()?.context().clone())
    }

    /// Gives a new file room, if that was asked for.
    async fn allocate(
        &self,
        made: file::CreateOptions,
        mode: Option<PreallocMode>,
    ) -> QmpResult<()> {
        let mode = match mode.unwrap_or(PreallocMode::Off) {
            PreallocMode::Off => return Ok(()),
            PreallocMode::Metadata => {
                return Err(QmpError::generic(
                    "Unsupported preallocation mode: metadata",
                ));
            }
            mode if made.size_bytes > 0 => mode,
            _ => return Ok(()),
        };
        let Some(context) = self.context() else {
            return Ok(());
        };
        let done = context.spawn_blocking(move || fill(&made, mode));
        let result = match done.await {
            Ok(result) => result,
            Err(_cancelled) => return Err(QmpError::generic("The daemon is going away")),
        };
        result.map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(EIO);
            let why = blockjob_block::error::errno_text(errno);
            QmpError::generic(format!(
                "Could not preallocate data for the new file: {why}"
            ))
        })
    }

    /// Opens the node that the image is to be written to, outside of coroutines: it polls.
    async fn open(&self, reference: &BlockdevRef) -> QmpResult<Rc<Node>> {
        let gone = || QmpError::generic("The daemon is going away");
        let context = self.context().ok_or_else(gone)?;
        let (weak, reference) = (self.daemon.clone(), reference.clone());
        let opened = Rc::new(RefCell::new(None));
        let done = Rc::new(CoQueue::new());
        let (result, wake) = (opened.clone(), done.clone());
        context.schedule_oneshot("blockdev-create", move || {
            let daemon = weak.upgrade().ok_or_else(gone);
            let opening = daemon.and_then(|daemon| {
                let node = open::open_ref(&daemon, &reference)?;
                let user = open::creating_backend(&daemon, &node)?;
                Ok((node, user))
            });
            *result.borrow_mut() = Some(opening);
            wake.wake_next();
        });
        let (node, user) = loop {
            let taken = opened.take();
            match taken {
                Some(result) => break result?,
                None => done.wait().await,
            }
        };
        *self.user.borrow_mut() = Some(user);
        Ok(node)
    }
}

/// QEMU: `raw_co_create` (block/file-posix.c).
fn make_file(options: &BlockdevCreateOptionsFile) -> QmpResult<file::CreateOptions> {
    let fail = |text: &str| Err(QmpError::generic(text));
    if options.extent_size_hint.is_some_and(|hint| hint.0 != 0) {
        return fail("The option 'extent-size-hint' is not supported");
    }
    if options.nocow == Some(true) {
        return fail("The option 'nocow' is not supported");
    }
    let made = file::CreateOptions {
        path: PathBuf::from(&options.filename),
        size_bytes: options.size.0,
        exclusive: false,
    };
    open::make_file(&made)?;
    Ok(made)
}

/// Gives a file room for all of its length: a thread does it, for it may take long.
///
/// QEMU: `handle_aiocb_truncate` (block/file-posix.c).
fn fill(made: &file::CreateOptions, mode: PreallocMode) -> std::io::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).open(&made.path)?;
    if mode == PreallocMode::Falloc {
        let flags = rustix::fs::FallocateFlags::empty();
        return Ok(rustix::fs::fallocate(&file, flags, 0, made.size_bytes)?);
    }
    let zeroes = vec![0; ZERO_BYTES];
    let mut at = 0;
    while at < made.size_bytes {
        let part = (made.size_bytes - at).min(ZERO_BYTES as u64);
        file.write_all_at(&zeroes[..part as usize], at)?;
        at += part;
    }
    file.sync_data()
}

fn qcow2_options(options: &BlockdevCreateOptionsQcow2) -> QmpResult<qcow2::CreateOptions> {
    let fail = |text: &str| Err(QmpError::generic(text));
    if options.data_file.is_some() {
        return fail("The option 'data-file' is not supported");
    }
    if options.data_file_raw == Some(true) {
        return fail("data-file-raw requires data-file");
    }
    let defaults = qcow2::CreateOptions::new(options.size.0);
    let refcount_bits = options.refcount_bits.unwrap_or(16);
    Ok(qcow2::CreateOptions {
        cluster_size: options
            .cluster_size
            .map_or(defaults.cluster_size, |it| it.0),
        version: match options.version {
            Some(BlockdevQcow2Version::V2) => 2,
            Some(BlockdevQcow2Version::V3) | None => 3,
        },
        backing_file: options.backing_file.clone(),
        backing_format: options.backing_fmt.map(|it| it.as_str().to_owned()),
        preallocation: match options.preallocation {
            None | Some(PreallocMode::Off) => Preallocation::Off,
            Some(PreallocMode::Metadata) => Preallocation::Metadata,
            Some(PreallocMode::Falloc) => Preallocation::Falloc,
            Some(PreallocMode::Full) => Preallocation::Full,
        },
        lazy_refcounts: options.lazy_refcounts.unwrap_or(false),
        // What is below zero is no power of two either.
        refcount_bits: u64::try_from(refcount_bits).unwrap_or(u64::MAX),
        extended_l2: options.extended_l2.unwrap_or(false),
        compression_type: match options.compression_type {
            None | Some(Qcow2CompressionType::Zlib) => "zlib".to_owned(),
            Some(Qcow2CompressionType::Zstd) => "zstd".to_owned(),
        },
        ..defaults
    })
}
