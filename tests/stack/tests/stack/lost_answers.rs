//! What is done though its answer is lost, when the client itself repeats the request.

use jiff::SignedDuration;
use tollgate_core::ledger::{Claim, Commit, CommitResult};
use tollgate_core::ports::Ledger;
use tollgate_events::AccountId;
use tollgate_local::faults::{Fault, Faults};

use crate::shop::{Conditions, Shop, Told, on};
use tollgate_standin::calls::Service;

/// Two keys for one account would be paid for by one and used by anybody: whatever is
/// lost on the way, one is made.
#[tokio::test]
async fn a_key_is_minted_once_whatever_is_lost() -> Told {
    use Fault::{Cut, Failed, Lost, Throttled};
    // A write is tried once, a look three times: whether there is a key is never guessed.
    let ways: [&[Fault]; 5] = [
        &[Lost],
        &[Lost, Lost],
        &[Cut, Lost],
        &[Failed, Throttled, Lost],
        &[Lost, Throttled, Lost],
    ];
    for way in ways {
        let faults = Faults::default();
        let shop = Shop::open_in(&Conditions::Faulty(faults.clone())).await?;
        faults.order(Service::ApiGateway, way);
        let ann = shop.sign_up("ann").await?;
        assert_eq!(ann.seen().await?, on("free"), "{way:?}");
        assert_eq!(faults.tally().values().sum::<usize>(), way.len(), "{way:?}");
        let keys = shop.stack.world.api_gateway.scene(|model, _| model.keys().count());
        assert_eq!(keys, 1, "{way:?}");
        let calls = shop.stack.world.calls.take();
        let reached = calls.iter().filter(|call| call.operation == "CreateApiKey").count();
        assert_eq!(reached, 1, "{way:?}");
        shop.holds().await?;
    }
    Ok(())
}

/// A claim that is repeated finds itself, and not a lease of somebody else's; a commit
/// that is repeated is not fenced by itself.
#[tokio::test]
async fn a_claim_and_a_commit_recognise_themselves() -> Told {
    let faults = Faults::default();
    let shop = Shop::open_in(&Conditions::Faulty(faults.clone())).await?;
    let (ledger, id) = (&shop.stack.functions().ledger, AccountId::parse("sub-1")?);
    let until = shop.now() + SignedDuration::from_mins(1);
    faults.order(Service::DynamoDb, &[Fault::Lost, Fault::Lost]);
    let Claim::Taken { account } = ledger.claim(&id, shop.now(), until).await? else {
        panic!("it was refused for its own lease");
    };
    assert_eq!((account.epoch, account.open), (1, false));

    let mut account = *account;
    account.open = false;
    account.lease_until = None;
    account.commit_id = Some("commit-1".into());
    let commit = Commit::of(account);
    faults.order(Service::DynamoDb, &[Fault::Lost, Fault::Lost]);
    assert_eq!(ledger.commit(&commit).await?, CommitResult::Committed);
    assert_eq!(faults.tally(), [((Service::DynamoDb, Fault::Lost), 4)].into());
    Ok(())
}
