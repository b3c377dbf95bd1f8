//! How a `blkdebug` node is made, and what is refused.

use super::config::{self, ConfigRule};
use super::control::Blkdebug;
use super::rules::{InjectError, SetState};
use super::{BlkdebugDriver, LimitOptions};
use crate::error::{BlockError, BlockResult, ErrorKind};
use crate::node::Node;
use crate::perm::Perm;

/// The options of a `blkdebug` node. Sizes are in bytes; 0 leaves what the image says.
///
/// QEMU: `BlockdevOptionsBlkdebug` (qapi/block-core.json).
#[derive(Debug, Clone, Default)]
pub struct BlkdebugOptions {
    limits: LimitOptions,
    rules: Vec<ConfigRule>,
    take_child_perms: Perm,
    unshare_child_perms: Perm,
}

impl BlkdebugOptions {
    /// No rules, and the limits of the image.
    pub fn new() -> Self {
        Self::default()
    }

    /// What requests must be multiples of (`align`).
    #[must_use]
    pub fn align(mut self, align: u64) -> Self {
        self.limits.align = align;
        self
    }

    /// The longest read or write (`max-transfer`).
    #[must_use]
    pub fn max_transfer(mut self, max_transfer: u64) -> Self {
        self.limits.max_transfer = max_transfer;
        self
    }

    /// Shorter writes of zeroes are not supported, so that they are written as data
    /// (`opt-write-zero`).
    #[must_use]
    pub fn opt_write_zero(mut self, opt_write_zero: u64) -> Self {
        self.limits.opt_write_zero = opt_write_zero;
        self
    }

    /// The longest write of zeroes (`max-write-zero`).
    #[must_use]
    pub fn max_write_zero(mut self, max_write_zero: u64) -> Self {
        self.limits.max_write_zero = max_write_zero;
        self
    }

    /// Shorter discards are not supported (`opt-discard`).
    #[must_use]
    pub fn opt_discard(mut self, opt_discard: u64) -> Self {
        self.limits.opt_discard = opt_discard;
        self
    }

    /// The longest discard (`max-discard`).
    #[must_use]
    pub fn max_discard(mut self, max_discard: u64) -> Self {
        self.limits.max_discard = max_discard;
        self
    }

    /// Permissions to use on the image, on top of what is needed (`take-child-perms`).
    #[must_use]
    pub fn take_child_perms(mut self, perms: Perm) -> Self {
        self.take_child_perms = perms;
        self
    }

    /// Permissions not to share on the image (`unshare-child-perms`).
    #[must_use]
    pub fn unshare_child_perms(mut self, perms: Perm) -> Self {
        self.unshare_child_perms = perms;
        self
    }

    /// Adds a rule (`inject-error`).
    #[must_use]
    pub fn inject_error(mut self, error: InjectError) -> Self {
        self.rules.push(ConfigRule::Inject(error));
        self
    }

    /// Adds a rule (`set-state`).
    #[must_use]
    pub fn set_state(mut self, rule: SetState) -> Self {
        self.rules.push(ConfigRule::SetState(rule));
        self
    }

    /// Adds the rules of a configuration file, whose text is `text` (`config`).
    ///
    /// # Errors
    ///
    /// `Invalid`, in QEMU's words.
    pub fn config(mut self, text: &str) -> BlockResult<Self> {
        self.rules.extend(config::parse(text)?);
        Ok(self)
    }

    /// The driver of a node on top of `image`.
    ///
    /// QEMU: `blkdebug_open` (block/blkdebug.c).
    ///
    /// # Errors
    ///
    /// `Invalid` if the limits contradict each other or the image, in QEMU's words.
    pub fn build(self, image: &Node) -> BlockResult<BlkdebugDriver> {
        self.limits.check(image.limits().request_alignment)?;
        let control = Blkdebug::new();
        for rule in self.rules {
            match rule {
                ConfigRule::Inject(error) => control.inject_error(error),
                ConfigRule::SetState(rule) => control.set_state(rule),
            }
        }
        Ok(BlkdebugDriver {
            control,
            limits: self.limits,
            take_child_perms: self.take_child_perms,
            unshare_child_perms: self.unshare_child_perms,
        })
    }
}

impl LimitOptions {
    fn check(&self, image_align: u64) -> BlockResult<()> {
        let align = self.align.max(image_align);
        let refuse = |name: &str, value: u64| {
            Err(BlockError::new(
                ErrorKind::Invalid,
                format!("Cannot meet constraints with {name} {value}"),
            ))
        };
        let too_long = |value: u64| value >= i32::MAX as u64;
        if self.align != 0 && (too_long(align) || !self.align.is_power_of_two()) {
            return refuse("align", self.align);
        }
        let multiples = [
            ("max-transfer", self.max_transfer, align),
            ("opt-write-zero", self.opt_write_zero, align),
            (
                "max-write-zero",
                self.max_write_zero,
                align.max(self.opt_write_zero),
            ),
            ("opt-discard", self.opt_discard, align),
            ("max-discard", self.max_discard, align.max(self.opt_discard)),
        ];
        for (name, value, unit) in multiples {
            if too_long(value) || !value.is_multiple_of(unit) {
                return refuse(name, value);
            }
        }
        Ok(())
    }
}
