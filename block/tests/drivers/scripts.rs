//! Scripts of requests that proptest makes up, and their run against plain memory.
//!
//! A script is a list of batches. The requests of a batch run at the same time; where they
//! overlap, the disk may show what any of them wrote, and nothing else.

use std::rc::Rc;

use blockjob_block::driver::ZeroFlags;
use blockjob_block::{BlockBackend, Node};
use bytes::Bytes;
use proptest::prelude::*;

use super::common::{BoxFuture, World, join_all, noise, read};

/// A place of a request, as fractions of the disk's length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    start: u16,
    len: u16,
}

#[derive(Debug, Clone)]
pub(crate) enum Request {
    Read(Place),
    Write(Place, u8),
    Zero(Place, bool),
    Discard(Place),
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Batch(Vec<Request>),
    /// To a length that is given in 256ths of the first one; it may be longer.
    Truncate(u16),
}

fn place() -> impl Strategy<Value = Place> {
    // Mostly short ones: they share clusters without covering them.
    let len = prop_oneof![3 => 0..2000u16, 1 => any::<u16>()];
    (any::<u16>(), len).prop_map(|(start, len)| Place { start, len })
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        2 => place().prop_map(Request::Read),
        4 => (place(), any::<u8>()).prop_map(|(place, seed)| Request::Write(place, seed)),
        2 => (place(), any::<bool>()).prop_map(|(place, unmap)| Request::Zero(place, unmap)),
        1 => place().prop_map(Request::Discard),
    ]
}

pub(crate) fn script() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(request(), 1..5).prop_map(Step::Batch),
        1 => (0..400u16).prop_map(Step::Truncate),
    ];
    prop::collection::vec(step, 1..12)
}

/// What a byte of the disk may be.
#[derive(Clone)]
struct Allowed {
    values: Vec<u8>,
}

impl Allowed {
    fn only(value: u8) -> Self {
        Allowed {
            values: vec![value],
        }
    }
}

/// A disk under test, and what it should show.
pub(crate) struct Subject {
    pub(crate) node: Rc<Node>,
    pub(crate) backend: Rc<BlockBackend>,
    pub(crate) expected: Vec<u8>,
    /// Lengths are multiples of this.
    pub(crate) truncate_unit: u64,
    pub(crate) can_truncate: bool,
    /// What was discarded reads as zeroes, and not as it was before.
    pub(crate) discard_zeroes: bool,
}

impl Place {
    fn of(self, len: u64) -> (u64, u64) {
        let start = len * u64::from(self.start) / 65536;
        let bytes = (len * u64::from(self.len) / 65536 + 1).min(len - start);
        (start, bytes)
    }
}

impl Subject {
    /// Runs the script, and looks at the whole disk after each step.
    pub(crate) fn run(mut self, world: &World, script: &[Step]) {
        let unit = self.truncate_unit;
        let first_len = self.expected.len() as u64;
        self.check(world, vec![]);
        for step in script {
            match step {
                Step::Batch(requests) if !self.expected.is_empty() => {
                    let allowed = self.batch(world, requests);
                    self.check(world, allowed);
                }
                Step::Truncate(length) if self.can_truncate => {
                    let len = (first_len * u64::from(*length) / 256).next_multiple_of(unit);
                    self.truncate(world, len);
                    self.check(world, vec![]);
                }
                _ => {}
            }
        }
    }

    fn truncate(&mut self, world: &World, len: u64) {
        let backend = self.backend.clone();
        world.run(async move { backend.truncate(len).await.expect("resizes") });
        self.expected.resize(len as usize, 0);
    }

    /// Starts all requests of a batch and waits for all; returns what each byte may be.
    fn batch(&self, world: &World, requests: &[Request]) -> Vec<Allowed> {
        let len = self.expected.len() as u64;
        let mut allowed: Vec<Option<Allowed>> = vec![None; len as usize];
        let mut allow = |start: u64, values: &mut dyn Iterator<Item = Vec<u8>>| {
            for (byte, new) in allowed[start as usize..].iter_mut().zip(values) {
                byte.get_or_insert(Allowed { values: vec![] })
                    .values
                    .extend(new);
            }
        };
        let mut futures: Vec<BoxFuture<()>> = Vec::new();
        for request in requests {
            let backend = self.backend.clone();
            match request {
                Request::Read(place) => {
                    let (start, bytes) = place.of(len);
                    futures.push(Box::pin(async move {
                        read(&backend, start, bytes as usize).await.expect("reads");
                    }));
                }
                Request::Write(place, seed) => {
                    let (start, bytes) = place.of(len);
                    let data = noise(*seed, bytes as usize);
                    allow(start, &mut data.iter().map(|byte| vec![*byte]));
                    futures.push(Box::pin(async move {
                        let data = Bytes::from(data);
                        backend.write(start, data).await.expect("writes");
                    }));
                }
                Request::Zero(place, may_unmap) => {
                    let (start, bytes) = place.of(len);
                    allow(start, &mut (0..bytes).map(|_| vec![0]));
                    let flags = ZeroFlags {
                        may_unmap: *may_unmap,
                        no_fallback: false,
                    };
                    futures.push(Box::pin(async move {
                        let result = backend.write_zeroes(start, bytes, flags).await;
                        result.expect("zeroes");
                    }));
                }
                Request::Discard(place) => {
                    let (start, bytes) = place.of(len);
                    let before = &self.expected[start as usize..(start + bytes) as usize];
                    let keeps = !self.discard_zeroes;
                    allow(
                        start,
                        &mut before.iter().map(|byte| match keeps {
                            true => vec![0, *byte],
                            false => vec![0],
                        }),
                    );
                    futures.push(Box::pin(async move {
                        backend.discard(start, bytes).await.expect("discards");
                    }));
                }
            }
        }
        world.run(async move {
            join_all(futures).await;
        });
        let before = self.expected.iter();
        allowed
            .into_iter()
            .zip(before)
            .map(|(allowed, before)| allowed.unwrap_or_else(|| Allowed::only(*before)))
            .collect()
    }

    /// The disk shows what it may, and its block status does not say zero of what is not.
    fn check(&mut self, world: &World, allowed: Vec<Allowed>) {
        let len = self.expected.len();
        assert_eq!(self.node.len().expect("has one"), len as u64);
        let seen = world.read(&self.backend, 0, len);
        for (offset, byte) in seen.iter().enumerate() {
            match allowed.get(offset) {
                Some(allowed) => assert!(
                    allowed.values.contains(byte),
                    "offset {offset}: {byte} is none of {:?}",
                    allowed.values
                ),
                None => assert_eq!(*byte, self.expected[offset], "offset {offset}"),
            }
        }
        self.check_status(world, &seen);
        self.expected = seen;
    }

    fn check_status(&self, world: &World, seen: &[u8]) {
        let (node, len) = (self.node.clone(), seen.len() as u64);
        let zeroes = world.run(async move {
            let mut zeroes = Vec::new();
            let mut offset = 0;
            while offset < len {
                let status = node.block_status_above(None, offset, len - offset).await;
                let status = status.expect("answers");
                assert!(status.bytes > 0);
                if status.zero {
                    zeroes.push(offset as usize..(offset + status.bytes) as usize);
                }
                offset += status.bytes;
            }
            assert_eq!(offset, len, "the answers end with the disk");
            zeroes
        });
        for range in zeroes {
            let data = seen[range.clone()].iter().position(|byte| *byte != 0);
            assert_eq!(data, None, "{range:?} is said to be zero");
        }
    }
}
