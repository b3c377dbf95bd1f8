//! Lab 6: several copies at a time, and never two of one granule.

use std::rc::Rc;

use blockjob_block::BlockResult;
use blockjob_jobs::driver::{JobDriver, JobFuture};

use super::bench::{self, Disks};
use super::clean::{Pass, Passes};
use super::court::Court;
use super::{Lab, look};
use crate::failure::Rule;

/// The lab with one pass that has several copies in flight.
///
/// `pass` copies until nothing is dirty, with up to [`Disks::MAX_IN_FLIGHT`] copies at a time and never two of
/// one granule, and returns when the last one has ended; after an error it begins no more and returns the
/// first one, with each granule dirty whose copy failed.
pub fn conflicts(pass: impl AsyncFn(&Rc<Disks>) -> BlockResult<()> + 'static) -> Lab {
    let pass = Rc::new(Parallel(pass));
    let world = move || {
        let pass = pass.clone();
        move || {
            let (pass, court) = (pass.clone(), Court::default());
            bench::runner(&court, move |disks: &Rc<Disks>| -> Rc<dyn JobDriver> {
                Rc::new(Passes {
                    disks: disks.clone(),
                    pass: pass.clone(),
                    alone: false,
                })
            })
        }
    };
    let busy =
        "mirror=no,granules=8,guests=2,depth=2,requests=12,hot=yes,spread=uniform,tspread=tail";
    let faults = format!("{busy},readerror=60,targeterror=60");
    Lab::new(6, "in-flight conflicts", |failure| {
        Some(look::plainly(failure))
    })
    .world("guests write one place again and again", busy, world())
    .world("requests fail now and then", &faults, world())
}

struct Parallel<F>(F);

impl<F: AsyncFn(&Rc<Disks>) -> BlockResult<()> + 'static> Pass for Parallel<F> {
    fn make<'a>(&'a self, disks: &'a Rc<Disks>) -> JobFuture<'a, BlockResult<()>> {
        Box::pin(async move {
            let granules = disks.dirty_bytes() / disks.granularity();
            disks.most_in_flight.set(disks.in_flight());
            let result = (self.0)(disks).await;
            let most = disks.most_in_flight.get();
            if result.is_ok() && granules >= 4 && most < 3 {
                let text = format!(
                    "{granules} granules were dirty, and never more than {most} copies were in \
                     flight: the disks rest while they could work."
                );
                disks.court.accuse(Rule::Progress, "lab-one-by-one", text);
            }
            result
        })
    }
}
