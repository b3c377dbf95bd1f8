//! One attempt to get a connection: a stream, and a handshake on it.

use std::io;

use blockjob_runtime::AioContext;
use futures_lite::future::or;
use futures_lite::{AsyncReadExt, AsyncWriteExt};

use super::transport::{ByteStream, Transport};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::nbd::client::{ExportInfo, Handshake, HandshakeError};

/// A stream on which the transmission has begun.
pub(super) struct Connected {
    pub(super) stream: Box<dyn ByteStream>,
    pub(super) info: ExportInfo,
}

/// Connects and shakes hands, if that takes no longer than `timeout_ns`.
///
/// QEMU: `nbd_connect` (nbd/client-connection.c).
pub(super) async fn attempt(
    context: &AioContext,
    transport: &dyn Transport,
    export: &str,
    timeout_ns: u64,
) -> BlockResult<Connected> {
    let connect = async {
        let mut stream = transport.connect().await?;
        let info = shake_hands(&mut *stream, export).await?;
        Ok(Connected { stream, info })
    };
    let too_late = async {
        context.sleep(timeout_ns).await;
        Err(BlockError::new(
            ErrorKind::Io,
            "Connection attempt cancelled by timeout",
        ))
    };
    or(connect, too_late).await
}

async fn shake_hands(stream: &mut dyn ByteStream, export: &str) -> BlockResult<ExportInfo> {
    let mut handshake = Handshake::new(export).map_err(|error| refused(&error))?;
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await;
        let read = read.map_err(|error| BlockError::from_io(&error, "Failed to read data"))?;
        if read == 0 {
            return Err(BlockError::new(
                ErrorKind::Io,
                "Failed to read data: Unexpected end-of-file before all data were read",
            ));
        }
        let mut bytes = &buffer[..read];
        let mut out = Vec::new();
        let result = handshake.feed(&mut bytes, &mut out);
        let sent = stream.write_all(&out).await;
        match result {
            Ok(Some(info)) if bytes.is_empty() => return Ok(info),
            Ok(Some(_)) => {
                return Err(BlockError::new(
                    ErrorKind::Invalid,
                    "Protocol error: the server answers before anything is asked",
                ));
            }
            Ok(None) => {
                sent.map_err(|error: io::Error| BlockError::from_io(&error, "Failed to send data"))?
            }
            Err(error) => return Err(refused(&error)),
        }
    }
}

fn refused(error: &HandshakeError) -> BlockError {
    let refused = BlockError::new(ErrorKind::Invalid, error.to_string());
    match error.hints() {
        [] => refused,
        hints => refused.with_hint(hints.join("\n")),
    }
}
