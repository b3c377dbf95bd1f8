//! A guest that always has some requests under way, and knows what it must read.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::net::UnixStream;

use blockjob::block::nbd::proto::cmd;

use super::client::Client;
use super::server::Server;

/// How long each request is.
const BLOCK_BYTES: u32 = 4096;
/// How many blocks it uses.
const BLOCKS: u64 = 512;
/// How many requests it has under way at a time.
const DEPTH: usize = 16;

/// What was asked for in a request.
enum Asked {
    Write(u64, u8),
    Read(u64, u8),
}

/// A guest of one export.
pub(crate) struct Guest {
    client: Client<UnixStream>,
    /// What each block has that was ever written.
    blocks: BTreeMap<u64, u8>,
    under_way: BTreeMap<u64, Asked>,
    /// A stream of numbers that is the same each time.
    seed: u64,
}

impl Guest {
    pub(crate) fn new(server: &Server, export: &str) -> Self {
        Guest {
            client: server.client(export),
            blocks: BTreeMap::new(),
            under_way: BTreeMap::new(),
            seed: 7,
        }
    }

    fn next(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.seed >> 33
    }

    /// Sends requests until as many are under way as may be, and reads no reply. No two of them are
    /// about the same block.
    pub(crate) fn send(&mut self) {
        while self.under_way.len() < DEPTH {
            let block = self.next() % BLOCKS;
            let busy = self.under_way.values().any(|asked| match asked {
                Asked::Write(other, _) | Asked::Read(other, _) => *other == block,
            });
            if busy {
                continue;
            }
            let at = block * u64::from(BLOCK_BYTES);
            let known = self.blocks.get(&block).copied();
            let is_read = self.next().is_multiple_of(4);
            let (cookie, asked) = match known {
                Some(value) if is_read => {
                    let cookie = self.client.send(cmd::READ, 0, at, BLOCK_BYTES);
                    (cookie, Asked::Read(block, value))
                }
                _ => {
                    let value = self.next() as u8;
                    let cookie = self.client.send(cmd::WRITE, 0, at, BLOCK_BYTES);
                    let data = vec![value; BLOCK_BYTES as usize];
                    self.client.stream.write_all(&data).expect("it listens");
                    (cookie, Asked::Write(block, value))
                }
            };
            self.under_way.insert(cookie, asked);
        }
    }

    /// Takes `count` replies, and checks what was read.
    pub(crate) fn take(&mut self, count: usize) {
        for _ in 0..count {
            let reply = self.client.reply(None);
            assert_eq!(reply.error, 0, "{}", reply.text);
            let asked = self.under_way.remove(&reply.cookie);
            match asked.expect("each request is answered once") {
                Asked::Write(block, value) => {
                    self.blocks.insert(block, value);
                }
                Asked::Read(_, value) => {
                    let [(_, Some(data), _)] = &*reply.pieces else {
                        panic!("{:?}", reply.pieces);
                    };
                    assert!(data.iter().all(|byte| *byte == value), "it reads old data");
                }
            }
        }
    }

    /// Sends `rounds` times as many requests as may be under way; each time `act` is done while they are.
    pub(crate) fn work(&mut self, rounds: usize, mut act: impl FnMut(usize)) {
        for round in 0..rounds {
            self.send();
            act(round);
            // Some stay under way.
            self.take(DEPTH - 3);
        }
        self.take(self.under_way.len());
    }

    /// Reads all that was ever written.
    pub(crate) fn check(&mut self) {
        self.take(self.under_way.len());
        for (block, value) in self.blocks.clone() {
            let at = block * u64::from(BLOCK_BYTES);
            let data = self.client.read(at, BLOCK_BYTES);
            assert!(data.iter().all(|byte| *byte == value), "block {block}");
        }
        assert!(
            self.blocks.len() > BLOCKS as usize / 2,
            "it has done little"
        );
    }

    /// Makes safe what it has written.
    pub(crate) fn flush(&mut self) {
        assert_eq!(self.client.ask(cmd::FLUSH, 0, 0, 0).error, 0);
    }
}
