//! Objects that a user makes: `object-add`.
//!
//! QEMU: qapi/qom.json, `ThrottleLimits` (qapi/block-core.json), qapi/crypto.json.

use crate::{qapi_enum, qapi_struct, qapi_union};

qapi_enum! {
    /// The kinds of objects.
    pub enum ObjectType {
        /// A thread with an event loop, in which nodes and their exports can live.
        "iothread" Iothread,
        /// A password or a key.
        "secret" Secret,
        /// Limits that nodes share.
        "throttle-group" ThrottleGroup,
    }
}

qapi_enum! {
    /// How a secret is written.
    pub enum QCryptoSecretFormat {
        /// As it is.
        "raw" Raw,
        /// In base64.
        "base64" Base64,
    }
}

qapi_struct! {
    /// What an I/O thread takes. All of it is checked, and none of it changes anything: the event loop
    /// looks after that itself.
    pub struct IothreadProperties {
        /// How many requests are sent to the system together at most; 0 for its own choice.
        "aio-max-batch" aio_max_batch: Option<i64>,
        /// How many threads there are at least to wait for disks in.
        "thread-pool-min" thread_pool_min: Option<i64>,
        /// How many threads there are at most to wait for disks in.
        "thread-pool-max" thread_pool_max: Option<i64>,
        /// How long the loop looks for events before it sleeps, in nanoseconds; 0 for not at all.
        "poll-max-ns" poll_max_ns: Option<i64>,
        /// By what factor that time grows when it was too short.
        "poll-grow" poll_grow: Option<i64>,
        /// By what divisor that time shrinks when it was too long.
        "poll-shrink" poll_shrink: Option<i64>,
    }
}

qapi_struct! {
    /// What a secret takes.
    pub struct SecretProperties {
        /// How it is written; `raw` if it is left out.
        "format" format: Option<QCryptoSecretFormat>,
        /// The secret that it is encrypted with.
        "keyid" keyid: Option<String>,
        /// The initialisation vector, if it is encrypted.
        "iv" iv: Option<String>,
        /// The secret itself.
        "data" data: Option<String>,
        /// The file that holds it.
        "file" file: Option<String>,
    }
}

qapi_struct! {
    /// Limits, all at once.
    pub struct ThrottleLimits {
        /// The limit in requests a second; 0 for none.
        "iops-total" iops_total: Option<i64>,
        /// The limit during a burst in requests a second.
        "iops-total-max" iops_total_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "iops-total-max-length" iops_total_max_length: Option<i64>,
        /// The limit of reads in requests a second; 0 for none.
        "iops-read" iops_read: Option<i64>,
        /// The limit of reads during a burst in requests a second.
        "iops-read-max" iops_read_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "iops-read-max-length" iops_read_max_length: Option<i64>,
        /// The limit of writes in requests a second; 0 for none.
        "iops-write" iops_write: Option<i64>,
        /// The limit of writes during a burst in requests a second.
        "iops-write-max" iops_write_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "iops-write-max-length" iops_write_max_length: Option<i64>,
        /// The limit in bytes a second; 0 for none.
        "bps-total" bps_total: Option<i64>,
        /// The limit during a burst in bytes a second.
        "bps-total-max" bps_total_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "bps-total-max-length" bps_total_max_length: Option<i64>,
        /// The limit of reads in bytes a second; 0 for none.
        "bps-read" bps_read: Option<i64>,
        /// The limit of reads during a burst in bytes a second.
        "bps-read-max" bps_read_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "bps-read-max-length" bps_read_max_length: Option<i64>,
        /// The limit of writes in bytes a second; 0 for none.
        "bps-write" bps_write: Option<i64>,
        /// The limit of writes during a burst in bytes a second.
        "bps-write-max" bps_write_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "bps-write-max-length" bps_write_max_length: Option<i64>,
        /// From how many bytes on a request counts as several.
        "iops-size" iops_size: Option<i64>,
    }
}

qapi_struct! {
    /// What a throttle group takes: limits all at once, or each as a property of its own.
    pub struct ThrottleGroupProperties {
        /// All at once.
        "limits" limits: Option<ThrottleLimits>,
        /// The limit in requests a second; 0 for none.
        "x-iops-total" x_iops_total: Option<i64>,
        /// The limit during a burst in requests a second.
        "x-iops-total-max" x_iops_total_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "x-iops-total-max-length" x_iops_total_max_length: Option<i64>,
        /// The limit of reads in requests a second; 0 for none.
        "x-iops-read" x_iops_read: Option<i64>,
        /// The limit of reads during a burst in requests a second.
        "x-iops-read-max" x_iops_read_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "x-iops-read-max-length" x_iops_read_max_length: Option<i64>,
        /// The limit of writes in requests a second; 0 for none.
        "x-iops-write" x_iops_write: Option<i64>,
        /// The limit of writes during a burst in requests a second.
        "x-iops-write-max" x_iops_write_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "x-iops-write-max-length" x_iops_write_max_length: Option<i64>,
        /// The limit in bytes a second; 0 for none.
        "x-bps-total" x_bps_total: Option<i64>,
        /// The limit during a burst in bytes a second.
        "x-bps-total-max" x_bps_total_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "x-bps-total-max-length" x_bps_total_max_length: Option<i64>,
        /// The limit of reads in bytes a second; 0 for none.
        "x-bps-read" x_bps_read: Option<i64>,
        /// The limit of reads during a burst in bytes a second.
        "x-bps-read-max" x_bps_read_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "x-bps-read-max-length" x_bps_read_max_length: Option<i64>,
        /// The limit of writes in bytes a second; 0 for none.
        "x-bps-write" x_bps_write: Option<i64>,
        /// The limit of writes during a burst in bytes a second.
        "x-bps-write-max" x_bps_write_max: Option<i64>,
        /// How long such a burst may be, in seconds.
        "x-bps-write-max-length" x_bps_write_max_length: Option<i64>,
        /// From how many bytes on a request counts as several.
        "x-iops-size" x_iops_size: Option<i64>,
    }
}

qapi_struct! {
    /// What all objects take.
    pub struct ObjectOptionsBase {
        /// The kind of object.
        "qom-type" qom_type: ObjectType,
        /// Its name.
        "id" id: String,
    }
}

qapi_union! {
    /// How an object is made.
    pub union ObjectOptions as ObjectOptionsKind {
        base: ObjectOptionsBase,
        tag "qom-type" qom_type: ObjectType,
        "iothread" Iothread => IothreadProperties,
        "secret" Secret => SecretProperties,
        "throttle-group" ThrottleGroup => ThrottleGroupProperties,
    }
}

qapi_struct! {
    /// The arguments of `object-del`.
    pub struct ObjectDel {
        /// The object.
        "id" id: String,
    }
}
