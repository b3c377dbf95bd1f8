//! The options of a recording.

use std::path::PathBuf;

use clap::Args;

use crate::size;

/// So long a trace file may get where nobody says otherwise.
const DEFAULT_LIMIT: &str = "256M";

/// Whether a run is recorded.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Record what the engine does in a file that 'blockjob view' makes a page of; a recording that is
    /// there is overwritten, another file is not
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// How long that file may get; after that only states of jobs, drained sections and exchanged nodes
    /// are recorded
    #[arg(long, value_name = "SIZE", value_parser = size::parse, default_value = DEFAULT_LIMIT,
          requires = "record")]
    pub(crate) record_limit: u64,
}
