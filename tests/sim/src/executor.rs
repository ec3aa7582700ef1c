//! A deterministic executor: one thread, no time of its own, the next task to run
//! chosen by the seed. A task can be killed where it waits, as a Lambda can.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// A task under way, with what it is about.
struct Task<L, T> {
    label: L,
    future: Pin<Box<dyn Future<Output = T>>>,
}

/// The tasks under way.
pub struct Executor<L, T> {
    tasks: Vec<Task<L, T>>,
}

impl<L, T> Default for Executor<L, T> {
    fn default() -> Self {
        Self { tasks: Vec::new() }
    }
}

impl<L, T> Executor<L, T> {
    /// Starts a task; it runs when it is chosen.
    pub fn spawn(&mut self, label: L, future: impl Future<Output = T> + 'static) {
        self.tasks.push(Task { label, future: Box::pin(future) });
    }

    /// How many tasks are under way.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Where the first task is whose label is of this kind.
    pub fn position(&self, wanted: impl Fn(&L) -> bool) -> Option<usize> {
        self.tasks.iter().position(|task| wanted(&task.label))
    }

    /// What the task at `place` is about.
    pub fn label(&self, place: usize) -> &L {
        &self.tasks[place].label
    }

    /// Runs the task at `place` up to its next await; returns it when it is done.
    pub fn poll(&mut self, place: usize) -> Option<(L, T)> {
        let waker = Waker::from(Arc::new(Ignore));
        let task = &mut self.tasks[place];
        match task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(output) => Some((self.tasks.swap_remove(place).label, output)),
        }
    }

    /// Kills the task at `place` where it waits.
    pub fn kill(&mut self, place: usize) -> L {
        self.tasks.swap_remove(place).label
    }
}

/// Runs a future that only ever waits for its turn.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Ignore));
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
    }
}

/// Every task is polled when its turn comes, so nobody needs waking.
struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}
