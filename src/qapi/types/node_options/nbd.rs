//! Options of the driver `nbd`.
//!
//! QEMU: `BlockdevOptionsNbd` (qapi/block-core.json).

use crate::qapi::types::sockets::SocketAddress;
use crate::qapi_struct;

qapi_struct! {
    /// What `nbd` takes.
    pub struct BlockdevOptionsNbd {
        /// Where the server is.
        "server" server: SocketAddress,
        /// The export; the server's default if it is left out.
        "export" export: Option<String>,
        /// The credentials for an encrypted connection, which are not supported.
        "tls-creds" tls_creds: Option<String>,
        /// The name in the server's certificate, which is not supported.
        "tls-hostname" tls_hostname: Option<String>,
        /// Another meta context than that of allocation, which is not supported.
        "x-dirty-bitmap" x_dirty_bitmap: Option<String>,
        /// For how many seconds requests wait for a connection that was lost; 0 if it is left out.
        "reconnect-delay" reconnect_delay: Option<u32>,
        /// For how many seconds the node tries to connect when it is made; 0 to try once.
        "open-timeout" open_timeout: Option<u32>,
    }
}
