//! What stops losses until an operator says otherwise, for everybody who reports how things stand.

use std::fmt;

use jiff::Timestamp;

use crate::ledger::{Blast, StackRecord};
use crate::text::one_line;

/// Something that holds losses back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// The blast limit was hit.
    Losses {
        /// When; of one that an older version noted, when its day began.
        since: Option<Timestamp>,
    },
    /// The limit on cancellations in Stripe was hit.
    Cancellations {
        /// When; as above.
        since: Option<Timestamp>,
    },
    /// An operator has frozen the stack.
    Frozen {
        /// What they wrote.
        why: String,
    },
}

impl StackRecord {
    /// What holds losses back now.
    pub fn halts(&self) -> Vec<Halt> {
        let since = |limit: &Blast| limit.stopped.then_some(limit.stopped_at.or(limit.since));
        [
            since(&self.blast).map(|since| Halt::Losses { since }),
            since(&self.cancellations).map(|since| Halt::Cancellations { since }),
            self.frozen.clone().map(|why| Halt::Frozen { why }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Halt {
    /// The name for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Losses { .. } => "blast_limit",
            Self::Cancellations { .. } => "cancellation_limit",
            Self::Frozen { .. } => "frozen",
        }
    }

    /// What ends it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Losses { .. } | Self::Cancellations { .. } => {
                "Find out why; then mend it, or accept it with `tollgate reconcile --accept`."
            }
            Self::Frozen { .. } => "When it is mended: `tollgate stack unfreeze --why TEXT`.",
        }
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = |since: &Option<Timestamp>| {
            since.map(|at| format!(" since {at:.0}")).unwrap_or_default()
        };
        match self {
            Self::Losses { since: at } => write!(
                f,
                "the blast limit has stopped{}: who would lose something, and nothing explains \
                 it, keeps it",
                since(at)
            ),
            Self::Cancellations { since: at } => write!(
                f,
                "the cancellation limit has stopped{}: what closed accounts pay for goes on",
                since(at)
            ),
            Self::Frozen { why } => {
                write!(f, "the stack is frozen, nobody loses anything: {}", one_line(why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_stopped_says_since_when() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut stack = StackRecord::default();
        assert_eq!(stack.halts(), []);
        for second in 0..=10 {
            stack = stack.lose(at(second), false).0;
        }
        assert_eq!(stack.halts(), [Halt::Losses { since: Some(at(10)) }]);
        assert!(stack.halts()[0].to_string().contains("stopped since 1970-01-01T00:00:10Z"));
        assert_eq!(stack.lose(at(90_000), false), (stack.clone(), false));
        // As an older version has noted it.
        stack.blast.stopped_at = None;
        assert_eq!(stack.halts(), [Halt::Losses { since: Some(at(0)) }]);
        let accepted = stack.accept(at(100_000));
        assert_eq!(accepted.halts(), []);
        let frozen = StackRecord { frozen: Some("why".into()), ..accepted };
        assert_eq!(frozen.halts(), [Halt::Frozen { why: "why".into() }]);
    }
}
