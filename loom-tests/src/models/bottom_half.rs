//! Bottom halves that other threads schedule, cancel and delete.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use blockjob_runtime::BottomHalf;

use crate::check::group;
use crate::world::{Dropped, Witness, context, finish, join, spawn};

group! { "bottom_half" about &["bottom_half.rs", "handle.rs", "inner.rs"];
    the_callback_sees_what_came_before_each_schedule within 3,
    one_that_is_scheduled_anew_from_its_callback_runs_again within 5,
    a_cancel_leaves_it_ready_to_be_scheduled within 4,
    after_its_delete_it_never_runs_and_its_callback_goes_home within 5,
    deleted_twice_it_is_dropped_once within 4,
    a_schedule_after_the_end_of_the_context_does_nothing within 5,
}

/// The second to schedule may find it queued and posts nothing: that its word is seen all the same is
/// the business of the state's own orderings.
fn the_callback_sees_what_came_before_each_schedule() {
    let ctx = context("main");
    let written = [Witness::new(), Witness::new()];
    let all_seen = Rc::new(Cell::new(false));
    let bh = {
        let (written, all_seen) = (written.clone(), all_seen.clone());
        ctx.bottom_half("bh", move || {
            all_seen.set(written.iter().all(Witness::is_set));
        })
    };
    let schedulers = written.map(|written| {
        let bh = bh.clone();
        spawn(move || {
            written.set();
            bh.schedule();
        })
    });
    while !all_seen.get() {
        ctx.poll(true);
    }
    schedulers.into_iter().for_each(join);
}

fn one_that_is_scheduled_anew_from_its_callback_runs_again() {
    let ctx = context("main");
    let written = Witness::new();
    let (runs, all_seen) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let itself: Rc<RefCell<Option<BottomHalf>>> = Rc::default();
    let bh = {
        let (written, runs, all_seen) = (written.clone(), runs.clone(), all_seen.clone());
        let itself = itself.clone();
        ctx.bottom_half("bh", move || {
            runs.set(runs.get() + 1);
            all_seen.set(written.is_set());
            if runs.get() == 1
                && let Some(itself) = &*itself.borrow()
            {
                itself.schedule();
            }
        })
    };
    itself.replace(Some(bh.clone()));
    let scheduler = spawn(move || {
        written.set();
        bh.schedule();
    });
    while runs.get() < 2 || !all_seen.get() {
        ctx.poll(true);
    }
    join(scheduler);
    assert!(runs.get() <= 3);
}

fn a_cancel_leaves_it_ready_to_be_scheduled() {
    let ctx = context("main");
    let runs = Rc::new(Cell::new(0));
    let bh = {
        let runs = runs.clone();
        ctx.bottom_half("bh", move || runs.set(runs.get() + 1))
    };
    let others = [BottomHalf::schedule, BottomHalf::cancel].map(|verb| {
        let bh = bh.clone();
        spawn(move || verb(&bh))
    });
    ctx.poll(false);
    others.into_iter().for_each(join);
    finish(&ctx);
    let before = runs.get();
    assert!(before <= 1, "one schedule, {before} runs");
    bh.schedule();
    ctx.poll(false);
    assert_eq!(runs.get(), before + 1);
}

fn after_its_delete_it_never_runs_and_its_callback_goes_home() {
    let ctx = context("main");
    let (runs, dropped) = (Rc::new(Cell::new(0)), Witness::new());
    let bh = {
        let (runs, luggage) = (runs.clone(), Dropped(dropped.clone()));
        ctx.bottom_half("bh", move || {
            let _ = &luggage;
            runs.set(runs.get() + 1);
        })
    };
    let deleter = {
        let bh = bh.clone();
        spawn(move || {
            bh.schedule();
            bh.delete();
        })
    };
    ctx.poll(false);
    join(deleter);
    let before = runs.get();
    bh.schedule();
    finish(&ctx);
    assert_eq!(runs.get(), before, "it ran after it was deleted");
    assert_eq!(dropped.get(), 1, "the callback was dropped at home");
}

fn deleted_twice_it_is_dropped_once() {
    let ctx = context("main");
    let dropped = Witness::new();
    let luggage = Dropped(dropped.clone());
    let bh = ctx.bottom_half("bh", move || {
        let _ = &luggage;
    });
    let deleters = [(); 2].map(|()| {
        let bh = bh.clone();
        spawn(move || bh.delete())
    });
    // It takes the slot if it is free already, and must keep it.
    ctx.poll(false);
    let runs = Rc::new(Cell::new(0));
    let next = {
        let runs = runs.clone();
        ctx.bottom_half("next", move || runs.set(runs.get() + 1))
    };
    deleters.into_iter().for_each(join);
    finish(&ctx);
    assert_eq!(dropped.get(), 1);
    next.schedule();
    ctx.poll(false);
    assert_eq!(runs.get(), 1);
}

fn a_schedule_after_the_end_of_the_context_does_nothing() {
    let ctx = context("main");
    let (runs, dropped) = (Witness::new(), Witness::new());
    let bh = {
        let (runs, luggage) = (runs.clone(), Dropped(dropped.clone()));
        ctx.bottom_half("bh", move || {
            let _ = &luggage;
            runs.count();
        })
    };
    let scheduler = spawn(move || {
        bh.schedule();
        bh.schedule();
    });
    ctx.poll(false);
    ctx.close();
    assert_eq!(dropped.get(), 1);
    let before = runs.get();
    join(scheduler);
    ctx.poll(false);
    assert_eq!(runs.get(), before);
}
