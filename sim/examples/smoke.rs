use blockjob_sim::config::Config;
use blockjob_sim::decide::Random;
use blockjob_sim::run::Runner;
#[allow(clippy::disallowed_methods)]
fn main() {
    let mut args = std::env::args().skip(1);
    let config = Config::parse(&args.next().unwrap()).unwrap();
    let from: u64 = args.next().map_or(0, |s| s.parse().unwrap());
    let to: u64 = args.next().map_or(from + 1, |s| s.parse().unwrap());
    let quiet = to - from > 20;
    if quiet {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let mut runner = Runner::new();
    let t = std::time::Instant::now();
    let (mut dec, mut steps, mut ev, mut fails) = (0, 0, 0, 0);
    for seed in from..to {
        let r = runner.run(&config, Box::new(Random::new(seed)));
        dec += r.decisions;
        steps += r.steps;
        ev += r.events;
        if r.failure.is_some() {
            fails += 1;
        }
        if !quiet || (r.failure.is_some() && fails < 8) {
            println!(
                "{seed}: dec {} steps {} ev {} t {:.3}ms digest {:x} {}",
                r.decisions,
                r.steps,
                r.events,
                r.virtual_ns as f64 / 1e6,
                r.digest,
                r.failure.map_or("ok".into(), |f| f.to_string())
            );
        }
    }
    let n = to - from;
    let e = t.elapsed();
    println!(
        "{n} runs, {fails} failed, {:.1} us/run, {:.0}/s; per run dec {} steps {} ev {}; {:.2} M dec/s",
        e.as_micros() as f64 / n as f64,
        n as f64 / e.as_secs_f64(),
        dec / n,
        steps / n,
        ev / n,
        dec as f64 / e.as_secs_f64() / 1e6
    );
}
