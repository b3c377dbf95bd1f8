//! Event sources of guests, and their mask.

use std::cell::Cell;
use std::rc::Rc;

use crate::check::group;
use crate::world::{Dropped, Witness, context, finish, join, spawn};

group! { "external" about &["event.rs", "handle.rs", "inner.rs"];
    an_announcement_is_served_with_what_came_before within 3,
    what_is_announced_under_a_mask_is_served_when_it_is_gone within 3,
    two_masks_end_in_any_order within 3,
    what_was_done_under_a_mask_is_seen_without_it within 4,
    an_announcement_is_taken_back_or_served within 5,
    a_removed_source_is_not_served_and_its_handler_goes_home within 5,
}

fn an_announcement_is_served_with_what_came_before() {
    let ctx = context("main");
    let written = [Witness::new(), Witness::new()];
    let all_seen = Rc::new(Cell::new(false));
    let source = {
        let (written, all_seen) = (written.clone(), all_seen.clone());
        ctx.event_source("guest", true, move || {
            all_seen.set(written.iter().all(Witness::is_set));
        })
    };
    let guests = written.map(|written| {
        let source = source.clone();
        spawn(move || {
            written.set();
            source.set();
        })
    });
    while !all_seen.get() {
        ctx.poll(true);
    }
    guests.into_iter().for_each(join);
}

fn what_is_announced_under_a_mask_is_served_when_it_is_gone() {
    let ctx = context("iothread");
    let (written, seen) = (Witness::new(), Rc::new(Cell::new(false)));
    let source = {
        let (written, seen) = (written.clone(), seen.clone());
        ctx.event_source("guest", true, move || seen.set(written.is_set()))
    };
    let main = {
        let handle = ctx.handle();
        spawn(move || {
            handle.disable_external();
            handle.enable_external();
        })
    };
    let guest = spawn(move || {
        written.set();
        source.set();
    });
    while !seen.get() {
        ctx.poll(true);
    }
    join(main);
    join(guest);
}

fn two_masks_end_in_any_order() {
    let ctx = context("iothread");
    let seen = Rc::new(Cell::new(0));
    let source = {
        let seen = seen.clone();
        ctx.event_source("guest", true, move || seen.set(seen.get() + 1))
    };
    ctx.handle().disable_external();
    source.set();
    ctx.poll(false);
    assert_eq!(seen.get(), 0, "it was served under a mask");
    let masks = [true, false].map(|second| {
        let handle = ctx.handle();
        spawn(move || {
            if second {
                handle.disable_external();
            }
            handle.enable_external();
        })
    });
    while seen.get() == 0 {
        ctx.poll(true);
    }
    masks.into_iter().for_each(join);
    assert_eq!(seen.get(), 1);
}

/// The handler may run because it finds no mask, before the post of the mask's end has come.
fn what_was_done_under_a_mask_is_seen_without_it() {
    let ctx = context("iothread");
    let (done, served) = (Witness::new(), Rc::new(Cell::new(false)));
    let source = {
        let (done, served) = (done.clone(), served.clone());
        ctx.event_source("guest", true, move || {
            assert!(done.is_set(), "it was served under the mask, or as if");
            served.set(true);
        })
    };
    let handle = ctx.handle();
    handle.disable_external();
    let main = spawn(move || {
        done.set();
        handle.enable_external();
    });
    source.set();
    ctx.poll(false);
    while !served.get() {
        ctx.poll(true);
    }
    join(main);
}

fn an_announcement_is_taken_back_or_served() {
    let ctx = context("main");
    let served = Rc::new(Cell::new(0));
    let source = {
        let served = served.clone();
        ctx.event_source("guest", false, move || served.set(served.get() + 1))
    };
    let guest = {
        let source = source.clone();
        spawn(move || {
            source.set();
            u32::from(source.test_and_clear())
        })
    };
    ctx.poll(false);
    let taken_back = join(guest);
    finish(&ctx);
    assert_eq!(served.get() + taken_back, 1);
    source.set();
    ctx.poll(false);
    assert_eq!(served.get() + taken_back, 2);
}

fn a_removed_source_is_not_served_and_its_handler_goes_home() {
    let ctx = context("main");
    let (served, dropped) = (Rc::new(Cell::new(0)), Witness::new());
    let source = {
        let (served, luggage) = (served.clone(), Dropped(dropped.clone()));
        ctx.event_source("guest", false, move || {
            let _ = &luggage;
            served.set(served.get() + 1);
        })
    };
    let guest = {
        let source = source.clone();
        spawn(move || {
            source.set();
            source.remove();
        })
    };
    ctx.poll(false);
    join(guest);
    let before = served.get();
    source.set();
    finish(&ctx);
    assert_eq!(served.get(), before);
    assert_eq!(dropped.get(), 1);
}
