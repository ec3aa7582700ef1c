//! The demo plays through, and a broken function is noticed.

use tollgate_local::demo;
use tollgate_local::stack::Broken;

#[tokio::test]
async fn the_demo_shows_a_whole_life_and_proves_it() {
    let mut out = Vec::new();
    assert!(demo::run(&mut out, None).await.unwrap());
    let out = String::from_utf8(out).unwrap();
    for told in ["GET /hello", " 403 ", " 200 ", " 409 ", " 429 ", "decision", "holds"] {
        assert!(out.contains(told), "nothing of {told:?} in\n{out}");
    }
    assert!(!out.contains("BROKEN"), "{out}");
}

#[tokio::test]
async fn a_worker_that_does_nothing_is_noticed() {
    assert!(!demo::run(Vec::new(), Some(Broken::Worker)).await.unwrap());
}

#[tokio::test]
async fn a_webhook_that_does_nothing_is_noticed() {
    assert!(!demo::run(Vec::new(), Some(Broken::Webhook)).await.unwrap());
}

#[tokio::test]
async fn an_eventbridge_target_that_does_nothing_is_noticed() {
    assert!(!demo::run(Vec::new(), Some(Broken::Eventbridge)).await.unwrap());
}
