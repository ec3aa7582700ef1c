//! What a deployment should be like.

use tollgate_core::catalog::CatalogFile;

use super::observed::{Look, TableShape, Unseen};

/// Whose tokens the account API takes: the app clients in its authorizer's audience.
pub type Audience = Vec<String>;

/// What a deployment should be like. What is not known (without the stack's outputs) is an
/// [`Unseen`](super::Unseen), and makes the checks that need it say so.
#[derive(Debug, Clone)]
pub struct Expected {
    /// The stack's name.
    pub stack: String,
    /// How the command is called for this stack: `tollgate --stack shop`.
    pub command: String,
    /// Whether it takes real payments.
    pub livemode: bool,
    /// The catalog, or what is wrong with it.
    pub catalog: Result<CatalogFile, String>,
    /// The user pool's id.
    pub user_pool_id: String,
    /// The audience of the account API's authorizer.
    pub audience: Look<Audience>,
    /// The ARN of the function for Cognito's triggers.
    pub trigger: Look<String>,
    /// The API stage that the stack was deployed for, `<rest api id>:<stage>`.
    pub api_stage: Look<String>,
    /// Where Stripe is to post its events.
    pub webhook_url: Look<String>,
    /// The table's name.
    pub table_name: String,
    /// The table's keys and indexes.
    pub table: TableShape,
    /// The attribute for the table's TTL.
    pub expires_at: String,
    /// Whether settled event records are to end by it.
    pub events_end: bool,
}

impl Expected {
    /// The catalog, or that there is none to judge by.
    pub(super) fn catalog(&self) -> Look<&CatalogFile> {
        self.catalog.as_ref().map_err(|_| Unseen::Unknown {
            why: "it is not valid, and nothing is judged by it".into(),
            mend: "mend `catalog-parses`, then look again".into(),
        })
    }

    /// A command to run. [`examine`](super::examine) makes it one for this stack.
    pub(super) fn run(&self, arguments: &str) -> String {
        format!("`tollgate {arguments}`")
    }
}
