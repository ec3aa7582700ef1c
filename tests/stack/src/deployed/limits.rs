//! What ministack does otherwise than AWS, and which suite covers it instead.

/// What is not tried here, and where it is.
const LIMITS: [(&str, &str); 15] = [
    (
        "Cognito's PostConfirmation and PostAuthentication triggers",
        "sent in Cognito's place above; scenarios (users)",
    ),
    (
        "CloudTrail's records on EventBridge's bus",
        "sent in its place above; fixtures of tollgate-events",
    ),
    ("IAM: every call is allowed", "`permissions`: the calls of the local stack against the roles"),
    ("a layer mounted at /opt", "TOLLGATE_CATALOG as a path: tests of config"),
    ("API Gateway: a key on two plans of a stage is no conflict", "contract suite (api_gateway)"),
    ("API Gateway: GetUsagePlans by key (a filter mends it)", "contract suite (api_gateway)"),
    ("API Gateway: its rates, its quota of keys, keys that lag", "contract suite, simulation"),
    ("FIFO queues: one batch at a time, MaximumConcurrency unused", "simulation (many workers)"),
    ("an empty itemIdentifier fails the whole batch", "tests of the SQS handler"),
    ("DynamoDB: TransactionConflict and throttling", "contract suite (ledger), faults on the wire"),
    (
        "DynamoDB: TTL, point-in-time recovery, encryption",
        "`assertions` on the template; tests of the doctor",
    ),
    ("alarms: nothing evaluates them", "`lint` and `assertions` on the template"),
    ("cold starts, memory, arm64", "docs/performance.md"),
    ("TLS", "the bench of cold starts"),
    ("Stripe itself: the stand-in plays it", "contract suite (stripe)"),
];

/// Prints them.
pub fn print() {
    println!("\nnot tried here, for ministack has it not or otherwise; what covers it:");
    for (what, covered_by) in LIMITS {
        println!("  {what:<66} {covered_by}");
    }
}
