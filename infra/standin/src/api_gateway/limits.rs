//! Token buckets on the virtual clock, and the control plane's rate limits.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>

use jiff::{SignedDuration, Timestamp};

use super::error::{Exception, Refusal};

/// A token bucket: `rate` tokens a second, at most `burst` of them; full at first.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Option<Timestamp>,
}

impl Bucket {
    pub(super) fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, tokens: burst, at: None }
    }

    /// Whether it is a bucket of these settings still.
    pub(super) fn is(&self, rate: f64, burst: f64) -> bool {
        self.rate == rate && self.burst == burst
    }

    /// How long until a token is there; zero when one is.
    fn wait(&mut self, now: Timestamp) -> SignedDuration {
        let since = self.at.replace(now).map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        self.tokens = (self.tokens + since * self.rate).min(self.burst);
        // Rates such as 0.05 are not exact in binary: a token that is all but there, is.
        if self.tokens >= 1.0 - 1e-9 {
            return SignedDuration::ZERO;
        }
        if self.rate <= 0.0 {
            return SignedDuration::from_hours(24);
        }
        SignedDuration::from_secs_f64((1.0 - self.tokens) / self.rate)
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let there = self.wait(now).is_zero();
        if there {
            self.tokens -= 1.0;
        }
        there
    }
}

/// How long a `CreateUsagePlanKey` keeps others out.
const ATTACHING_TAKES: SignedDuration = SignedDuration::from_millis(50);

/// The control plane's rate limits, none of which AWS raises: everything together
/// 10/s (burst 40), `CreateApiKey` and `DeleteApiKey` 5/s each, `UpdateUsagePlan` once in 20 s.
/// And in effect one `CreateUsagePlanKey` at a time in a Region: the next one that comes while
/// it is under way meets a `ConflictException`
/// (<https://github.com/serverless/serverless/issues/12065>; how long one takes is our guess).
#[derive(Debug, Clone)]
pub struct Wall {
    attaching_until: Option<Timestamp>,
    together: Bucket,
    create_key: Bucket,
    delete_key: Bucket,
    update_plan: Bucket,
    others: Option<Others>,
}

/// Others of the account and Region who spend the same ten calls a second: of the calls that come
/// here, one in so many finds room, and which one is as good as chance.
#[derive(Debug, Clone)]
struct Others {
    leave_one_in: u64,
    calls: u64,
}

impl Others {
    /// SplitMix64 on the number of calls. <https://prng.di.unimi.it/splitmix64.c>
    fn leave_room(&mut self) -> bool {
        self.calls += 1;
        let mut mixed = self.calls.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).is_multiple_of(self.leave_one_in)
    }
}

impl Default for Wall {
    fn default() -> Self {
        Self {
            attaching_until: None,
            together: Bucket::new(10.0, 40.0),
            create_key: Bucket::new(5.0, 5.0),
            delete_key: Bucket::new(5.0, 5.0),
            update_plan: Bucket::new(1.0 / 20.0, 1.0),
            others: None,
        }
    }
}

impl Wall {
    /// The wall while others keep on calling, such as a seller's deployments: of the calls that
    /// come here, one in so many finds room. Which ones follows from the seed.
    pub fn shared(leave_one_in: u64, seed: u32) -> Self {
        let others = Others { leave_one_in, calls: u64::from(seed) << 32 };
        Self { others: Some(others), ..Self::default() }
    }

    fn attach(&mut self, now: Timestamp) -> Result<(), Refusal> {
        if self.attaching_until.is_some_and(|until| now < until) {
            return Err(Exception::Conflict.because("another change is under way; try again"));
        }
        self.attaching_until = now.checked_add(ATTACHING_TAKES).ok();
        Ok(())
    }

    /// Lets a call through or refuses it; a call refused for its rate costs nothing.
    pub(super) fn pass(&mut self, operation: &str, now: Timestamp) -> Result<(), Refusal> {
        if self.others.as_mut().is_some_and(|others| !others.leave_room()) {
            let after = SignedDuration::from_secs(1);
            return Err(Exception::TooManyRequests { after }.because("Too Many Requests"));
        }
        let own = match operation {
            "CreateApiKey" => Some(&mut self.create_key),
            "DeleteApiKey" => Some(&mut self.delete_key),
            "UpdateUsagePlan" => Some(&mut self.update_plan),
            _ => None,
        };
        let mut buckets: Vec<&mut Bucket> =
            std::iter::once(&mut self.together).chain(own).collect();
        let wait = buckets.iter_mut().map(|bucket| bucket.wait(now)).max().unwrap_or_default();
        if !wait.is_zero() {
            let after = SignedDuration::from_secs((wait.as_secs_f64().ceil() as i64).max(1));
            return Err(Exception::TooManyRequests { after }.because("Too Many Requests"));
        }
        for bucket in buckets {
            bucket.tokens -= 1.0;
        }
        if operation == "CreateUsagePlanKey" {
            self.attach(now)?;
        }
        Ok(())
    }
}
