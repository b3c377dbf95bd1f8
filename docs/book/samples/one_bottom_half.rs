//! One event loop, turned by hand, and a bottom half in it.

use blockjob_runtime::AioContext;

fn main() {
    let ctx = AioContext::builder().virtual_time().build();
    let _current = ctx.make_current();

    let later = ctx.bottom_half("later", || println!("the bottom half runs"));
    later.schedule();
    println!("scheduled; nothing has run yet");

    let progress = ctx.poll(false);
    println!("poll made progress: {progress}");
    let progress = ctx.poll(false);
    println!("poll made progress: {progress}");
}

#[test]
fn it_runs() {
    main();
}
