//! A deterministic executor: one thread, no time of its own, the next task to run
//! chosen by the seed. A task can be killed where it waits, as a Lambda can.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A task under way, with what it is about.
struct Task<L, T> {
    label: L,
    future: Pin<Box<dyn Future<Output = T>>>,
}

/// The tasks under way.
pub struct Executor<L, T> {
    tasks: Vec<Task<L, T>>,
    ready: Arc<Ready>,
}

impl<L, T> Default for Executor<L, T> {
    fn default() -> Self {
        Self { tasks: Vec::new(), ready: Arc::default() }
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

    /// Where the tasks are whose label is of this kind.
    pub fn places(&self, wanted: impl Fn(&L) -> bool) -> Vec<usize> {
        let places = self.tasks.iter().enumerate();
        places.filter(|(_, task)| wanted(&task.label)).map(|(place, _)| place).collect()
    }

    /// Every label.
    pub fn labels(&self) -> impl Iterator<Item = &L> {
        self.tasks.iter().map(|task| &task.label)
    }

    /// The label of the task at `place`.
    pub fn label(&self, place: usize) -> &L {
        &self.tasks[place].label
    }

    /// The label of the task at `place`, to be changed.
    pub fn label_mut(&mut self, place: usize) -> &mut L {
        &mut self.tasks[place].label
    }

    /// Runs the task at `place` up to its next await; returns it when it is done.
    pub fn poll(&mut self, place: usize) -> Option<(L, T)> {
        let waker = Waker::from(self.ready.clone());
        let task = &mut self.tasks[place];
        match task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(output) => Some((self.tasks.swap_remove(place).label, output)),
        }
    }

    /// Whether any task polled since the last time could go on at once: the others wait for
    /// the clock.
    pub fn take_ready(&self) -> bool {
        self.ready.0.swap(false, Ordering::Relaxed)
    }

    /// Kills the task at `place` where it waits.
    pub fn kill(&mut self, place: usize) -> L {
        self.tasks.swap_remove(place).label
    }
}

/// Runs a future that only ever waits for its turn.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::noop();
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
            return output;
        }
    }
}

/// Every task is polled when its turn comes, so nobody needs waking; but it is noted that
/// somebody asked for it.
#[derive(Default)]
struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
