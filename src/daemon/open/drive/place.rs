//! Where a guest would find a drive: on which bus, in which place.
//!
//! QEMU: `if_name`, `drive_new` (blockdev.c).

use super::fail;
use crate::daemon::Daemon;
use crate::daemon::open::options::Options;
use crate::daemon::owned::Slot;
use crate::qapi::QmpResult;

/// Where a guest would find disks, with how many there are on one bus; 0 is no limit.
///
/// QEMU: `if_name`, `if_max_devs` (blockdev.c).
const INTERFACES: [(&str, u32); 8] = [
    ("none", 0),
    ("ide", 2),
    ("scsi", 7),
    ("floppy", 0),
    ("pflash", 0),
    ("mtd", 0),
    ("sd", 0),
    ("virtio", 0),
];

/// Where the guest would find the drive.
pub(super) struct Place {
    pub(super) interface: &'static str,
    pub(super) is_cdrom: bool,
    pub(super) slot: Slot,
}

impl Place {
    /// QEMU: `drive_new` (blockdev.c).
    pub(super) fn take(daemon: &Daemon, options: &mut Options) -> QmpResult<Place> {
        let name = options.take("if").unwrap_or_else(|| "ide".to_owned());
        let found = INTERFACES.iter().position(|(known, _)| *known == name);
        let Some(number) = found else {
            return fail(format!("unsupported bus type '{name}'"));
        };
        let (interface, max_devs) = INTERFACES[number];
        let is_cdrom = match options.take("media").as_deref() {
            None | Some("disk") => false,
            Some("cdrom") => true,
            Some(other) => return fail(format!("'{other}' invalid media")),
        };
        let bus = take_small(options, "bus")?;
        let unit = take_small(options, "unit")?;
        let index = take_small(options, "index")?;
        let slot_at = |index: u32| match max_devs {
            0 => (0, index),
            max => (index / max, index % max),
        };
        let (bus, unit) = match (index, bus, unit) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                return fail("index cannot be used with bus and unit");
            }
            (Some(index), None, None) => slot_at(index),
            (None, bus, Some(unit)) => (bus.unwrap_or(0), unit),
            (None, bus, None) => {
                let free = |place: &(u32, u32)| {
                    let slot = Slot(interface, place.0, place.1);
                    bus.is_none_or(|bus| bus == place.0) && !daemon.owned.has_slot(slot)
                };
                let mut places = (0..u32::MAX).map(slot_at);
                match places.find(free) {
                    Some(place) => place,
                    None => return fail("there is no room for another drive"),
                }
            }
        };
        if max_devs > 0 && unit >= max_devs {
            return fail(format!("unit {unit} too big (max is {})", max_devs - 1));
        }
        let slot = Slot(interface, bus, unit);
        if daemon.owned.has_slot(slot) {
            let index = bus * max_devs + unit;
            return fail(format!(
                "drive with bus={bus}, unit={unit} (index={index}) exists"
            ));
        }
        Ok(Place {
            interface,
            is_cdrom,
            slot,
        })
    }

    /// The name of a drive that has been given none.
    pub(super) fn default_id(&self) -> String {
        let Slot(interface, bus, unit) = self.slot;
        let media = match (interface, self.is_cdrom) {
            ("ide" | "scsi", true) => "-cd",
            ("ide" | "scsi", false) => "-hd",
            _ => "",
        };
        let has_buses = INTERFACES
            .iter()
            .any(|(name, max)| *name == interface && *max > 0);
        if has_buses {
            format!("{interface}{bus}{media}{unit}")
        } else {
            format!("{interface}{media}{unit}")
        }
    }
}

fn take_small(options: &mut Options, name: &str) -> QmpResult<Option<u32>> {
    let Some(text) = options.take(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => fail(format!("Parameter '{name}' expects a number")),
    }
}
