//! Disputes, inquiries and early fraud warnings.

use crate::shop::{Conditions, Shop, Told, locked, on};

/// An open dispute holds the key; won, it comes back.
pub(super) async fn a_dispute_holds_the_key_until_it_is_won(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("pro").await?;
    let payer = ann.payer();
    let dispute = shop.stripe().open_dispute(&payer)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, locked("pro", "held"));
    shop.stripe().submit_evidence(&dispute)?;
    shop.days(2).await?;
    assert_eq!(ann.seen().await?, locked("pro", "held"));
    shop.stripe().close_dispute(&dispute, true)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    shop.holds().await
}

/// A lost one holds it for good, whatever is paid later.
pub(super) async fn a_lost_dispute_holds_the_key_for_good(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("pro").await?;
    let payer = ann.payer();
    let dispute = shop.stripe().open_dispute(&payer)?;
    shop.settle().await?;
    shop.stripe().close_dispute(&dispute, false)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, locked("pro", "held"));
    shop.days(40).await?;
    assert_eq!(ann.seen().await?, locked("pro", "held"));
    assert!(ann.reason().await?.contains(&dispute));
    shop.holds().await
}

/// An inquiry and an early fraud warning change nothing; a chargeback of it does.
pub(super) async fn an_inquiry_and_a_fraud_warning_change_nothing(conditions: Conditions) -> Told {
    let shop = Shop::open_in(&conditions).await?;
    let mut ann = shop.sign_up("ann").await?;
    ann.buys("pro").await?;
    let (payer, before) = (ann.payer(), ann.account().await?.access);
    shop.stripe().warn_of_fraud(&payer)?;
    let inquiry = shop.stripe().open_inquiry(&payer)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, on("pro"));
    assert_eq!(ann.account().await?.access, before);
    for kind in ["radar.early_fraud_warning.created", "charge.dispute.created"] {
        assert_eq!(shop.record(kind).await?.record.outcome.as_str(), "unchanged", "{kind}");
    }
    shop.stripe().escalate_inquiry(&inquiry)?;
    shop.settle().await?;
    assert_eq!(ann.seen().await?, locked("pro", "held"));
    shop.holds().await
}
