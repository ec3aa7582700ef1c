//! Where a replay that was stopped goes on: one word, which the command prints and takes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tollgate_events::EventRef;

use super::ReplayProgress;

/// Where a replay goes on, under which name, and what of this time or later is on the queue
/// already, or may be: `r1a2b3c4d@2026-03-01T09:00:00Z+0f1e2d3c4b5a:2`, the last once for each
/// event.
///
/// These are sent again, and SQS drops them within five minutes. Whether they were handled is
/// therefore told by how often they had been before they were sent first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The replay's name.
    pub run: String,
    /// All before this time was sent.
    pub from: Timestamp,
    /// How often events had been handled before they were sent, by what stands for their names.
    sent: BTreeMap<String, u64>,
}

impl Cursor {
    /// Where a replay begins.
    pub fn begin(run: String, from: Timestamp) -> Self {
        Self { run, from, sent: BTreeMap::new() }
    }

    /// Where it goes on.
    #[must_use]
    pub fn after(&self, progress: &ReplayProgress) -> Self {
        let again = progress.again.iter().map(|(name, (_, attempts))| (short(name), *attempts));
        Self {
            run: self.run.clone(),
            from: progress.until.unwrap_or(self.from),
            // What it began with may not have come again before it stopped.
            sent: self.sent.clone().into_iter().chain(again).collect(),
        }
    }

    /// How often an event had been handled before an earlier part of the replay sent it.
    pub(super) fn sent_after(&self, name: &EventRef) -> Option<u64> {
        if self.sent.is_empty() { None } else { self.sent.get(&short(name)).copied() }
    }
}

/// Two of one time that are taken for each other do no harm.
fn short(name: &EventRef) -> String {
    hex::encode(&Sha256::digest(name.to_string())[..6])
}

/// A name for a replay: it sets its messages apart from those of the last one, within whose
/// five minutes SQS would drop them.
pub fn new_run(random: [u8; 16]) -> String {
    format!("r{}", hex::encode(&random[..4]))
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.run, self.from)?;
        self.sent.iter().try_for_each(|(name, attempts)| write!(f, "+{name}:{attempts}"))
    }
}

/// A text that is no [`Cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is what an interrupted replay printed, like r1a2b3c4d@2026-03-01T09:00:00Z")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (run, rest) = text.split_once('@').ok_or(NoCursor)?;
        let mut parts = rest.split('+');
        let from = parts.next().and_then(|from| from.parse().ok()).ok_or(NoCursor)?;
        let sent = parts.map(|part| {
            let (name, attempts) = part.split_once(':')?;
            Some((name.to_owned(), attempts.parse().ok()?))
        });
        let sent = sent.collect::<Option<_>>().ok_or(NoCursor)?;
        let plain = !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if plain { Ok(Self { run: run.to_owned(), from, sent }) } else { Err(NoCursor) }
    }
}
