//! What the runtime costs.

fn main() {}
