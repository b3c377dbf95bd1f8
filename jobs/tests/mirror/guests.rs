//! A guest that writes, zeroes, discards, reads and flushes at random places, several at a time,
//! until it is told to stop; and checks what it reads.

use std::cell::Cell;
use std::rc::Rc;

use blockjob_block::BlockBackend;
use blockjob_block::driver::ZeroFlags;
use blockjob_runtime::AioContext;
use bytes::{Bytes, BytesMut};

use crate::lab::Dice;
use crate::model::{Model, SECTOR};

/// How a guest behaves.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    /// Requests at a time.
    pub(crate) depth: usize,
    /// The longest request, in sectors.
    pub(crate) max_sectors: u64,
    /// The longest rest between two requests.
    pub(crate) rest_ns: u64,
    /// Only writes, so that every request counts.
    pub(crate) only_writes: bool,
    pub(crate) seed: u64,
}

impl Habits {
    pub(crate) fn new(seed: u64) -> Self {
        Habits {
            depth: 1,
            max_sectors: 40,
            rest_ns: 700_000,
            only_writes: false,
            seed,
        }
    }

    pub(crate) fn depth(mut self, depth: usize) -> Self {
        self.depth = depth;
        self
    }

    pub(crate) fn rest_ns(mut self, rest_ns: u64) -> Self {
        self.rest_ns = rest_ns;
        self
    }

    pub(crate) fn max_sectors(mut self, max_sectors: u64) -> Self {
        self.max_sectors = max_sectors;
        self
    }

    pub(crate) fn only_writes(mut self) -> Self {
        self.only_writes = true;
        self
    }
}

pub(crate) struct Guest {
    pub(crate) model: Rc<Model>,
    blk: Rc<BlockBackend>,
    ctx: AioContext,
    habits: Habits,
    dice: Dice,
    stop: Cell<bool>,
    running: Cell<usize>,
    /// Requests that have ended.
    pub(crate) done: Cell<u64>,
}

impl Guest {
    /// Starts a guest on `blk`, whose disk holds what `model` says.
    pub(crate) fn start(
        ctx: &AioContext,
        blk: &Rc<BlockBackend>,
        model: &Rc<Model>,
        habits: Habits,
    ) -> Rc<Guest> {
        let guest = Rc::new(Guest {
            model: model.clone(),
            blk: blk.clone(),
            ctx: ctx.clone(),
            dice: Dice::new(habits.seed),
            stop: Cell::new(false),
            running: Cell::new(habits.depth),
            done: Cell::new(0),
            habits,
        });
        for _ in 0..guest.habits.depth {
            let me = guest.clone();
            let coroutine = ctx.coroutine("guest", async move {
                while !me.stop.get() {
                    me.one_request().await;
                    me.done.set(me.done.get() + 1);
                    let rest_ns = me.dice.within(0..me.habits.rest_ns + 1);
                    me.ctx.sleep(rest_ns).await;
                }
                me.running.set(me.running.get() - 1);
            });
            coroutine.enter();
        }
        guest
    }

    async fn one_request(&self) {
        let len = self.model.len();
        let sectors = len / SECTOR;
        let count = self
            .dice
            .within(1..self.habits.max_sectors.min(sectors) + 1);
        let first = self.dice.within(0..sectors - count + 1);
        let (offset, mut bytes) = (first * SECTOR, count * SECTOR);
        if first + count == sectors {
            // With what is left behind the last whole sector.
            bytes = len - offset;
        }
        let kind = if self.habits.only_writes {
            0
        } else {
            self.dice.within(0..100)
        };
        match kind {
            0..60 => self.write(offset, bytes).await,
            60..74 => self.zero(offset, bytes).await,
            74..80 => self.discard(offset, bytes).await,
            80..95 => self.read(offset, bytes).await,
            _ => self.blk.flush().await.expect("the disk is good"),
        }
    }

    async fn write(&self, offset: u64, bytes: u64) {
        let fill = self.dice.within(1..256) as u8;
        let writing = self.model.begin_write(offset, bytes, fill.into(), false);
        let data = Bytes::from(vec![fill; bytes as usize]);
        let result = self.blk.write(offset, data).await;
        result.expect("the disk is good");
        self.model.end_write(&writing);
    }

    async fn zero(&self, offset: u64, bytes: u64) {
        let flags = ZeroFlags {
            may_unmap: self.dice.within(0..2) == 0,
            no_fallback: false,
        };
        let writing = self.model.begin_write(offset, bytes, 0, false);
        let result = self.blk.write_zeroes(offset, bytes, flags).await;
        result.expect("the disk is good");
        self.model.end_write(&writing);
    }

    async fn discard(&self, offset: u64, bytes: u64) {
        let writing = self.model.begin_write(offset, bytes, 0, true);
        let result = self.blk.discard(offset, bytes).await;
        result.expect("the disk is good");
        self.model.end_write(&writing);
    }

    async fn read(&self, offset: u64, bytes: u64) {
        let reading = self.model.begin_read(offset, bytes);
        let (buf, result) = self
            .blk
            .read(offset, BytesMut::zeroed(bytes as usize))
            .await;
        result.expect("the disk is good");
        self.model.end_read(reading, &buf);
    }

    /// Has it begin nothing more.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.set(true);
    }

    pub(crate) fn stopped(&self) -> bool {
        self.running.get() == 0
    }

    /// Has it begin nothing more, and waits for what it has begun.
    pub(crate) fn stop(&self) {
        self.tell_to_stop();
        self.ctx.poll_while(|| !self.stopped());
    }
}
