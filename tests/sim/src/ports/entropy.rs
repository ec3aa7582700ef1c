//! Randomness that follows from the seed.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tollgate_core::ports::Entropy;

/// Randomness that repeats.
#[derive(Clone)]
pub struct SeededEntropy(Arc<Mutex<ChaCha8Rng>>);

impl SeededEntropy {
    /// The same seed, the same bytes.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))))
    }
}

impl Entropy for SeededEntropy {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }
}
