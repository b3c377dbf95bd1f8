//! From options to nodes: what `--blockdev`, `blockdev-add`, `--drive` and `drive-mirror` open.
//!
//! QEMU: `bdrv_open_inherit` (block.c), `qmp_blockdev_add` (blockdev.c).

pub mod options;
