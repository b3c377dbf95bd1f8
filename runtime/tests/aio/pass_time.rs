//! The time of a pass: looked at once.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_runtime::AioContext;
use blockjob_runtime::clock::Clock;
use blockjob_runtime::reactor::VirtualReactor;

/// A clock that moves on whenever somebody looks at it.
#[derive(Default)]
struct Watched {
    looks: Cell<u64>,
}

impl Clock for Watched {
    fn now_ns(&self) -> u64 {
        self.looks.set(self.looks.get() + 1);
        self.looks.get()
    }
}

#[test]
fn a_pass_looks_at_the_clock_once_at_most_and_the_next_one_looks_again() {
    let clock = Rc::<Watched>::default();
    let reactor = Rc::new(VirtualReactor::new(Default::default()));
    let ctx = AioContext::builder().life(clock.clone(), reactor).build();
    let seen = Rc::<Cell<[u64; 2]>>::default();
    let look = || {
        let (inner, noted) = (ctx.clone(), seen.clone());
        ctx.schedule_oneshot("look", move || {
            noted.set([inner.pass_ns(), inner.pass_ns()]);
        });
        assert!(ctx.poll(false));
    };
    look();
    assert_eq!(seen.get(), [1, 1]);
    ctx.schedule_oneshot("idle", || {});
    assert!(ctx.poll(false));
    assert_eq!(clock.looks.get(), 1, "nobody has asked");
    look();
    assert_eq!(seen.get(), [2, 2]);
}
