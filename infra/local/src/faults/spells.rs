//! When faults come by themselves: in spells, with requests in between that pass.
//!
//! A spell is one kind of fault for one to four requests in a row. One alone is healed by
//! the client that repeats its request; four outlast it, so that the queue has to.
//! Reads and writes of each service have spells of their own, or the many reads of an
//! index would draw all of them.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tollgate_standin::calls::Service;

use super::{Asked, Fault};

/// How many requests pass between two spells.
const BETWEEN: std::ops::RangeInclusive<u32> = 3..=9;
/// The sweep alone reads each shard of an index.
const BETWEEN_READS_OF_THE_LEDGER: std::ops::RangeInclusive<u32> = 10..=40;
/// How long spells are; most are of one request.
const LENGTHS: [u32; 8] = [1, 1, 1, 1, 1, 2, 3, 4];

/// What comes, for each service's reads and writes.
#[derive(Debug)]
pub(super) struct Spells {
    seed: u64,
    streams: BTreeMap<(Service, bool), Stream>,
}

impl Spells {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, streams: BTreeMap::new() }
    }

    pub(super) fn next(&mut self, asked: &Asked) -> Option<Fault> {
        let Asked { service, writes, .. } = *asked;
        let stream = self.streams.entry((service, writes));
        stream.or_insert_with(|| Stream::new(self.seed, service, writes)).next(&asked.operation)
    }
}

#[derive(Debug)]
struct Stream {
    random: ChaCha8Rng,
    kinds: &'static [Fault],
    between: std::ops::RangeInclusive<u32>,
    /// Kinds to come, so that each comes before any comes again.
    bag: Vec<Fault>,
    spell: Fault,
    /// Requests that the spell still hits.
    left: u32,
    /// Requests that pass before the next one.
    pass: u32,
}

impl Stream {
    fn new(seed: u64, service: Service, writes: bool) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(service as u64 * 2 + u64::from(writes));
        let pass = random.random_range(0..=1);
        let between = match (service, writes) {
            (Service::DynamoDb, false) => BETWEEN_READS_OF_THE_LEDGER,
            _ => BETWEEN,
        };
        let kinds = match (service, writes) {
            // Its last kind, the conflict, is of writes.
            (Service::DynamoDb, false) => Fault::of(Service::Stripe),
            _ => Fault::of(service),
        };
        Self { random, kinds, between, bag: Vec::new(), spell: Fault::Cut, left: 0, pass }
    }

    fn next(&mut self, operation: &str) -> Option<Fault> {
        if self.left == 0 {
            if self.pass > 0 {
                self.pass -= 1;
                return None;
            }
            self.begin();
        }
        if !self.spell.befalls(operation) {
            return None;
        }
        self.left -= 1;
        Some(self.spell)
    }

    fn begin(&mut self) {
        if self.bag.is_empty() {
            self.bag = self.kinds.to_vec();
            self.bag.shuffle(&mut self.random);
        }
        self.spell = self.bag.pop().unwrap_or(Fault::Cut);
        self.left = LENGTHS[self.random.random_range(0..LENGTHS.len())];
        self.pass = self.random.random_range(self.between.clone());
    }
}
