//! QEMU's `/aio/external-client`: masking what speaks for a guest.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use blockjob_runtime::{AioContext, EventNotifier};

/// A source that counts how often it is served.
fn counter(ctx: &AioContext, external: bool) -> (EventNotifier, Rc<Cell<u32>>) {
    let served = Rc::new(Cell::new(0));
    let source = ctx.event_source("counter", external, {
        let served = served.clone();
        move || served.set(served.get() + 1)
    });
    (source, served)
}

in_both_lives! {
    fn an_external_source_is_not_served_until_the_last_mask_is_gone(ctx) {
        let (source, served) = counter(&ctx, true);
        let handle = ctx.handle();
        for depth in 1..=3 {
            for _ in 0..depth {
                handle.disable_external();
            }
            source.set();
            for left in (1..=depth).rev() {
                assert!(handle.external_disabled());
                assert!(!ctx.poll(false), "masked {left} times");
                assert_eq!(served.get(), depth - 1);
                handle.enable_external();
            }
            assert!(!handle.external_disabled());
            assert!(ctx.poll(false));
            assert_eq!(served.get(), depth);
            assert!(!ctx.poll(false));
        }
    }

    fn a_mask_leaves_the_other_sources_alone(ctx) {
        let (source, served) = counter(&ctx, false);
        ctx.handle().disable_external();
        source.set();
        assert!(ctx.poll(true));
        assert_eq!(served.get(), 1);
    }

    fn what_was_announced_under_the_mask_is_served_once(ctx) {
        let (source, served) = counter(&ctx, true);
        let handle = ctx.handle();
        handle.disable_external();
        source.set();
        assert!(!ctx.poll(false));
        source.set();
        assert!(!ctx.poll(false));
        handle.enable_external();
        while ctx.poll(false) {}
        assert_eq!(served.get(), 1);
    }

    fn what_was_announced_before_the_mask_is_held_back_too(ctx) {
        let (source, served) = counter(&ctx, true);
        source.set();
        ctx.handle().disable_external();
        assert!(!ctx.poll(false));
        assert_eq!(served.get(), 0);
        ctx.handle().enable_external();
        assert!(ctx.poll(true));
        assert_eq!(served.get(), 1);
    }

    fn unmasking_from_inside_of_the_loop_serves_what_was_kept(ctx) {
        let (source, served) = counter(&ctx, true);
        let handle = ctx.handle();
        handle.disable_external();
        source.set();
        assert!(!ctx.poll(false));
        ctx.schedule_oneshot("unmask", move || handle.enable_external());
        assert!(ctx.poll(false));
        assert!(ctx.poll(false));
        assert_eq!(served.get(), 1);
    }

    fn unmasking_what_is_not_masked_panics_and_masks_nothing(ctx) {
        let handle = ctx.handle();
        catch_unwind(AssertUnwindSafe(|| handle.enable_external())).expect_err("a bug, and said so");
        assert!(!handle.external_disabled());
    }
}
