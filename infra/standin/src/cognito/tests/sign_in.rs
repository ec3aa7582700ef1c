//! Signing in, tokens, and what a failing trigger does to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;

const CLIENT: &str = "tollgate-local";

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// A pool with Ada, confirmed, and her password.
fn with_ada(clock: &VirtualClock) -> CognitoStandin {
    let pool = CognitoStandin::new(clock.clone(), Calls::default(), config()).unwrap();
    pool.sign_up_confirmed("ada", "a@example.com").unwrap();
    pool.set_password("ada", secret("correct horse")).unwrap();
    pool.take_triggers();
    pool
}

async fn tokens(pool: &CognitoStandin) -> Tokens {
    match pool.sign_in_with_password(CLIENT, "ada", &secret("correct horse")).await.unwrap() {
        SignIn::Tokens(tokens) => tokens,
        SignIn::NewPassword { .. } => panic!("Ada has a password of her own"),
    }
}

/// A function that counts its calls and does what a test wants.
struct Function<F>(Arc<AtomicUsize>, F);

impl<F: Fn(usize, Value) -> Result<Value, String> + Send + Sync> Triggers for Function<F> {
    fn invoke<'a>(&'a self, _trigger: &'a str, event: Value) -> TriggerFuture<'a> {
        let call = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move { (self.1)(call, event) })
    }
}

fn function<F>(pool: &CognitoStandin, act: F) -> Arc<AtomicUsize>
where
    F: Fn(usize, Value) -> Result<Value, String> + Send + Sync + 'static,
{
    let calls = Arc::<AtomicUsize>::default();
    pool.set_triggers(Arc::new(Function(calls.clone(), act)));
    calls
}

#[tokio::test]
async fn an_id_token_holds_the_attributes_as_of_its_issue() {
    let clock = clock();
    let pool = with_ada(&clock);
    let first = tokens(&pool).await;
    pool.write("ada", set(&[("custom:plan", "pro"), ("custom:apiid", "key1")])).unwrap();
    clock.advance(SignedDuration::from_secs(60));
    let refresh = first.refresh_token.as_deref().unwrap();
    let second = pool.sign_in_with_refresh_token(CLIENT, refresh).await.unwrap();

    let before = pool.verify_id_token(&first.id_token).unwrap().all;
    let after = pool.verify_id_token(&second.id_token).unwrap();
    assert_eq!(before.get("custom:plan"), None);
    assert_eq!(after.all["custom:plan"], "pro");
    assert_eq!(after.all["custom:apiid"], "key1");
    assert_eq!(after.all["auth_time"], before["auth_time"]);
    assert_eq!(after.all["iat"], 1_700_000_060);
    assert_eq!(after.all["exp"], 1_700_003_660);
    assert_eq!(after.sub, pool.users()[0].sub);
    for (name, value) in [
        ("cognito:username", json!("ada")),
        ("email", json!("a@example.com")),
        ("email_verified", json!(true)),
        ("aud", json!(CLIENT)),
        ("token_use", json!("id")),
        ("iss", json!(format!("https://cognito-idp.eu-central-1.amazonaws.com/{POOL}"))),
    ] {
        assert_eq!(after.all[name], value, "{name}");
    }
    assert_eq!(second.refresh_token, None);
}

#[tokio::test]
async fn a_token_is_refused_unless_everything_about_it_is_right() {
    let clock = clock();
    let pool = with_ada(&clock);
    let tokens = tokens(&pool).await;
    let id = tokens.id_token.as_str();
    assert_eq!(pool.verify_id_token(&tokens.access_token), Err(TokenError::Use));
    assert_eq!(pool.verify_id_token("a.b"), Err(TokenError::Malformed));
    assert_eq!(pool.verify_id_token(""), Err(TokenError::Malformed));
    assert_eq!(with_ada(&clock).verify_id_token(id), Err(TokenError::Signature));

    let (text, signature) = id.rsplit_once('.').unwrap();
    let (header, claims) = text.split_once('.').unwrap();
    let mut flipped = claims.to_owned().into_bytes();
    flipped[20] ^= 1;
    let forged = format!("{header}.{}.{signature}", String::from_utf8(flipped).unwrap());
    assert_eq!(pool.verify_id_token(&forged), Err(TokenError::Signature));

    pool.set_endpoint("http://127.0.0.1:1");
    assert_eq!(pool.verify_id_token(id), Err(TokenError::Issuer));
    pool.set_endpoint("https://cognito-idp.eu-central-1.amazonaws.com");
    clock.advance(SignedDuration::from_secs(3599));
    assert!(pool.verify_id_token(id).is_ok());
    clock.advance(SignedDuration::from_secs(1));
    assert_eq!(pool.verify_id_token(id), Err(TokenError::Expired));
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    use base64::Engine as _;
    let clock = clock();
    let pool = with_ada(&clock);
    let id = tokens(&pool).await.id_token;
    let claims = id.split('.').nth(1).unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let forged = format!("{header}.{claims}.");
    assert_eq!(pool.verify_id_token(&forged), Err(TokenError::Malformed));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_alike() {
    let pool = with_ada(&clock());
    for name in ["ada", "nobody"] {
        let refused = pool.sign_in_with_password(CLIENT, name, &secret("wrong")).await.unwrap_err();
        assert_eq!(refused.code, Code::NotAuthorized);
        assert_eq!(refused.message, "Incorrect username or password.");
    }
    assert!(pool.take_triggers().is_empty());
}

#[tokio::test]
async fn a_user_of_an_administrator_must_change_the_password_first() {
    let pool = pool();
    let temporary = secret("temporary");
    pool.admin_create("bob", Some(temporary.clone()), set(&[])).unwrap();
    let challenged = pool.sign_in_with_password(CLIENT, "bob", &temporary).await.unwrap();
    let SignIn::NewPassword { session, .. } = challenged else { panic!("{challenged:?}") };
    assert!(pool.take_triggers().is_empty(), "the sign-in has not happened yet");
    let own = || secret("my own password");
    let stolen = pool.answer_new_password(CLIENT, "x", "bob", own()).await.unwrap_err();
    assert_eq!(stolen.code, Code::NotAuthorized);
    pool.answer_new_password(CLIENT, &session, "bob", own()).await.unwrap();
    assert_eq!(
        sources(&pool.take_triggers()),
        ["PostAuthentication_Authentication", "TokenGeneration_NewPasswordChallenge"]
    );
    let reused = pool.answer_new_password(CLIENT, &session, "bob", own()).await.unwrap_err();
    assert_eq!(reused.code, Code::NotAuthorized);
    assert!(matches!(
        pool.sign_in_with_password(CLIENT, "bob", &own()).await,
        Ok(SignIn::Tokens(_))
    ));
}

#[tokio::test]
async fn a_refresh_token_ends_with_the_user_the_sign_out_or_30_days() {
    let clock = clock();
    let pool = with_ada(&clock);
    let refresh = tokens(&pool).await.refresh_token.unwrap();
    clock.advance(SignedDuration::from_hours(30 * 24));
    assert!(pool.sign_in_with_refresh_token(CLIENT, &refresh).await.is_ok());
    clock.advance(SignedDuration::from_secs(1));
    assert!(pool.sign_in_with_refresh_token(CLIENT, &refresh).await.is_err());

    let refresh = tokens(&pool).await.refresh_token.unwrap();
    pool.disable_user("ada").unwrap();
    pool.enable_user("ada").unwrap();
    assert!(pool.sign_in_with_refresh_token(CLIENT, &refresh).await.is_err());

    let refresh = tokens(&pool).await.refresh_token.unwrap();
    pool.delete_user("ada").unwrap();
    pool.sign_up_confirmed("ada", "a@example.com").unwrap();
    assert!(pool.sign_in_with_refresh_token(CLIENT, &refresh).await.is_err());
}

#[tokio::test]
async fn a_trigger_that_fails_three_times_fails_the_sign_in() {
    let pool = with_ada(&clock());
    let calls = function(&pool, |_, _| Err("boom".into()));
    let refused =
        pool.sign_in_with_password(CLIENT, "ada", &secret("correct horse")).await.unwrap_err();
    assert_eq!(refused.code, Code::UserLambdaValidation);
    assert_eq!(refused.message, "PostAuthentication failed with error boom.");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_trigger_that_answers_at_the_third_try_is_enough() {
    let pool = with_ada(&clock());
    let calls =
        function(&pool, |call, event| if call < 3 { Err("late".into()) } else { Ok(event) });
    tokens(&pool).await;
    assert_eq!(calls.load(Ordering::SeqCst), 4, "three for one trigger, one for the next");
}

#[tokio::test]
async fn a_trigger_must_echo_its_event() {
    let pool = with_ada(&clock());
    let calls = function(&pool, |_, mut event| {
        event.as_object_mut().unwrap().remove("callerContext");
        Ok(event)
    });
    let refused =
        pool.sign_in_with_password(CLIENT, "ada", &secret("correct horse")).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidLambdaResponse);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_trigger_writes_is_in_the_tokens() {
    let pool = with_ada(&clock());
    let inner = pool.clone();
    function(&pool, move |_, event| {
        inner.write("ada", set(&[("custom:plan", "free")])).unwrap();
        Ok(event)
    });
    let id_token = tokens(&pool).await.id_token;
    assert_eq!(pool.verify_id_token(&id_token).unwrap().all["custom:plan"], "free");
}
