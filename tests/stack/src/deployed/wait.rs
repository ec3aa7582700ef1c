//! Waiting for what happens by itself: look, and look again, until it is there.
//!
//! There is no fixed sleep and no measuring of time; only a time after which nobody waits
//! any longer, generous enough for a busy machine.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{sleep, timeout};

/// After this nothing is waited for any longer.
const GIVE_UP: Duration = Duration::from_secs(180);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks until there is something.
///
/// # Errors
/// The look fails, or there is nothing for too long; then `what` says what was waited for.
pub async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let looking = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            sleep(PAUSE).await;
        }
    };
    match timeout(GIVE_UP, looking).await {
        Ok(found) => found,
        Err(_elapsed) => bail!("waited {} s in vain until {what}", GIVE_UP.as_secs()),
    }
}
