//! A backup, and all that it does not know: what operators and customers have done since.

use std::collections::BTreeSet;

use anyhow::Context;
use tollgate_events::AccountId;
use tollgate_standin::stripe::When;

use super::backup::{Backup, Standing, keys};
use super::does;
use crate::shop::{Person, SeenUser, Shop, Told, closed, locked, on};

pub(super) struct Forgotten {
    backup: Backup,
    /// When it was taken.
    pub(super) from: String,
    people: Vec<KnownUser>,
    /// The subscription of her who came after it.
    newcomers: String,
}

/// Somebody of whose newest days the backup does not know.
struct KnownUser {
    name: &'static str,
    id: AccountId,
    key: String,
    in_the_end: SeenUser,
}

impl Forgotten {
    /// Some people come, two of them pay, and the ledger is backed up.
    pub(super) async fn after_a_backup(shop: &Shop) -> anyhow::Result<Self> {
        let mut people = Vec::new();
        for (name, in_the_end) in [
            ("oda", locked("basic", "held")),
            ("pam", on("free")),
            ("rob", on("free")),
            ("sue", closed()),
            ("tom", on("basic")),
        ] {
            // One after the other: together they would have to wait for their keys.
            shop.minutes(1).await?;
            people.push(KnownUser::of(shop.sign_up(name).await?, in_the_end));
        }
        shop.welcome("oda").await?.buys("basic").await?;
        shop.welcome("rob").await?.buys("pro").await?;
        shop.minutes(10).await?;
        let (backup, from) = (Backup::of(shop).await?, shop.now().to_string());
        Ok(Self { backup, from, people, newcomers: String::new() })
    }

    /// One is held, one has another key, one is closed, one has a grant, one cancels, one comes.
    pub(super) async fn lives_on(&mut self, shop: &Shop) -> Told {
        for act in [
            "account hold oda@example.com --why abuse",
            "account rotate-key pam@example.com --overlap 0s --why leaked",
            "account close sue@example.com --why fraud",
            "account grant tom@example.com basic --why friend",
        ] {
            does(shop, act).await?;
        }
        let key = shop.welcome("pam").await?.key;
        self.known("pam")?.key = key;
        let left = shop.welcome("rob").await?.subscription()?;
        shop.stripe().cancel(&left, When::Now)?;
        let mut uma = shop.sign_up("uma").await?;
        self.newcomers = uma.buys("basic").await?;
        // She switches, when the ledger has forgotten her.
        self.people.push(KnownUser::of(uma, on("pro")));
        Ok(())
    }

    /// The backup is restored, and for an hour nobody sees to it. What the ledger has forgotten is
    /// not undone.
    pub(super) async fn is_forgotten(&self, shop: &Shop) -> Told {
        let before = self.keys(shop);
        self.backup.restore(shop).await?;
        let pro = shop.price("pro_monthly");
        shop.stripe().change_price(&self.newcomers, &pro)?;
        shop.hours(1).await?;
        // It may refuse: what the chapter is about may still be wrong.
        drop(shop.stack.compare().await);
        shop.settle().await?;
        assert_eq!(self.keys(shop), before, "none is made, deleted, enabled or moved");
        Ok(())
    }

    /// Everybody has what they pay for, with the key that they had; and nobody is served whom an
    /// operator has held or closed.
    pub(super) async fn is_as_it_was(&self, shop: &Shop) -> Told {
        for known in &self.people {
            let seen = shop.seen(&known.id, Some(&known.key)).await?;
            anyhow::ensure!(seen == known.in_the_end, "{}: {seen:?}", known.name);
        }
        Ok(())
    }

    /// Somebody knows what the rebuild's hold and grant stand for, and ends them.
    pub(super) async fn is_explained(&mut self, shop: &Shop) -> Told {
        does(shop, "account release oda@example.com --why paid").await?;
        self.expects("oda", on("basic"))?;
        does(shop, "account revoke-grant tom@example.com basic --why over").await?;
        self.expects("tom", on("free"))?;
        shop.settle().await
    }

    pub(super) fn expects(&mut self, name: &str, in_the_end: SeenUser) -> Told {
        self.known(name)?.in_the_end = in_the_end;
        Ok(())
    }

    fn known(&mut self, name: &str) -> anyhow::Result<&mut KnownUser> {
        self.people.iter_mut().find(|known| known.name == name).context("they are known")
    }

    /// Their keys.
    fn keys(&self, shop: &Shop) -> Vec<Standing> {
        let theirs: BTreeSet<_> = self.people.iter().map(|known| known.id.as_str()).collect();
        keys(shop).into_iter().filter(|key| theirs.contains(key.owner.as_str())).collect()
    }
}

impl KnownUser {
    fn of(person: Person<'_>, in_the_end: SeenUser) -> Self {
        let Person { name, id, key, .. } = person;
        Self { name, id, key, in_the_end }
    }
}
