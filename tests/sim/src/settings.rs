//! Wrong settings: what a seller deploys by mistake in the middle of ordinary life, and takes
//! back when he notices, minutes or weeks later.

use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tollgate_standin::cognito::PoolConfig;
use tollgate_standin::stripe::Settings;

use crate::market::Slip;
use crate::world::World;

/// A pool in which nobody is.
const OTHER_POOL: &str = "us-east-1_Elsewhere";

/// What somebody sets wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongSetting {
    /// A Stripe key of another account of the same mode.
    StripeKey,
    /// The same, restricted: it may not say whose it is.
    RestrictedKey,
    /// Another user pool.
    UserPool,
    /// What is sold as pro is not in the catalog.
    PricesLost,
    /// What is sold as pro is basic.
    Demoted,
}

impl WrongSetting {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::StripeKey, Self::RestrictedKey, Self::UserPool, Self::PricesLost, Self::Demoted];

    pub(crate) fn slip(self) -> Option<Slip> {
        match self {
            Self::PricesLost => Some(Slip::PricesLost),
            Self::Demoted => Some(Slip::Demoted),
            Self::StripeKey | Self::RestrictedKey | Self::UserPool => None,
        }
    }
}

/// A wrong setting that is in force.
#[derive(Clone)]
pub struct Wrong {
    /// What is set wrongly.
    pub setting: WrongSetting,
    /// When it is noticed.
    pub until: Timestamp,
    /// The stack does not say what it belongs to, as one that an older version has left.
    pub(crate) unbound: bool,
    /// The world as the workers have it.
    pub(crate) seen: World,
}

impl Wrong {
    pub(crate) fn new(world: &World, setting: WrongSetting, dice: &mut ChaCha8Rng) -> Self {
        let minutes = match dice.random_range(0..3) {
            0 => dice.random_range(5..180),
            1 => dice.random_range(180..4 * 24 * 60),
            _ => dice.random_range(4 * 24 * 60..25 * 24 * 60),
        };
        let until = world.clock.time() + SignedDuration::from_mins(minutes);
        let unbound = dice.random_bool(0.5);
        Self { setting, until, unbound, seen: seen_through(world, setting) }
    }
}

/// The world as it is seen through a wrong setting.
pub(crate) fn seen_through(world: &World, setting: WrongSetting) -> World {
    let seen = world.clone();
    match setting {
        WrongSetting::StripeKey | WrongSetting::RestrictedKey => seen.with_stripe(Settings {
            account_id: "acct_1Elsewhere".into(),
            restricted_keys_read_account: setting == WrongSetting::StripeKey,
            base_url: "https://stripe.invalid".into(),
            ..Settings::default()
        }),
        WrongSetting::UserPool => seen.with_pool(PoolConfig::tollgate(OTHER_POOL)),
        WrongSetting::PricesLost | WrongSetting::Demoted => seen,
    }
}
