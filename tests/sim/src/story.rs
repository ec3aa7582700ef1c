//! The story of a run, for a reader: what happened, in order, in sentences.

use std::sync::{Arc, Mutex, PoisonError};

use crate::gate::{Call, Effect, Faults};
use tollgate_core::ports::{PortError, PortResult, Service};

use crate::faults::seeded::SeededFaults;
use crate::report::Report;
use crate::report::VIOLATION;

/// How the transcript says that nothing happened for a while.
const PASSES: &str = "time passes";

/// What happened up to the first violation of an invariant. Ids that a reader would have
/// to look up (users, usage plans) are told by name.
pub fn story(report: &Report, invariant: u8) -> Vec<String> {
    let mut told = Vec::new();
    let end = format!("{VIOLATION}{invariant}:");
    for line in &report.transcript {
        let named = report.names.iter().fold(line.clone(), |line, (id, name)| {
            if line.contains(" as ") { line } else { line.replace(id, name) }
        });
        let repeats = |last: &String| last.ends_with(PASSES) && named.ends_with(PASSES);
        if !told.last().is_some_and(repeats) {
            told.push(named);
        }
        if line.contains(&end) {
            break;
        }
    }
    told
}

/// The faults, with a narrator: whatever changes the world, and whatever goes wrong.
pub(crate) struct Narrator {
    faults: Arc<SeededFaults>,
    notes: Mutex<Vec<String>>,
}

impl Narrator {
    pub(crate) fn new(faults: Arc<SeededFaults>) -> Self {
        Self { faults, notes: Mutex::default() }
    }

    /// Takes what was noted since the last time.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }
}

impl Faults for Narrator {
    fn starts(&self, call: &Call) {
        self.faults.starts(call);
    }

    fn delays(&self, call: &Call) -> bool {
        self.faults.delays(call)
    }

    fn late(&self, call: &Call) -> Option<PortError> {
        let late = self.faults.late(call);
        if late.is_some() {
            self.note("that times out, and will take effect later".to_owned());
        }
        late
    }

    fn keep(&self, call: &Call, effect: Effect) {
        self.faults.keep(call, effect);
    }

    fn before(&self, call: &Call) -> PortResult<()> {
        let result = self.faults.before(call);
        match &result {
            Ok(()) => {
                if let Some(act) = act(call) {
                    self.note(act);
                }
            }
            Err(error) => self.note(format!("fails to: {} ({})", named(call), error.detail)),
        }
        result
    }

    fn after(&self, call: &Call) -> PortResult<()> {
        let result = self.faults.after(call);
        if result.is_err() {
            self.note(format!("gets no answer to: {}", named(call)));
        }
        result
    }
}

/// A call in words, whatever it does.
fn named(call: &Call) -> String {
    act(call).unwrap_or_else(|| format!("{} {}", call.operation, call.subject))
}

/// A call that changes something, in words; `None` for one that reads.
fn act(call: &Call) -> Option<String> {
    let subject = &call.subject;
    let pair = || subject.split_once('/').unwrap_or((subject, ""));
    Some(match (call.service, call.operation) {
        (Service::Ledger, "UpdateItem") if subject.contains(' ') => format!("write {subject}"),
        (Service::Ledger, "UpdateItem") => format!("claim {subject}"),
        (Service::Ledger, "TransactWriteItems") => format!("commit {subject}"),
        (Service::Ledger, "PutItem") => format!("write the history entry of {subject}"),
        (_, "CreateApiKey") => format!("make the key {subject}"),
        (_, "UpdateApiKey") => format!("enable or disable key {subject}"),
        (_, "DeleteApiKey") => format!("delete key {subject}"),
        (_, "CreateUsagePlanKey") => format!("put key {} on usage plan {}", pair().1, pair().0),
        (_, "DeleteUsagePlanKey") => format!("take key {} off usage plan {}", pair().1, pair().0),
        (_, "AdminUpdateUserAttributes") => format!("write the attributes of {subject}"),
        (_, "DELETE /v1/subscriptions/{id}") => format!("cancel {subject}"),
        (_, "SendMessage") => format!("send to {subject}"),
        _ => return None,
    })
}
