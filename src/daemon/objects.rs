//! Objects that a user makes by `object-add` or `--object`: I/O threads, throttle groups and secrets.
//!
//! QEMU: `user_creatable_add_qapi` (qom/object_interfaces.c), crypto/secret.c,
//! block/throttle-groups.c.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blockjob_block::driver::throttle;
use blockjob_runtime::AioHandle;

use super::Daemon;
use super::contexts::{self, iothread};
use crate::qapi::types::qom::{
    ObjectOptions, ObjectOptionsKind, QCryptoSecretFormat, SecretProperties,
    ThrottleGroupProperties, ThrottleLimits,
};
use crate::qapi::{QmpError, QmpResult};

/// The objects, by their ids. Throttle groups are with the nodes that keep to them, each in one context.
#[derive(Default)]
pub struct Objects {
    secrets: RefCell<BTreeMap<String, Rc<[u8]>>>,
}

impl Objects {
    /// The bytes of a secret.
    ///
    /// QEMU: `qcrypto_secret_lookup` (crypto/secret_common.c).
    ///
    /// # Errors
    ///
    /// There is no secret of that name.
    pub fn secret(&self, id: &str) -> QmpResult<Rc<[u8]>> {
        let secrets = self.secrets.borrow();
        let found = secrets.get(id).cloned();
        found.ok_or_else(|| QmpError::generic(format!("No secret with id '{id}'")))
    }
}

impl Daemon {
    /// Makes an object.
    ///
    /// QEMU: `user_creatable_add_type` (qom/object_interfaces.c).
    ///
    /// # Errors
    ///
    /// The id is taken, or no id; or what the object says of its options.
    pub fn add_object(self: &Rc<Self>, options: &ObjectOptions) -> QmpResult<()> {
        let id = &options.base.id;
        if !blockjob_block::graph::name_wellformed(id) {
            let error = QmpError::generic("Parameter 'id' expects an identifier");
            return Err(error.with_hint(
                "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.",
            ));
        }
        let secret = match &options.u {
            ObjectOptionsKind::Secret(secret) => Some(self.load_secret(secret)?),
            _ => None,
        };
        let limits = match &options.u {
            ObjectOptionsKind::ThrottleGroup(group) => Some(throttle_limits(group)),
            _ => None,
        };
        if let ObjectOptionsKind::Iothread(properties) = &options.u {
            iothread::check(properties)?;
        }
        let is_taken = self.objects.secrets.borrow().contains_key(id)
            || self.contexts.find(id).is_some()
            || self.home_of_group(id)?.is_some();
        if is_taken {
            return Err(QmpError::generic(format!(
                "attempt to add duplicate property '{id}' to object (type 'container')"
            )));
        }
        if let Some(secret) = secret {
            self.objects.secrets.borrow_mut().insert(id.clone(), secret);
        }
        if let Some(limits) = limits {
            let groups = self.graph().throttle_groups();
            groups.create(self.context(), id, &limits)?;
        }
        if let ObjectOptionsKind::Iothread(_) = &options.u {
            self.add_iothread(id)?;
        }
        Ok(())
    }

    /// Forgets an object.
    ///
    /// QEMU: `user_creatable_del` (qom/object_interfaces.c).
    ///
    /// # Errors
    ///
    /// There is none of that name, or somebody uses it.
    pub fn remove_object(self: &Rc<Self>, id: &str) -> QmpResult<()> {
        if let Some(io) = self.contexts.find(id) {
            return self.remove_iothread(&io);
        }
        if self.objects.secrets.borrow_mut().remove(id).is_some() {
            return Ok(());
        }
        let home = self.home_of_group(id)?;
        let home = home.unwrap_or_else(|| self.context().handle());
        let id = id.to_owned();
        let remove = move |daemon: &Rc<Daemon>| daemon.graph().throttle_groups().remove(&id);
        Ok(contexts::call(self, &home, remove)??)
    }

    /// In which context the throttle group of that name is, if there is one.
    pub(in crate::daemon) fn home_of_group(
        self: &Rc<Self>,
        id: &str,
    ) -> QmpResult<Option<AioHandle>> {
        for home in contexts::homes(self) {
            let id = id.to_owned();
            let find =
                move |daemon: &Rc<Daemon>| daemon.graph().throttle_groups().find(&id).is_ok();
            if contexts::call(self, &home, find)? {
                return Ok(Some(home));
            }
        }
        Ok(None)
    }

    /// QEMU: `qcrypto_secret_load_data` (crypto/secret.c), `qcrypto_secret_complete`
    /// (crypto/secret_common.c).
    fn load_secret(&self, options: &SecretProperties) -> QmpResult<Rc<[u8]>> {
        let bytes = match (&options.data, &options.file) {
            (Some(_), Some(_)) => {
                return Err(QmpError::generic(
                    "'file' and 'data' are mutually exclusive",
                ));
            }
            (None, None) => {
                return Err(QmpError::generic(
                    "Either 'file' or 'data' must be provided",
                ));
            }
            (Some(data), None) => data.clone().into_bytes(),
            (None, Some(file)) => fs::read(file).map_err(|error| {
                let why = blockjob_block::error::errno_text(error.raw_os_error().unwrap_or(0));
                QmpError::generic(format!(
                    "Unable to read {file}: Failed to open file \u{201c}{file}\u{201d}: {why}"
                ))
            })?,
        };
        if let Some(keyid) = &options.keyid {
            self.objects.secret(keyid)?;
            return Err(QmpError::generic(
                "Parameter 'keyid' is not supported: secrets that are encrypted cannot be read",
            ));
        }
        if options.format != Some(QCryptoSecretFormat::Base64) {
            return Ok(bytes.into());
        }
        // As the peer: line ends are no part of it.
        let text: Vec<u8> = bytes
            .into_iter()
            .filter(|byte| !b"\r\n".contains(byte))
            .collect();
        let decoded = STANDARD.decode(text);
        let decoded =
            decoded.map_err(|_| QmpError::generic("Base64 data contains invalid characters"))?;
        Ok(decoded.into())
    }
}

/// QEMU: `throttle_group_obj_complete`, the properties `x-*` (block/throttle-groups.c).
fn throttle_limits(group: &ThrottleGroupProperties) -> throttle::ThrottleLimits {
    let single = ThrottleLimits {
        iops_total: group.x_iops_total,
        iops_total_max: group.x_iops_total_max,
        iops_total_max_length: group.x_iops_total_max_length,
        iops_read: group.x_iops_read,
        iops_read_max: group.x_iops_read_max,
        iops_read_max_length: group.x_iops_read_max_length,
        iops_write: group.x_iops_write,
        iops_write_max: group.x_iops_write_max,
        iops_write_max_length: group.x_iops_write_max_length,
        bps_total: group.x_bps_total,
        bps_total_max: group.x_bps_total_max,
        bps_total_max_length: group.x_bps_total_max_length,
        bps_read: group.x_bps_read,
        bps_read_max: group.x_bps_read_max,
        bps_read_max_length: group.x_bps_read_max_length,
        bps_write: group.x_bps_write,
        bps_write_max: group.x_bps_write_max,
        bps_write_max_length: group.x_bps_write_max_length,
        iops_size: group.x_iops_size,
    };
    let all = group.limits.as_ref().unwrap_or(&single);
    // What is in neither stays `None`; what is in both is as `limits` says.
    throttle::ThrottleLimits {
        iops_total: all.iops_total.or(single.iops_total),
        iops_total_max: all.iops_total_max.or(single.iops_total_max),
        iops_total_max_length: all.iops_total_max_length.or(single.iops_total_max_length),
        iops_read: all.iops_read.or(single.iops_read),
        iops_read_max: all.iops_read_max.or(single.iops_read_max),
        iops_read_max_length: all.iops_read_max_length.or(single.iops_read_max_length),
        iops_write: all.iops_write.or(single.iops_write),
        iops_write_max: all.iops_write_max.or(single.iops_write_max),
        iops_write_max_length: all.iops_write_max_length.or(single.iops_write_max_length),
        bps_total: all.bps_total.or(single.bps_total),
        bps_total_max: all.bps_total_max.or(single.bps_total_max),
        bps_total_max_length: all.bps_total_max_length.or(single.bps_total_max_length),
        bps_read: all.bps_read.or(single.bps_read),
        bps_read_max: all.bps_read_max.or(single.bps_read_max),
        bps_read_max_length: all.bps_read_max_length.or(single.bps_read_max_length),
        bps_write: all.bps_write.or(single.bps_write),
        bps_write_max: all.bps_write_max.or(single.bps_write_max),
        bps_write_max_length: all.bps_write_max_length.or(single.bps_write_max_length),
        iops_size: all.iops_size.or(single.iops_size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qapi::json::from_json;
    use crate::qapi::{Flavour, Input, Qapi};
    use blockjob_runtime::AioContext;

    fn add(daemon: &Rc<Daemon>, json: &str) -> String {
        let value = from_json(json).expect("the test writes JSON");
        let options = ObjectOptions::visit(Input::top(&value, Flavour::Json));
        match options.and_then(|options| daemon.add_object(&options)) {
            Ok(()) => String::new(),
            Err(error) => error.desc,
        }
    }

    fn daemon() -> Rc<Daemon> {
        Daemon::new(&AioContext::builder().virtual_time().build())
    }

    #[test]
    fn an_id_is_taken_by_whatever_has_it() {
        let daemon = daemon();
        assert_eq!(
            add(&daemon, "{'qom-type': 'secret', 'id': 'a', 'data': 'x'}"),
            ""
        );
        let taken = "attempt to add duplicate property 'a' to object (type 'container')";
        assert_eq!(
            add(&daemon, "{'qom-type': 'throttle-group', 'id': 'a'}"),
            taken
        );
        daemon.remove_object("a").expect("it is there");
        assert_eq!(
            add(&daemon, "{'qom-type': 'throttle-group', 'id': 'a'}"),
            ""
        );
        assert_eq!(
            add(&daemon, "{'qom-type': 'secret', 'id': 'a', 'data': 'x'}"),
            taken
        );
    }

    #[test]
    fn a_secret_comes_from_one_place_in_its_format() {
        let daemon = daemon();
        let base64 = "{'qom-type': 'secret', 'id': 'b', 'data': 'YW\\nJj', 'format': 'base64'}";
        assert_eq!(add(&daemon, base64), "");
        assert_eq!(&*daemon.objects.secret("b").expect("it is there"), b"abc");
        assert_eq!(
            add(
                &daemon,
                "{'qom-type': 'secret', 'id': 'c', 'data': '!!', 'format': 'base64'}"
            ),
            "Base64 data contains invalid characters"
        );
        assert_eq!(
            add(&daemon, "{'qom-type': 'secret', 'id': 'c'}"),
            "Either 'file' or 'data' must be provided"
        );
        assert_eq!(
            add(
                &daemon,
                "{'qom-type': 'secret', 'id': 'c', 'data': '', 'file': ''}"
            ),
            "'file' and 'data' are mutually exclusive"
        );
    }

    #[test]
    fn limits_are_given_together_or_one_by_one() {
        let daemon = daemon();
        let one = "{'qom-type': 'throttle-group', 'id': 'a', 'x-iops-total': 5}";
        let all = "{'qom-type': 'throttle-group', 'id': 'b', 'limits': {'bps-read': 7}}";
        assert_eq!(
            (add(&daemon, one), add(&daemon, all)),
            (String::new(), String::new())
        );
        let group = |name| {
            daemon
                .graph()
                .throttle_groups()
                .find(name)
                .expect("it is there")
        };
        assert_eq!(group("a").limits().iops_total, Some(5));
        assert_eq!(group("b").limits().bps_read, Some(7));
        let both = "{'qom-type': 'throttle-group', 'id': 'c', \
                    'limits': {'iops-total': 1, 'iops-read': 1}}";
        assert_eq!(
            add(&daemon, both),
            "bps/iops/max total values and read/write values cannot be used at the same time"
        );
    }
}
