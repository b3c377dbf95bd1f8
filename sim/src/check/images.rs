//! What is left of an image, as nobody has flushed it: what its tables say, and whether the driver makes
//! do with it.
//!
//! The program that had the image open is gone, and of a file with a volatile cache the power has failed,
//! too. Then the header must be one; each cluster of the file has one use; unless the image says that its
//! refcounts may be wrong, those in use have the refcount 1; and whoever opens it with our driver reads
//! what the tables say, and leaves an image without a fault. Lost clusters are no fault.

use blockjob_block::Node;

use super::Scene;
use super::sides::disk_of;
use crate::disk::{SimDisk, UNIT_BYTES};
use crate::failure::Rule;
use crate::image::reader::Reader;

/// What is wrong with an image, in what way and in words.
type Fault = (&'static str, String);

/// What the file of the image `disk` shows above `base`.
pub(super) fn shown(disk: &SimDisk, base: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let file = disk.file().ok_or("it is in no file")?;
    let mut shown = below(base, disk.store().len());
    let store = file.store();
    Reader::open(store.bytes())?.read_over(&mut shown);
    Ok(shown)
}

/// What the requests that have ended have left in the image `disk` above `base`.
pub(super) fn written(disk: &SimDisk, base: Option<&[u8]>) -> Vec<u8> {
    let store = disk.store();
    let mut written = below(base, store.len());
    store.read_over(0, &mut written);
    written
}

/// Where two contents of a disk differ first, of what anybody can know.
pub(super) fn difference(disk: &SimDisk, left: &[u8], right: &[u8]) -> Option<u64> {
    if left == right {
        return None;
    }
    let unit = UNIT_BYTES as usize;
    let units = left.chunks(unit).zip(right.chunks(unit));
    let mut units = (0..).step_by(unit).zip(units);
    let differs = units.find(|(at, (left, right))| left != right && disk.is_sure_of(*at));
    differs.map(|(at, _)| at)
}

fn below(base: Option<&[u8]>, len: u64) -> Vec<u8> {
    let mut below = vec![0; len as usize];
    if let Some(base) = base {
        let inside = base.len().min(below.len());
        below[..inside].copy_from_slice(&base[..inside]);
    }
    below
}

/// What shows where an image has nothing.
pub(super) fn base_of(node: &Node) -> Option<Vec<u8>> {
    let below = node.backing()?.node();
    let base = disk_of(&below)?;
    let store = base.store();
    Some(store.bytes().to_vec())
}

/// Looks at what there would be of an image if nobody flushed it any more. Says what it would show.
pub(super) fn if_it_crashed(
    scene: &Scene<'_>,
    node: &Node,
    disk: &SimDisk,
    luck: u64,
) -> Option<Vec<u8>> {
    let left = disk.file()?.store().if_it_crashed(luck);
    let len = disk.store().len();
    let reader = Reader::open(&left);
    match reader.and_then(|reader| reader.check(len).map(|()| reader)) {
        Ok(reader) => {
            let mut shown = below(base_of(node).as_deref(), len);
            reader.read_over(&mut shown);
            Some(shown)
        }
        Err(text) => {
            let text = format!(
                "if it crashed now '{}' would be broken: {text}",
                disk.name()
            );
            scene.fail(
                Rule::Data,
                "image-broken",
                vec![disk.name().to_owned()],
                text,
            );
            None
        }
    }
}

/// Looks at an image that nobody will flush any more. Says what it shows.
pub(super) fn after_a_crash(scene: &Scene<'_>, node: &Node, disk: &SimDisk) -> Option<Vec<u8>> {
    let file = disk.file()?;
    file.crash();
    match look(scene, node, disk) {
        Ok(shown) => Some(shown),
        Err((place, text)) => {
            let text = format!("after a crash '{}': {text}", disk.name());
            scene.fail(Rule::Data, place, vec![disk.name().to_owned()], text);
            None
        }
    }
}

fn look(scene: &Scene<'_>, node: &Node, disk: &SimDisk) -> Result<Vec<u8>, Fault> {
    let len = disk.store().len();
    let base = base_of(node);
    let base = base.as_deref();
    let broken = |text| ("image-broken", text);
    let left = disk.file().map(|file| file.store().bytes().to_vec());
    let left = left.unwrap_or_default();
    let reader = Reader::open(&left).map_err(broken)?;
    reader.check(len).map_err(broken)?;
    let mut shown = below(base, len);
    reader.read_over(&mut shown);
    let workshop = scene.cast.world.spares.workshop();
    let recovered = workshop.recover(&left, base, len);
    let (read, file) = recovered.map_err(|error| ("image-refused", error.to_string()))?;
    if read[..] != shown[..] {
        let at = read
            .iter()
            .zip(&shown)
            .position(|(read, shown)| read != shown);
        let text = format!("the driver reads something else at {}", at.unwrap_or(0));
        return Err(("image-misread", text));
    }
    let ill = |text| ("image-not-repaired", text);
    let repaired = Reader::open(&file).map_err(ill)?;
    if repaired.is_dirty() {
        return Err(ill("it is still marked as dirty".to_owned()));
    }
    repaired.check(len).map_err(ill)?;
    let mut kept = below(base, len);
    repaired.read_over(&mut kept);
    match kept == shown {
        true => Ok(shown),
        false => Err(ill("it does not show any more what it did".to_owned())),
    }
}
