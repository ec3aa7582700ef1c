//! A chapter is played twice: as it is, and with an older backup of the table restored in its
//! middle. Both plays are one story; here is what the second has beside it.
//!
//! There the ledger is backed up, and life goes on ([`Forgotten`]). Then, between two of the
//! chapter's commands, the backup is restored. The operator turns to the chapter of the restored
//! backup, and then ends the one that was interrupted. Where that chapter cannot be followed while
//! something else is wrong, it has to wait until the interrupted one has mended it.

use anyhow::Context;

use super::backup::{RESTORED, follows_the_chapter};
use super::book::Responder;
use super::ends_well;
use super::forgotten::Forgotten;
use crate::shop::{SeenUser, Shop, Told};

/// How a chapter is played.
pub(super) struct Play(Option<Interruption>);

/// What the second play has, and how far it is.
struct Interruption {
    forgotten: Option<Forgotten>,
    reached: Reached,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Nothing,
    Restored,
    Followed,
    End,
}

impl Play {
    /// The chapter as it is.
    pub(super) fn plain() -> Self {
        Self(None)
    }

    /// The chapter with a backup restored in its middle.
    pub(super) fn with_a_backup() -> Self {
        Self(Some(Interruption { forgotten: None, reached: Reached::Nothing }))
    }

    /// What differs: the first in the plain play, the second in the other.
    pub(super) fn either<T>(&self, plain: T, restored: T) -> T {
        if self.0.is_some() { restored } else { plain }
    }

    /// In the other play a command finds its work done, and says so in these words; in the plain
    /// one there was something to do.
    pub(super) fn finds_it_done(&self, told: &str, words: &str) {
        assert_eq!(told.contains(words), self.either(false, true), "{told}");
    }

    /// In the other play, the ledger is backed up.
    pub(super) async fn backs_up(&mut self, shop: &Shop) -> Told {
        let Some(play) = &mut self.0 else { return Ok(()) };
        // Boxed, here and below: each story holds one of each of these.
        play.forgotten = Some(Box::pin(Forgotten::after_a_backup(shop)).await?);
        Ok(())
    }

    /// In the other play, here happens what the backup does not know.
    pub(super) async fn lives_on(&mut self, shop: &Shop) -> Told {
        let Some(play) = &mut self.0 else { return Ok(()) };
        Box::pin(play.forgotten()?.lives_on(shop)).await
    }

    /// Both of these.
    pub(super) async fn backs_up_and_lives_on(&mut self, shop: &Shop) -> Told {
        self.backs_up(shop).await?;
        self.lives_on(shop).await
    }

    /// In the other play, this is how one of them has to look from now on.
    pub(super) fn expects(&mut self, name: &str, in_the_end: SeenUser) -> Told {
        let Some(play) = &mut self.0 else { return Ok(()) };
        play.forgotten()?.expects(name, in_the_end)
    }

    /// In the other play, somebody restores the backup here, between two of the commands.
    pub(super) async fn restores(&mut self, shop: &Shop, responder: &Responder<'_>) -> Told {
        let Some(play) = &mut self.0 else { return Ok(()) };
        responder.is_in_the_middle();
        play.goes_from(Reached::Nothing, Reached::Restored);
        Box::pin(play.forgotten()?.is_forgotten(shop)).await
    }

    /// In the other play, the chapter of the restored backup cannot be followed yet, and says why.
    pub(super) async fn cannot_rebuild(&self, responder: &Responder<'_>, exit: u8, why: &str) {
        if self.0.is_none() {
            return;
        }
        let mut early = responder.turns_to(RESTORED);
        early.does_by_hand("infra/deploy shop");
        early.runs("doctor").await;
        early.runs("reconcile").await;
        let said = early.runs("reconcile --rebuild").await;
        assert!(said.exit == exit && said.err.contains(why), "{said:?}");
    }

    /// In the other play, the operator follows the chapter of the restored backup here, to its end.
    pub(super) async fn follows(&mut self, shop: &Shop, responder: &Responder<'_>) -> Told {
        self.follows_but(shop, responder, None).await
    }

    /// The same, but its last command names a difference that only a person can settle.
    pub(super) async fn follows_but(
        &mut self,
        shop: &Shop,
        responder: &Responder<'_>,
        left: Option<&str>,
    ) -> Told {
        let Some(play) = &mut self.0 else { return Ok(()) };
        responder.is_in_the_middle();
        play.goes_from(Reached::Restored, Reached::Followed);
        let forgotten = play.forgotten()?;
        let chapter = responder.turns_to(RESTORED).knows("FROM", &forgotten.from);
        Box::pin(follows_the_chapter(shop, chapter, left)).await?;
        Box::pin(forgotten.is_as_it_was(shop)).await
    }

    /// Restored, and followed at once.
    pub(super) async fn is_interrupted(&mut self, shop: &Shop, responder: &Responder<'_>) -> Told {
        self.restores(shop, responder).await?;
        self.follows(shop, responder).await
    }

    /// Every invariant holds but the one of this number. In the other play everybody of whom the
    /// backup did not know has what they pay for, and the records since it are gone (the third).
    pub(super) async fn ends_well(&mut self, shop: &Shop, but: &str) -> Told {
        let Some(play) = &mut self.0 else { return ends_well(shop, but).await };
        play.goes_from(Reached::Followed, Reached::End);
        let forgotten = play.forgotten()?;
        Box::pin(forgotten.is_as_it_was(shop)).await?;
        Box::pin(forgotten.is_explained(shop)).await?;
        Box::pin(ends_well(shop, "3")).await?;
        Box::pin(forgotten.is_as_it_was(shop)).await
    }

    /// The story had its backup restored in it, and its end.
    pub(super) fn was_played(&self) {
        assert!(self.0.as_ref().is_none_or(|play| play.reached == Reached::End), "not to its end");
    }
}

impl Interruption {
    fn goes_from(&mut self, before: Reached, after: Reached) {
        assert_eq!(self.reached, before, "before {after:?}");
        self.reached = after;
    }

    fn forgotten(&mut self) -> anyhow::Result<&mut Forgotten> {
        self.forgotten.as_mut().context("it was backed up")
    }
}
