//! The pool's rules through the Rust API; [`http`] has those of the wire.

mod http;
mod sign_in;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;
use crate::calls::Calls;
use crate::clock::VirtualClock;

const POOL: &str = "eu-central-1_AbCdEf";

fn config() -> PoolConfig {
    PoolConfig::tollgate(POOL)
}

fn clock() -> VirtualClock {
    VirtualClock::starting_at(Timestamp::from_second(1_700_000_000).unwrap())
}

fn pool_of(config: PoolConfig) -> CognitoStandin {
    CognitoStandin::new(clock(), Calls::default(), config).unwrap()
}

fn pool() -> CognitoStandin {
    pool_of(config())
}

fn set(attributes: &[(&str, &str)]) -> BTreeMap<String, String> {
    attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn sources(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["triggerSource"].as_str().unwrap()).collect()
}

#[test]
fn a_pool_takes_at_most_50_custom_attributes_with_names_of_at_most_20_characters() {
    let with = |names: Vec<String>| {
        let custom = names.into_iter().map(|name| CustomAttribute { name, mutable: true });
        let config = PoolConfig { custom: custom.collect(), ..config() };
        CognitoStandin::new(clock(), Calls::default(), config).is_ok()
    };
    assert!(with((0..50).map(|n| format!("a{n}")).collect()));
    assert!(!with((0..51).map(|n| format!("a{n}")).collect()));
    assert!(with(vec!["x".repeat(20)]));
    assert!(!with(vec!["x".repeat(21)]));
    assert!(!with(vec![String::new()]));
    assert!(!with(vec!["twice".into(), "twice".into()]));
}

#[test]
fn the_schema_refuses_what_it_does_not_define_or_let_change() {
    let mut config = config();
    config.custom.push(CustomAttribute { name: "fixed".into(), mutable: false });
    let pool = pool_of(config);
    pool.sign_up_confirmed("ada", "ada@example.com").unwrap();
    let refused = |name: &str, value: &str| pool.write("ada", set(&[(name, value)])).unwrap_err();
    for (name, value, message) in [
        ("custom:none", "x", "user.custom:none: Attribute does not exist in the schema.\n"),
        ("plan", "x", "user.plan: Attribute does not exist in the schema.\n"),
        ("custom:fixed", "x", "user.custom:fixed: Attribute cannot be updated.\n"),
        ("sub", "x", "user.sub: Attribute cannot be updated.\n"),
    ] {
        let error = refused(name, value);
        assert_eq!((error.code, error.message.as_str()), (Code::InvalidParameter, message));
    }
    assert_eq!(refused("custom:plan", &"x".repeat(2049)).code, Code::InvalidParameter);
    pool.write("ada", set(&[("custom:plan", &"x".repeat(2048))])).unwrap();
}

#[test]
fn a_refused_write_changes_nothing() {
    let pool = pool();
    let id = pool.sign_up_confirmed("ada", "ada@example.com").unwrap();
    pool.write("ada", set(&[("custom:plan", "pro"), ("custom:none", "x")])).unwrap_err();
    assert_eq!(pool.user_by_sub(&id).unwrap().attribute("custom:plan"), None);
}

#[test]
fn a_sub_works_as_a_user_name_for_local_users_only() {
    let pool = pool();
    let local = pool.sign_up_confirmed("ada", "ada@example.com").unwrap();
    let federated = pool.federated_sign_in("Google", "123", "bob@example.com").unwrap();
    pool.write(local.as_str(), set(&[("custom:plan", "pro")])).unwrap();
    let refused = pool.write(federated.as_str(), set(&[("custom:plan", "pro")])).unwrap_err();
    assert_eq!(refused.code, Code::UserNotFound);
    pool.write("Google_123", set(&[("custom:plan", "pro")])).unwrap();
}

#[test]
fn where_emails_are_user_names_the_user_name_is_the_sub() {
    let pool = pool_of(PoolConfig { email_as_username: true, ..config() });
    let id = pool.sign_up_confirmed("ada@example.com", "ada@example.com").unwrap();
    assert_eq!(pool.user_by_sub(&id).unwrap().username, id.as_str());
    pool.write("ada@example.com", set(&[("custom:plan", "pro")])).unwrap();
    let taken = pool.sign_up_confirmed("ada@example.com", "ada@example.com").unwrap_err();
    assert_eq!(taken.code, Code::UsernameExists);
    let no_email = pool.sign_up_confirmed("ada", "ada@example.com").unwrap_err();
    assert_eq!(no_email.code, Code::InvalidParameter);
}

#[test]
fn subs_differ_between_users_and_repeat_between_runs() {
    let run = || {
        let pool = pool();
        ["ada", "bob"].map(|name| pool.sign_up_confirmed(name, "x@example.com").unwrap())
    };
    let [ada, bob] = run();
    assert_ne!(ada, bob);
    assert_eq!(run(), [ada, bob]);
}

#[test]
fn triggers_come_due_as_cognito_fires_them() {
    let pool = pool();
    let due = |act: &dyn Fn()| {
        act();
        sources(&pool.take_triggers()).join(" ")
    };
    let google = || drop(pool.federated_sign_in("Google", "1", "g@example.com").unwrap());
    let sign_in = |name: &'static str| move |pool: &CognitoStandin| pool.sign_in(name).unwrap();
    assert_eq!(
        due(&|| drop(pool.sign_up_confirmed("ada", "a@example.com").unwrap())),
        "PostConfirmation_ConfirmSignUp"
    );
    assert_eq!(
        due(&|| sign_in("ada")(&pool)),
        "PostAuthentication_Authentication TokenGeneration_Authentication"
    );
    assert_eq!(due(&|| pool.refresh("ada").unwrap()), "TokenGeneration_RefreshTokens");
    assert_eq!(due(&|| drop(pool.admin_create_user("bob", "b@example.com").unwrap())), "");
    assert_eq!(
        due(&|| sign_in("bob")(&pool)),
        "PostAuthentication_Authentication TokenGeneration_NewPasswordChallenge"
    );
    assert_eq!(
        due(&|| sign_in("bob")(&pool)),
        "PostAuthentication_Authentication TokenGeneration_Authentication"
    );
    assert_eq!(due(&google), "PostConfirmation_ConfirmSignUp");
    assert_eq!(due(&google), "PostAuthentication_Authentication TokenGeneration_HostedAuth");
    assert_eq!(due(&|| pool.delete_user("ada").unwrap()), "");
}

#[test]
fn a_trigger_without_a_function_does_not_fire() {
    let triggers = TriggerConfig {
        post_confirmation: true,
        post_authentication: false,
        pre_token_generation: None,
    };
    let pool = pool_of(PoolConfig { triggers, ..config() });
    pool.sign_up_confirmed("ada", "a@example.com").unwrap();
    pool.sign_in("ada").unwrap();
    assert_eq!(sources(&pool.take_triggers()), ["PostConfirmation_ConfirmSignUp"]);
}

#[test]
fn a_trigger_event_names_the_pool_the_user_and_the_attributes() {
    let pool = pool();
    let id = pool.sign_up_confirmed("ada", "a@example.com").unwrap();
    pool.write("ada", set(&[("custom:plan", "free")])).unwrap();
    pool.take_triggers();
    pool.sign_in("ada").unwrap();
    let event = &pool.take_triggers()[0];
    assert_eq!(event["version"], "1");
    assert_eq!(event["region"], "eu-central-1");
    assert_eq!(event["userPoolId"], POOL);
    assert_eq!(event["userName"], "ada");
    assert_eq!(event["callerContext"]["clientId"], "tollgate-local");
    let attributes = &event["request"]["userAttributes"];
    assert_eq!(attributes["sub"], id.as_str());
    assert_eq!(attributes["email"], "a@example.com");
    assert_eq!(attributes["cognito:user_status"], "CONFIRMED");
    assert_eq!(attributes["custom:plan"], "free");
    assert_eq!(event["response"], serde_json::json!({}));
}

#[test]
fn token_events_have_the_version_that_is_configured() {
    for (configured, version, scopes, response) in [
        (TokenEvent::V1, "1", false, "claimsOverrideDetails"),
        (TokenEvent::V2, "2", true, "claimsAndScopeOverrideDetails"),
        (TokenEvent::V3, "3", true, "claimsAndScopeOverrideDetails"),
    ] {
        let mut config = config();
        config.triggers.pre_token_generation = Some(configured);
        let pool = pool_of(config);
        pool.sign_up_confirmed("ada", "a@example.com").unwrap();
        pool.refresh("ada").unwrap();
        let event = &pool.take_triggers()[1];
        assert_eq!(event["version"], version);
        assert_eq!(event["request"]["scopes"].is_array(), scopes);
        assert!(event["request"]["groupConfiguration"].is_object());
        assert!(event["response"].as_object().unwrap().contains_key(response));
    }
}

#[test]
fn a_disabled_user_cannot_sign_in_until_enabled() {
    let pool = pool();
    pool.sign_up_confirmed("ada", "a@example.com").unwrap();
    pool.federated_sign_in("Google", "1", "g@example.com").unwrap();
    pool.disable_user("ada").unwrap();
    pool.disable_user("Google_1").unwrap();
    assert_eq!(pool.sign_in("ada").unwrap_err().code, Code::NotAuthorized);
    let google = pool.federated_sign_in("Google", "1", "g@example.com").unwrap_err();
    assert_eq!(google.code, Code::NotAuthorized);
    pool.enable_user("ada").unwrap();
    pool.sign_in("ada").unwrap();
}

#[test]
fn cloudtrail_records_who_by_sub_and_hides_the_name() {
    let pool = pool();
    let id = pool.sign_up_confirmed("ada-lovelace", "ada@example.com").unwrap();
    pool.disable_user("ada-lovelace").unwrap();
    pool.enable_user("ada-lovelace").unwrap();
    pool.delete_user("ada-lovelace").unwrap();
    let records = pool.take_cloudtrail();
    let names: Vec<&str> =
        records.iter().map(|it| it["detail"]["eventName"].as_str().unwrap()).collect();
    assert_eq!(names, ["AdminDisableUser", "AdminEnableUser", "AdminDeleteUser"]);
    for record in &records {
        assert_eq!(record["source"], "aws.cognito-idp");
        assert_eq!(record["detail-type"], "AWS API Call via CloudTrail");
        let detail = &record["detail"];
        assert_eq!(detail["additionalEventData"]["sub"], id.as_str());
        assert_eq!(detail["requestParameters"]["userPoolId"], POOL);
        assert_eq!(detail["eventTime"], "2023-11-14T22:13:20Z");
        assert!(!record.to_string().contains("ada"));
    }
    assert_ne!(records[0]["detail"]["eventID"], records[1]["detail"]["eventID"]);
    assert!(pool.take_cloudtrail().is_empty());
}

#[test]
fn a_user_who_deletes_themselves_is_recorded_without_the_pool() {
    let pool = pool();
    let id = pool.sign_up_confirmed("ada", "ada@example.com").unwrap();
    pool.delete_self("ada").unwrap();
    let record = &pool.take_cloudtrail()[0]["detail"];
    assert_eq!(record["eventName"], "DeleteUser");
    assert_eq!(record["additionalEventData"]["sub"], id.as_str());
    assert_eq!(record["requestParameters"].get("userPoolId"), None);
    assert!(pool.user_by_sub(&id).is_none());
}
