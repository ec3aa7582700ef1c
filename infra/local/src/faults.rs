//! Faults on the wire: a layer before an endpoint that refuses, fails or cuts off
//! requests, so that the real clients meet what AWS and Stripe do on a bad day.
//!
//! Which request is hit follows from the seed and the order of requests alone. Nothing
//! is delayed: a timeout and a closed connection mean the same to whoever called, and
//! only one of them makes tests slow. Nothing is invented either: a service that has no
//! transactions has no conflicts between them, and no answer is both given and wrong.

mod answers;
mod spells;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tollgate_standin::calls::Service;

use self::spells::Spells;
use crate::front::{MAX_REQUEST_BYTES, operation_of, service_of};

/// What can become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Refused for coming too soon, in the service's own form.
    Throttled,
    /// The service fails: 500 or 503. Nothing was done.
    Failed,
    /// The connection is closed before the request reaches the service.
    Cut,
    /// The service acts, and the connection is closed before any byte of its answer.
    Lost,
    /// DynamoDB only: another transaction is on the item. Nothing was written.
    Conflict,
}

impl Fault {
    /// Every kind of fault that a service has.
    pub fn of(service: Service) -> &'static [Self] {
        use Fault::{Conflict, Cut, Failed, Lost, Throttled};
        match service {
            Service::DynamoDb => &[Throttled, Failed, Cut, Lost, Conflict],
            Service::Stripe
            | Service::ApiGateway
            | Service::Cognito
            | Service::Sqs
            | Service::SecretsManager
            | Service::CloudFormation => &[Throttled, Failed, Cut, Lost],
        }
    }

    /// Whether an operation can meet it: reads never conflict with a transaction here,
    /// because they are consistent reads of single items, or reads of an index.
    fn befalls(self, operation: &str) -> bool {
        self != Self::Conflict || matches!(operation, "TransactWriteItems" | "UpdateItem")
    }
}

/// One request, as far as faults look at it.
#[derive(Debug)]
struct Asked {
    service: Service,
    operation: String,
    writes: bool,
}

/// How many requests of each service met each fault.
pub type Tally = BTreeMap<(Service, Fault), usize>;

/// The faults before a stack's endpoints; every clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Schedule>>);

#[derive(Debug, Default)]
struct Schedule {
    spells: Option<Spells>,
    ordered: Vec<(Service, Fault)>,
    calm: bool,
    tally: Tally,
}

impl Faults {
    /// Faults that come by themselves, in spells, as the seed has them.
    pub fn seeded(seed: u64) -> Self {
        let spells = Some(Spells::new(seed));
        Self(Arc::new(Mutex::new(Schedule { spells, ..Schedule::default() })))
    }

    /// Orders a fault for the next request of a service that can meet it; several are met
    /// in the order in which they were given. An ordered fault comes before a seeded one.
    pub fn order(&self, service: Service, faults: &[Fault]) {
        self.schedule().ordered.extend(faults.iter().map(|fault| (service, *fault)));
    }

    /// Whether it is calm: then no seeded fault comes.
    pub fn set_calm(&self, calm: bool) {
        self.schedule().calm = calm;
    }

    /// What was met so far.
    pub fn tally(&self) -> Tally {
        self.schedule().tally.clone()
    }

    /// The endpoint of all of AWS, under these faults.
    pub fn over_aws(&self, endpoint: Router) -> Router {
        endpoint.layer(from_fn_with_state(self.clone(), on_aws))
    }

    /// Stripe's API, under these faults.
    pub fn over_stripe(&self, endpoint: Router) -> Router {
        endpoint.layer(from_fn_with_state(self.clone(), on_stripe))
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that a request meets, if any, and how many of its kind came before.
    fn meets(&self, asked: &Asked) -> Option<(Fault, usize)> {
        let mut schedule = self.schedule();
        let fault = schedule.take_ordered(asked).or_else(|| schedule.next(asked))?;
        let count = schedule.tally.entry((asked.service, fault)).or_default();
        *count += 1;
        Some((fault, *count - 1))
    }

    async fn strike(&self, asked: Asked, request: Request, next: Next) -> Response {
        let Some((fault, before)) = self.meets(&asked) else { return next.run(request).await };
        match fault {
            Fault::Throttled => answers::throttled(asked.service, before),
            Fault::Failed => answers::failed(asked.service, before),
            Fault::Cut => answers::cut_off(),
            Fault::Lost => {
                next.run(request).await;
                answers::cut_off()
            }
            Fault::Conflict => {
                let body = to_bytes(request.into_body(), MAX_REQUEST_BYTES).await;
                answers::conflict(&asked.operation, &body.unwrap_or_default())
            }
        }
    }
}

impl Schedule {
    fn take_ordered(&mut self, asked: &Asked) -> Option<Fault> {
        let fits = |(service, fault): &(Service, Fault)| {
            *service == asked.service && fault.befalls(&asked.operation)
        };
        let place = self.ordered.iter().position(fits)?;
        Some(self.ordered.remove(place).1)
    }

    fn next(&mut self, asked: &Asked) -> Option<Fault> {
        if self.calm {
            return None;
        }
        self.spells.as_mut()?.next(asked)
    }
}

async fn on_aws(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    // Secrets Manager is asked when a function starts, which is before anything can fail here.
    let Some(service) = service_of(&request) else { return next.run(request).await };
    let asked = asked_of_aws(service, &request);
    faults.strike(asked, request, next).await
}

async fn on_stripe(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let operation = format!("{} {}", request.method(), request.uri().path());
    let writes = request.method() != Method::GET;
    let asked = Asked { service: Service::Stripe, operation, writes };
    faults.strike(asked, request, next).await
}

/// The JSON protocols post everything, so their operation tells; API Gateway's method does.
fn asked_of_aws(service: Service, request: &Request) -> Asked {
    let operation = operation_of(request).to_owned();
    let writes = match service {
        Service::DynamoDb => !matches!(&*operation, "GetItem" | "Query" | "Scan"),
        Service::Cognito => !matches!(&*operation, "AdminGetUser" | "ListUsers"),
        Service::Stripe
        | Service::ApiGateway
        | Service::Sqs
        | Service::SecretsManager
        | Service::CloudFormation => request.method() != Method::GET,
    };
    Asked { service, operation, writes }
}

#[cfg(test)]
mod tests;
