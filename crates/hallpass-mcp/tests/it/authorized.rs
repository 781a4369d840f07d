//! Requests with a session's token, and what follows a challenge.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use hallpass_core::{
    AccessToken, AuthorizeError, Authorizer, BoxFuture, CredentialKey, Diagnostic as _, Grant,
    Issuer, Record, Remedy, ServerMetadata, ServerSettings, ServerUrl, SignIn, State, Timestamp,
    record::GrantKind,
};
use hallpass_mcp::{AuthorizedEndpoint, Error, Interactivity, Request};
use hallpass_session::{Session, SignInRequest};
use hallpass_store::MemoryStore;
use hallpass_testkit::{FakeClock, ScriptedClient, ScriptedResponse, SentRequest};

use crate::fixture::{SERVER, answer, scripted, sent};

/// Grants the tokens `t1`, `t2`… and asks no user.
#[derive(Debug, Default)]
struct Grants(AtomicUsize);

impl Authorizer for Grants {
    fn authorize<'a>(
        &'a self,
        request: SignIn<'a>,
    ) -> BoxFuture<'a, Result<Record, AuthorizeError>> {
        Box::pin(async move {
            let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            let metadata = ServerMetadata::new(Issuer::parse("https://as.example.com").unwrap());
            let fingerprint = request.settings.fingerprint();
            let mut record = Record::new(request.key.clone(), metadata, fingerprint);
            let mut grant = Grant::new(
                GrantKind::AuthorizationCode,
                AccessToken::new(format!("t{number}")),
                Timestamp::from_unix_seconds(0),
            );
            grant.requested_scopes = request.scopes.clone();
            record.grant = Some(grant);
            record.state = State::SignedIn;
            Ok(record)
        })
    }
}

async fn server(
    is_signed_in: bool,
    answers: impl IntoIterator<Item = ScriptedResponse>,
) -> (AuthorizedEndpoint, Arc<ScriptedClient>) {
    let http = scripted(answers);
    let key = CredentialKey::new(ServerUrl::parse(SERVER).unwrap());
    let store = Arc::new(MemoryStore::new());
    let session = Session::builder(key, ServerSettings::default(), store, http.clone())
        .authorizer(Arc::new(Grants::default()))
        .clock(Arc::new(FakeClock::default()))
        .build()
        .unwrap();
    if is_signed_in {
        session.sign_in(SignInRequest::default()).await.unwrap();
    }
    (AuthorizedEndpoint::new(session, http.clone()), http)
}

fn challenge(status: u16, challenge: &str) -> ScriptedResponse {
    answer(status).with_header("www-authenticate", challenge)
}

/// The `Authorization` of each request.
fn tokens(http: &ScriptedClient) -> Vec<String> {
    let token = |sent: &SentRequest| sent.header("authorization").unwrap_or("-").to_owned();
    sent(http).iter().map(token).collect()
}

#[tokio::test]
async fn challenge_leads_to_another_token_and_the_same_request() {
    let scope = "Bearer error=\"insufficient_scope\", scope=\"write\"";
    for (is_signed_in, answers, expected) in [
        (false, vec![answer(200)], vec!["-"]),
        (true, vec![answer(200)], vec!["Bearer t1"]),
        (
            false,
            vec![answer(401), answer(200)],
            vec!["-", "Bearer t1"],
        ),
        (
            true,
            vec![challenge(403, scope), answer(200)],
            vec!["Bearer t1", "Bearer t2"],
        ),
    ] {
        let (server, http) = server(is_signed_in, answers).await;
        let request = Request::post("{}");
        let response = server.send(&request, Interactivity::Interactive).await;
        assert_eq!(response.unwrap().status(), 200);
        assert_eq!(tokens(&http), expected);
    }
}

#[tokio::test]
async fn other_forbidden_status_is_a_response() {
    let (server, http) = server(true, [challenge(403, "Bearer error=\"invalid_token\"")]).await;
    let request = Request::post("{}");
    let response = server.send(&request, Interactivity::Interactive).await;
    assert_eq!(response.unwrap().status(), 403);
    assert_eq!(tokens(&http), ["Bearer t1"]);
}

#[tokio::test]
async fn background_request_leads_to_no_sign_in() {
    let (server, http) = server(false, [challenge(401, "Bearer")]).await;
    let request = Request::stream();
    let error = server.send(&request, Interactivity::Background).await;
    let error = error.unwrap_err();
    assert_eq!(error.remedy(), Remedy::SignIn, "{error}");
    assert!(matches!(error.error(), Error::Session(_)), "{error:?}");
    assert_eq!(error.challenge_response().unwrap().status(), 401);
    assert_eq!(tokens(&http), ["-"]);
}

#[tokio::test]
async fn server_that_challenges_each_token_gets_few_requests() {
    let wants = ["a", "b", "c"].map(|scope| {
        let text = format!("Bearer error=insufficient_scope, scope={scope}");
        challenge(403, &text)
    });
    let (server, http) = server(true, wants).await;
    let request = Request::post("{}");
    let error = server.send(&request, Interactivity::Interactive).await;
    let error = error.unwrap_err();
    let Error::TooManyChallenges(refused) = error.error() else {
        panic!("{error:?}");
    };
    assert_eq!(refused.sent(), 3);
    assert_eq!(tokens(&http), ["Bearer t1", "Bearer t2", "Bearer t3"]);
}

#[tokio::test]
async fn ensure_signed_in_sends_a_probe_only_without_a_token() {
    let (signed_in, http) = server(true, []).await;
    signed_in.ensure_signed_in().await.unwrap();
    assert_eq!(tokens(&http), [""; 0]);

    let (signed_out, http) = server(false, [answer(401), answer(404)]).await;
    signed_out.ensure_signed_in().await.unwrap();
    assert_eq!(tokens(&http), ["-", "Bearer t1"]);
    assert_eq!(sent(&http)[0].header("mcp-method"), Some("server/discover"));
}
