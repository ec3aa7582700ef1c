//! A part of all ids: what is held in memory at once, and how it is made smaller.
//!
//! How many accounts there are is known only when all have been seen. So a sweep begins
//! with all of them as one part, and whenever it would hold too many, it halves its part
//! and leaves the other half for later.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The ids whose hash leaves `rest` when it is divided by `of`. Hashes are those of this
/// process: nothing of them is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    rest: u64,
    of: u64,
}

impl Part {
    /// All ids.
    pub fn all() -> Self {
        Self { rest: 0, of: 1 }
    }

    /// Whether an id belongs to it.
    pub fn holds(self, id: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        hasher.finish() % self.of == self.rest
    }

    /// Makes it half of what it was; returns the other half.
    pub fn halve(&mut self) -> Self {
        let (rest, of) = (self.rest, self.of);
        self.of = of * 2;
        Self { rest: rest + of, of: of * 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_it_is_halved_every_id_is_in_one_part() {
        let mut parts = vec![Part::all()];
        for turn in [0, 0, 1, 2, 0] {
            let other = parts[turn].halve();
            parts.push(other);
        }
        for id in (0..500).map(|n| format!("id-{n}")) {
            assert_eq!(parts.iter().filter(|part| part.holds(&id)).count(), 1, "{id}");
        }
    }
}
