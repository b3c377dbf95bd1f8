//! Random requests against a model in plain memory. Those of a batch run at the same time, in an order
//! that is random, too; they touch different bytes, but the same clusters. After it all the peer finds
//! nothing wrong with the image, and reads the same bytes from it.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::driver::mem::{MemDisk, MemOptions};
use blockjob_block::driver::qcow2::CreateOptions;
use blockjob_block::{BlockBackend, Node};
use blockjob_runtime::AioContext;
use blockjob_runtime::decide::{Decide, Site};
use bytes::Bytes;
use proptest::prelude::*;

use crate::common::{BoxFuture, Folder, World, join_all, noise, read};
use crate::peer;

/// Answers at random, from a seed.
pub(crate) struct Dice(Cell<u64>);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(Cell::new(seed | 1))
    }
}

impl Decide for Dice {
    fn decide(&self, _site: &'static Site, n: usize) -> usize {
        // Xorshift: enough to mix an order.
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 20) as usize % n
    }
}

#[derive(Clone, Debug)]
enum Request {
    Read,
    Write(u8),
    Zero { unmap: bool },
    Discard,
}

#[derive(Clone, Debug)]
enum Step {
    /// Requests at the same time; those that overlap an earlier one are left out.
    Batch(Vec<(Request, u64, u64)>),
    Flush,
    /// A new length, in sectors.
    Resize(u64),
    /// The image is closed and opened again.
    Reopen,
}

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    cluster_bits: u32,
    version: u32,
    sectors: u64,
    /// How long the backing file is, in sectors.
    backing_sectors: Option<u64>,
    latency_ns: u64,
    steps: Vec<Step>,
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        2 => Just(Request::Read),
        4 => (1_u8..=255).prop_map(Request::Write),
        2 => any::<bool>().prop_map(|unmap| Request::Zero { unmap }),
        2 => Just(Request::Discard),
    ]
}

fn ranged() -> impl Strategy<Value = (Request, u64, u64)> {
    // Some begin and end with clusters.
    let byte = prop_oneof![0_u64..300_000, (0_u64..586).prop_map(|sector| sector * 512)];
    let len = prop_oneof![
        1_u64..1000,
        1_u64..100_000,
        (1_u64..100).prop_map(|s| s * 512)
    ];
    (request(), byte, len)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec(ranged(), 1..8).prop_map(Step::Batch),
        2 => Just(Step::Flush),
        1 => (1_u64..800).prop_map(Step::Resize),
        1 => Just(Step::Reopen),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    (
        any::<u64>(),
        prop_oneof![
            Just(9_u32),
            Just(10),
            Just(12),
            Just(14),
            Just(16),
            Just(18)
        ],
        2_u32..=3,
        1_u64..600,
        prop::option::of(1_u64..700),
        prop_oneof![Just(0_u64), Just(1000)],
        prop::collection::vec(step(), 1..25),
    )
        .prop_map(
            |(seed, cluster_bits, version, sectors, backing_sectors, latency_ns, steps)| Case {
                seed,
                cluster_bits,
                version,
                sectors,
                backing_sectors,
                latency_ns,
                steps,
            },
        )
}

/// An image under test, and what it should hold.
struct Subject {
    world: World,
    file: Rc<Node>,
    disk: Rc<MemDisk>,
    backing: Option<Rc<Node>>,
    node: Rc<Node>,
    backend: Rc<BlockBackend>,
    expected: Vec<u8>,
    case: Case,
}

impl Subject {
    fn new(case: Case, folder: &Folder) -> Subject {
        let context = AioContext::builder()
            .virtual_time()
            .decide(Rc::new(Dice::new(case.seed)))
            .build();
        let world = World::on(context);
        let driver = MemOptions::new(0)
            .growable(true)
            .latency_ns(case.latency_ns)
            .build();
        let disk = driver.disk();
        let file = world.leaf(driver, false);
        let mut expected = vec![0; case.sectors as usize * 512];
        let mut options = CreateOptions {
            cluster_size: 1 << case.cluster_bits,
            version: case.version,
            ..CreateOptions::new(expected.len() as u64)
        };
        let backing = case.backing_sectors.map(|sectors| {
            let bytes = noise(99, sectors as usize * 512);
            let shown = bytes.len().min(expected.len());
            expected[..shown].copy_from_slice(&bytes[..shown]);
            let path = folder.file("backing", &bytes);
            options.backing_file = Some(path.to_str().expect("plain").to_owned());
            options.backing_format = Some("raw".into());
            let driver = MemOptions::new(bytes.len() as u64)
                .latency_ns(case.latency_ns)
                .build();
            driver.disk().write_at(0, &bytes);
            world.leaf(driver, false)
        });
        if options.backing_file.is_some() && options.cluster_size == 512 {
            // There would be no room for a long name beside the extensions.
            options.backing_format = None;
        }
        world.try_create(&file, options).expect("creates");
        let node = world.image(&file, false, backing.as_ref());
        let backend = world.backend(&node);
        Subject {
            world,
            file,
            disk,
            backing,
            node,
            backend,
            expected,
            case,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Batch(requests) => self.batch(requests),
            Step::Flush => self.world.flush(&self.node),
            Step::Resize(sectors) => {
                let len = *sectors as usize * 512;
                self.world
                    .truncate(&self.backend, len as u64)
                    .expect("resizes");
                self.expected.resize(len, 0);
            }
            Step::Reopen => {
                self.world.flush(&self.node);
                let placeholder = self.world.memory().0;
                self.backend.remove();
                self.node = placeholder;
                self.node = self.world.image(&self.file, false, self.backing.as_ref());
                self.backend = self.world.backend(&self.node);
            }
        }
        let got = self.world.read(&self.backend, 0, self.expected.len());
        if let Some(at) = got.iter().zip(&self.expected).position(|(a, b)| a != b) {
            panic!("at {at}: {} and not {}", got[at], self.expected[at]);
        }
    }

    fn batch(&mut self, requests: &[(Request, u64, u64)]) {
        let mut taken: Vec<Range<u64>> = Vec::new();
        let mut futures: Vec<BoxFuture<()>> = Vec::new();
        let before = self.expected.clone();
        for (request, offset, bytes) in requests {
            let offset = offset % before.len() as u64;
            let range = offset..(offset + bytes).min(before.len() as u64);
            if taken
                .iter()
                .any(|t| t.start < range.end && range.start < t.end)
            {
                continue;
            }
            taken.push(range.clone());
            futures.push(self.request(request.clone(), range, &before));
        }
        self.world.run(async move {
            join_all(futures).await;
        });
    }

    fn request(&mut self, request: Request, range: Range<u64>, before: &[u8]) -> BoxFuture<()> {
        let backend = self.backend.clone();
        let bytes = range.end - range.start;
        let place = range.start as usize..range.end as usize;
        match request {
            Request::Read => {
                let expected = before[place].to_vec();
                Box::pin(async move {
                    let got = read(&backend, range.start, bytes as usize).await;
                    assert!(got.expect("reads") == expected);
                })
            }
            Request::Write(seed) => {
                let data = noise(seed, bytes as usize);
                self.expected[place].copy_from_slice(&data);
                Box::pin(async move {
                    let written = backend.write(range.start, Bytes::from(data)).await;
                    written.expect("writes");
                })
            }
            Request::Zero { unmap } => {
                self.expected[place].fill(0);
                let flags = ZeroFlags {
                    may_unmap: unmap,
                    no_fallback: false,
                };
                Box::pin(async move {
                    let zeroed = backend.write_zeroes(range.start, bytes, flags).await;
                    zeroed.expect("zeroes");
                })
            }
            Request::Discard => {
                let whole = self.discarded(&range);
                self.expected[whole].fill(0);
                Box::pin(async move {
                    let discarded = backend.discard(range.start, bytes).await;
                    discarded.expect("discards");
                })
            }
        }
    }

    /// What a discard makes zero: whole clusters, if nothing could show through.
    fn discarded(&self, range: &Range<u64>) -> Range<usize> {
        let cluster_size = 1 << self.case.cluster_bits;
        let start = range.start.next_multiple_of(cluster_size);
        let end = if range.end == self.expected.len() as u64 {
            range.end
        } else {
            range.end & !(cluster_size - 1)
        };
        if start >= end || (self.case.version == 2 && self.backing.is_some()) {
            return 0..0;
        }
        start as usize..end as usize
    }
}

fn run(case: Case) {
    let folder = Folder::new();
    let steps = case.steps.clone();
    let mut subject = Subject::new(case, &folder);
    for step in &steps {
        subject.step(step);
    }
    subject.world.flush(&subject.node);
    let image = folder.dump("image", &subject.disk);
    peer::check(&image);
    let raw = folder.file("raw", &subject.expected);
    peer::compare(&image, &raw);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn requests_do_what_the_model_does_and_the_peer_agrees(case in case()) {
        if peer::peer_is_here() {
            run(case);
        }
    }
}
