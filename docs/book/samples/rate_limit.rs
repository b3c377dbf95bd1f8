//! The speed limit without a job: what is sent, and how long to wait for it.

use blockjob_jobs::rate_limit::RateLimit;

const MS: u64 = 1_000_000;

fn main() {
    let mut limit = RateLimit::new();
    limit.set_speed(10_240, 0);
    println!("a slice is worth {:?} bytes", limit.slice_quota_bytes());

    // (at which millisecond, how many bytes)
    for (at_ms, bytes) in [(0, 512), (0, 512), (100, 1024), (250, 512), (250, 512)] {
        let delay_ns = limit.calculate_delay(bytes, at_ms * MS);
        println!(
            "{at_ms:>4} ms: {bytes:>5} bytes sent, wait {:>3} ms",
            delay_ns / MS
        );
    }

    println!(
        "{:>4} ms: woken early, {:>3} ms are left",
        290,
        limit.delay_left_ns(290 * MS) / MS
    );
    limit.set_speed(102_400, 300 * MS);
    println!(
        "{:>4} ms: ten times faster, {} ms are left",
        300,
        limit.delay_left_ns(300 * MS) / MS
    );
}

#[test]
fn it_runs() {
    main();
}
