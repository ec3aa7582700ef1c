//! How far long work is: a bar on the terminal, and nothing for programs and pipes.
//!
//! It says where the work is, how fast it goes and how long it will take. What came of the
//! work is told by whoever did it, at its end.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::io::Io;

/// Where the end is known.
const OF_TOTAL: &str = "{msg} {wide_bar} {pos}/{len}  {per_sec}  {eta} left";
/// Where it is not.
const SO_FAR: &str = "{spinner} {msg} {pos}  {per_sec}  {elapsed}";

/// A progress bar; it goes with this value.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for work on `total` things, if that many are known. It is drawn on the error
    /// output, and only for somebody who sits there and wants no JSON.
    pub(super) fn begin(what: &str, total: Option<u64>, json: bool, io: &Io<'_>) -> Self {
        let drawn = io.interactive && !json;
        let target =
            if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = if total.is_some() { OF_TOTAL } else { SO_FAR };
        let style = ProgressStyle::with_template(template).expect("the templates are fixed");
        bar.set_style(style);
        bar.set_message(what.to_owned());
        Self(bar)
    }

    /// So many are done.
    pub(super) fn at(&self, done: usize) {
        self.0.set_position(done as u64);
    }

    /// Writes something without drawing into it.
    pub(super) fn around<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
