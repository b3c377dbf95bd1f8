//! The exhibits, in the order of a guided tour: what loses data first.

mod block;
mod job;
mod mirror;
mod runtime;

pub use block::*;
pub use job::*;
pub use mirror::*;
pub use runtime::*;

use super::exhibit::Exhibit;

/// All exhibits, those without a switch among them.
pub static EXHIBITS: &[&Exhibit] = &[
    &MIR_02, &MIR_07, &MIR_01, &MIR_08, &MIR_04A, &MIR_04B, &MIR_03, &MIR_05, &MIR_06A, &MIR_06B,
    &MIR_10, &JOB_01, &JOB_02, &JOB_03A, &JOB_03B, &JOB_04, &JOB_05, &DRN_01, &DRN_09, &AIO_01,
    &AIO_02, &AIO_03, &AIO_05, &LCK_01, &LCK_02, &THR_04, &BMP_02, &HZ_01, &HZ_02, &HZ_03, &HZ_04,
];

/// The exhibit called `name`, its id in any case or the name of its static: `mir-02`, `MIR_02`.
pub fn find(name: &str) -> Option<&'static Exhibit> {
    let found = EXHIBITS.iter().find(|exhibit| {
        exhibit.id.eq_ignore_ascii_case(name) || exhibit.constant.eq_ignore_ascii_case(name)
    });
    found.copied()
}
