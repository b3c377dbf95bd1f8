//! Replies to options, read one at a time.

use super::handshake::HandshakeError;
use crate::nbd::proto::{OptionReplyHeader, opt_name, rep};

/// One reply to an option.
pub(super) struct OptionReply<'a> {
    pub(super) header: OptionReplyHeader,
    pub(super) data: &'a [u8],
}

impl OptionReply<'_> {
    /// True for a reply that says no.
    pub(super) fn is_error(&self) -> bool {
        self.header.reply & rep::FLAG_ERROR != 0
    }

    /// The error that a reply is which says no.
    ///
    /// QEMU: `nbd_handle_reply_err` (nbd/client.c), whose texts users know.
    pub(super) fn error(&self) -> HandshakeError {
        let option = self.header.option;
        let about = format!("{option} ({})", opt_name(option));
        let text = match self.header.reply {
            rep::ERR_UNSUP => format!("Server does not support option {about}"),
            rep::ERR_POLICY => format!("Denied by server for option {about}"),
            rep::ERR_INVALID => format!("Invalid parameters for option {about}"),
            rep::ERR_PLATFORM => format!("Server lacks support for option {about}"),
            rep::ERR_TLS_REQD => {
                format!("TLS negotiation required before option {about}")
            }
            rep::ERR_UNKNOWN => "Requested export not available".to_owned(),
            rep::ERR_SHUTDOWN => format!("Server shutting down before option {about}"),
            rep::ERR_BLOCK_SIZE_REQD => {
                format!("Server requires INFO_BLOCK_SIZE for option {about}")
            }
            _ => format!("Unknown error code when asking for option {about}"),
        };
        let mut hints = Vec::new();
        if self.header.reply == rep::ERR_TLS_REQD {
            hints.push("Did you forget a valid tls-creds?".to_owned());
        }
        if !self.data.is_empty() {
            let said = String::from_utf8_lossy(self.data);
            let said: String = said.chars().filter(|c| !c.is_control()).collect();
            hints.push(format!("server reported: {said}"));
        }
        HandshakeError::refused(text, hints)
    }

    /// Checks a reply that says yes and nothing else.
    pub(super) fn expect_ack(&self) -> Result<(), HandshakeError> {
        if self.header.reply != rep::ACK {
            let reply = self.header.reply;
            return Err(HandshakeError::protocol(format!(
                "Unexpected reply type {reply:x}, expected {:x}",
                rep::ACK
            )));
        }
        if !self.data.is_empty() {
            return Err(HandshakeError::protocol(
                "an option was acknowledged with data that nobody asked for",
            ));
        }
        Ok(())
    }
}
