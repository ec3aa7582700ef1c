//! What is under way: invocations, what they are about, and what they come to.

use jiff::Timestamp;
use serde_json::Value;
use tollgate_core::batch::BatchReport;
use tollgate_core::ingress::{self, PoolEvent};
use tollgate_core::ports::PortResult;
use tollgate_core::sweep::SweepReport;
use tollgate_events::AccountId;
use tollgate_operator::{ActError, ActReceipt, OperatorAct};
use tollgate_standin::stripe::Delivery;

use crate::receipt::Receipt;
use crate::recovery::StepReport;

/// What a task is about: enough to know what its death means.
pub(crate) enum Label {
    Worker,
    Webhook(Box<Delivery>),
    Trigger,
    Cloudtrail(Value),
    Sweep,
    DeadLetters,
    Operator(Box<(AccountId, OperatorAct)>),
    /// A step of the runbook's, by whoever recovers the ledger.
    Runbook,
}

impl Label {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Webhook(_) => "webhook",
            Self::Trigger => "trigger",
            Self::Cloudtrail(_) => "CloudTrail record's function",
            Self::Sweep => "sweep",
            Self::DeadLetters => "dead letters' function",
            Self::Operator(_) => "operator's command",
            Self::Runbook => "runbook's step",
        }
    }
}

/// A label with the time at which the task dies.
pub(crate) struct Lease {
    pub(crate) id: u64,
    pub(crate) label: Label,
    pub(crate) deadline: Timestamp,
    /// When it last had its turn.
    pub(crate) polled: Timestamp,
    /// It is not run until then.
    pub(crate) asleep_until: Option<Timestamp>,
    /// It slept beyond its deadline, and lives on.
    pub(crate) late: bool,
}

impl Lease {
    /// What the task is called in the transcript.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.label.name(), self.id)
    }
}

/// What a task came to.
pub(crate) enum Done {
    Batch(BatchReport, &'static str, Vec<Receipt>),
    Webhook(ingress::Delivery),
    Pool(PoolEvent),
    Sweep(PortResult<SweepReport>),
    Operated(Result<ActReceipt, ActError>),
    Runbook(StepReport),
}
