//! What `cargo local` prints: where everything is, and a first walk through it.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::stack::Stack;

/// The URLs, and commands to paste.
///
/// # Errors
/// Never: a string takes whatever is written to it.
pub fn guide(stack: &Stack) -> Result<String, std::fmt::Error> {
    let urls = &stack.urls;
    let mut text = String::new();
    writeln!(text, "Tollgate runs on this machine until Ctrl-C; nothing is kept.\n")?;
    writeln!(text, "  The page       {}/   sign up, choose a plan, get the key\n", urls.tollgate)?;
    writeln!(text, "  Tollgate       {}   /webhook, /account, /account/keys, …", urls.tollgate)?;
    writeln!(text, "  protected API  {}   GET /prod/hello with x-api-key", urls.api)?;
    writeln!(text, "  Stripe         {}   API, checkout and portal pages", urls.stripe)?;
    writeln!(text, "  AWS            {}   AWS_ENDPOINT_URL for SDK and command line", urls.aws)?;
    let [sign_up, code, buy] = walk(stack);
    writeln!(
        text,
        "\nOpen the page in a browser. The same by hand (needs curl and jq), in another terminal: ann signs up:\n"
    )?;
    writeln!(text, "{sign_up}")?;
    writeln!(text, "The code of Cognito's mail to her is printed below. Put it here:\n")?;
    writeln!(text, "{code}")?;
    writeln!(text, "Then she has a key, calls the API, and is sent to Stripe to buy a plan:\n")?;
    writeln!(text, "{buy}")?;
    Ok(text)
}

/// A sign-up, the code of its mail, and a key and a purchase: commands to paste, for any POSIX
/// shell. Each part may be pasted at once: none reads what a person types.
pub fn walk(stack: &Stack) -> [String; 3] {
    let (aws, tollgate, api) = (&stack.urls.aws, &stack.urls.tollgate, &stack.urls.api);
    let sign_up = format!(
        r#"  cognito() {{ curl -s {aws} -H "x-amz-target: AWSCognitoIdentityProviderService.$1" \
    -H 'content-type: application/x-amz-json-1.1' -d "$2"; }}
  cognito SignUp '{{"ClientId":"tollgate-local","Username":"ann","Password":"Correct-horse-7",
    "UserAttributes":[{{"Name":"email","Value":"ann@example.com"}}]}}'
"#
    );
    let buy = format!(
        r#"  cognito ConfirmSignUp '{{"ClientId":"tollgate-local","Username":"ann","ConfirmationCode":"'"$CODE"'"}}'
  TOKEN=$(cognito InitiateAuth '{{"ClientId":"tollgate-local","AuthFlow":"USER_PASSWORD_AUTH",
    "AuthParameters":{{"USERNAME":"ann","PASSWORD":"Correct-horse-7"}}}}' | jq -r .AuthenticationResult.IdToken)
  until curl -s {tollgate}/account -H "authorization: Bearer $TOKEN" | jq -e 'select(.plan)'; do sleep 1; done
  KEY=$(curl -s {tollgate}/account/keys/default/value -H "authorization: Bearer $TOKEN" | jq -r .value)
  curl -si {api}/prod/hello -H "x-api-key: $KEY"
  curl -s {tollgate}/account/plan -H "authorization: Bearer $TOKEN" -d '{{"plan":"pro"}}' | jq -r .url
"#
    );
    [sign_up, "  CODE=123456\n".to_owned(), buy]
}

/// The mails that Cognito would have sent since: one line for each code.
pub fn mails(stack: &Stack, sent: &mut BTreeSet<(String, String)>) -> Vec<String> {
    let users = stack.world.cognito.users().into_iter().map(|user| user.username);
    let codes = users.filter_map(|name| Some((name.clone(), stack.world.cognito.code(&name)?)));
    let new: Vec<_> = codes.filter(|mail| sent.insert(mail.clone())).collect();
    new.iter().map(|(name, code)| format!("mail to {name}: your code is {code}")).collect()
}
