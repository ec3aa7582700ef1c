//! Where objects are kept.

use std::collections::{HashMap, VecDeque};

/// Objects by id, in the order in which they were made.
#[derive(Debug)]
pub(in crate::stripe) struct Table<T> {
    rows: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Table<T> {
    pub(in crate::stripe) fn insert(&mut self, id: &str, row: T) {
        self.order.push_back(id.to_owned());
        self.rows.insert(id.to_owned(), row);
    }

    pub(in crate::stripe) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(id)
    }

    pub(in crate::stripe) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(id)
    }

    pub(in crate::stripe) fn remove(&mut self, id: &str) -> Option<T> {
        self.order.retain(|kept| kept != id);
        self.rows.remove(id)
    }

    /// The newest first, as Stripe lists.
    pub(in crate::stripe) fn newest_first(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.order.iter().rev().filter_map(|id| self.rows.get(id))
    }

    /// Forgets the oldest rows for as long as `gone` holds; returns them.
    pub(in crate::stripe) fn forget(&mut self, gone: impl Fn(&T) -> bool) -> Vec<T> {
        let mut forgotten = Vec::new();
        while let Some(id) = self.order.front()
            && self.rows.get(id).is_some_and(&gone)
        {
            forgotten.extend(self.rows.remove(id));
            self.order.pop_front();
        }
        forgotten
    }
}
