//! How far long work is: a bar on the terminal, and nothing for programs and pipes.
//!
//! It says where the work is, how fast it goes and how long it will take. What came of the
//! work is told by whoever did it, at its end.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tollgate_core::scan::ScanStage;

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
        let bar = Self(ProgressBar::with_draw_target(None, target));
        bar.turn_to(what, total, 0);
        bar
    }

    /// The same bar for other work, of which so many are done: they tell nothing of its rate.
    pub(super) fn turn_to(&self, what: &str, total: Option<u64>, done: usize) {
        let template = if total.is_some() { OF_TOTAL } else { SO_FAR };
        let style = ProgressStyle::with_template(template).expect("the templates are fixed");
        self.0.set_style(style);
        self.0.set_message(what.to_owned());
        match total {
            Some(total) => self.0.set_length(total),
            None => self.0.unset_length(),
        }
        self.0.reset();
        self.at(done);
        self.0.reset_eta();
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

/// A bar that says which listing is being read, and how much of it was.
#[derive(Debug)]
pub(super) struct Stages {
    bar: Progress,
    now: Option<ScanStage>,
    through: usize,
}

impl Stages {
    /// Nothing was read yet.
    pub(super) fn begin(json: bool, io: &Io<'_>) -> Self {
        Self { bar: Progress::begin("reading", None, json, io), now: None, through: 0 }
    }

    /// So many more things were gone through.
    pub(super) fn through(&mut self, stage: ScanStage, number: usize) {
        if self.now.replace(stage) != Some(stage) {
            self.bar.turn_to(what(stage), None, 0);
            self.through = 0;
        }
        self.through += number;
        self.bar.at(self.through);
    }

    /// So many accounts of `total` were written.
    pub(super) fn written(&mut self, done: usize, total: usize) {
        if self.now.take().is_some() {
            self.bar.turn_to("accounts written", u64::try_from(total).ok(), done);
        }
        self.bar.at(done);
    }
}

fn what(stage: ScanStage) -> &'static str {
    match stage {
        ScanStage::Keys => "API Gateway: keys",
        ScanStage::KeysOnPlans => "API Gateway: keys on usage plans",
        ScanStage::Accounts => "ledger: accounts",
        ScanStage::Subscriptions => "Stripe: subscriptions",
        ScanStage::Disputes => "Stripe: disputes",
        ScanStage::Users => "Cognito: users",
        ScanStage::Orphans => "API Gateway: orphaned keys",
    }
}
