//! The client of the authorization server's endpoints, against a server with scripted answers.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hallpass_core::{
    AccessToken, ClientId, ClientSecret, Diagnostic as _, DpopKey, Hint, Issuer, RefreshToken,
    Registration, RegistrationAccessToken, Remedy, Scopes, ServerMetadata, ServerUrl,
    TokenEndpointAuthMethod,
    http::{HttpErrorKind, Redirects, RequestTarget},
    record::{RegistrationManagement, RegistrationOrigin},
};
use hallpass_oauth::{
    ClientKey, ProofKey, RevocationRequest, TokenErrorClass, TokenRequest, TokenResponse,
};
use hallpass_session::{
    DpopSigner, DpopSignerError, Endpoint, OAuthClient, RegistrationDeletionError, Retry,
    TokenClient, TokenRequestError,
};
use hallpass_testkit::{
    FixedEntropy, RequestPattern, ScriptedClient, ScriptedResponse, SentRequest, TestClientKey,
};
use serde_json::{Value, json};
use url::Url;

use crate::fakes::TestClock;

/// A server that gives scripted answers in their order; without one, the connection breaks.
#[derive(Debug)]
struct Server {
    http: ScriptedClient,
    clock: TestClock,
    url: ServerUrl,
    entropy: FixedEntropy,
}

impl Server {
    fn new(answers: impl IntoIterator<Item = ScriptedResponse>) -> Self {
        let lost = ScriptedResponse::error(HttpErrorKind::Interrupted);
        let http = ScriptedClient::new().strict().with_fallback(lost);
        http.on(
            RequestPattern::target(RequestTarget::AuthorizationServer),
            answers,
        );
        Self {
            http,
            clock: TestClock::new(1_800_000_000),
            url: ServerUrl::parse("https://mcp.example/mcp").unwrap(),
            entropy: FixedEntropy::new(1),
        }
    }

    fn client(&self) -> TokenClient<'_> {
        TokenClient {
            http: &self.http,
            clock: &self.clock,
            entropy: &self.entropy,
            server: &self.url,
        }
    }

    /// Sends a grant for client credentials.
    async fn request_token(
        &self,
        registration: Registration,
        dpop: Option<&DpopSigner>,
        retry: Retry,
    ) -> Result<TokenResponse, TokenRequestError> {
        let endpoint = Endpoint {
            url: &url("https://as.example/token"),
            client: OAuthClient::new(&registration),
            dpop,
            retry,
        };
        let grant = TokenRequest::client_credentials(&Scopes::none(), None);
        self.client().request_token(&endpoint, &grant).await
    }

    fn requests(&self) -> Vec<SentRequest> {
        let requests = self.http.requests();
        for SentRequest { options, .. } in &requests {
            assert_eq!(options.redirects, Redirects::None);
            assert_eq!(options.server, self.url);
        }
        requests
    }

    /// The nonces in the proofs, one for each request.
    fn nonces(&self) -> Vec<Option<String>> {
        let claims = |request: &SentRequest| -> Value {
            let proof = request.header("dpop").unwrap();
            let claims = proof.split('.').nth(1).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
        };
        let requests = self.requests();
        let nonces = requests
            .iter()
            .map(|request| claims(request)["nonce"].as_str().map(str::to_owned));
        nonces.collect()
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn answer(status: u16, body: &Value) -> ScriptedResponse {
    ScriptedResponse::json(status, body)
}

fn error(status: u16, code: &str) -> ScriptedResponse {
    ScriptedResponse::oauth_error(status, code)
}

fn tokens(token_type: &str) -> ScriptedResponse {
    answer(
        200,
        &json!({ "access_token": "canary-token", "token_type": token_type }),
    )
}

fn registration(method: &str, secret: Option<&str>) -> Registration {
    let id = ClientId::new("the-client");
    let mut registration = Registration::new(RegistrationOrigin::PreRegistered, id);
    registration.auth_method = TokenEndpointAuthMethod::from(method.to_owned());
    registration.client_secret = secret.map(ClientSecret::new);
    registration
}

fn public() -> Registration {
    registration("none", None)
}

fn metadata() -> ServerMetadata {
    ServerMetadata::new(Issuer::parse("https://as.example").unwrap())
}

fn signer() -> DpopSigner {
    DpopSigner::for_new_grant(&metadata(), None).unwrap()
}

#[tokio::test]
async fn dpop_nonce_challenge_is_answered_once_and_the_nonce_is_kept() {
    let demand = |nonce| error(400, "use_dpop_nonce").with_header("dpop-nonce", nonce);
    let next = tokens("DPoP").with_header("dpop-nonce", "n2");
    let server = Server::new([demand("n1"), next, tokens("DPoP")]);
    let signer = signer();
    for _ in 0..2 {
        let tokens = server.request_token(public(), Some(&signer), Retry::Never);
        tokens.await.unwrap();
    }
    let nonce = |text: &str| Some(text.to_owned());
    assert_eq!(server.nonces(), [None, nonce("n1"), nonce("n2")]);
    assert_eq!(signer.nonce(), nonce("n2"));

    let server = Server::new([demand("n1"), demand("n2"), tokens("DPoP")]);
    let signer = self::signer().with_nonce(nonce("n0"));
    let refused = server.request_token(public(), Some(&signer), Retry::WhileUserWaits);
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.remedy(), Remedy::Retry);
    assert_eq!(server.nonces(), [nonce("n0"), nonce("n1")]);
    assert_eq!(signer.nonce(), nonce("n2"), "for the next request");

    let server = Server::new([demand("n1"), tokens("Bearer")]);
    let refused = server.request_token(public(), None, Retry::Never).await;
    assert!(matches!(refused, Err(TokenRequestError::Answer(_))));
    assert_eq!(server.requests().len(), 1, "there is no proof to put it in");
}

#[tokio::test]
async fn server_error_with_nonce_is_not_repeated() {
    for status in [500, 502, 503] {
        let failed = error(status, "use_dpop_nonce").with_header("dpop-nonce", "n1");
        let server = Server::new([failed, tokens("DPoP")]);
        let signer = signer();
        let error = server
            .request_token(public(), Some(&signer), Retry::Never)
            .await;
        assert!(
            matches!(error, Err(TokenRequestError::Answer(_))),
            "{status}"
        );
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn token_of_another_type_is_an_error() {
    let server = Server::new([tokens("Bearer"), tokens("DPoP")]);
    for dpop in [Some(&signer()), None] {
        let wrong = server.request_token(public(), dpop, Retry::WhileUserWaits);
        let Err(TokenRequestError::Answer(error)) = wrong.await else {
            panic!("a token of the wrong type was accepted");
        };
        assert_eq!(error.class(), TokenErrorClass::WrongType);
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn retry_after_is_waited_for_where_a_user_waits() {
    let busy = |after: Option<&str>| {
        let busy = answer(503, &json!({}));
        match after {
            Some(after) => busy.with_header("retry-after", after),
            None => busy,
        }
    };
    let server = Server::new([busy(Some("7")), busy(None), tokens("Bearer")]);
    let tokens_after = server.request_token(public(), None, Retry::WhileUserWaits);
    tokens_after.await.unwrap();
    assert_eq!(server.clock.sleeps(), [7_000, 1_000]);

    let server = Server::new([busy(None), busy(None), busy(None), tokens("Bearer")]);
    let given_up = server.request_token(public(), None, Retry::WhileUserWaits);
    assert_eq!(given_up.await.unwrap_err().remedy(), Remedy::Retry);
    assert_eq!(server.requests().len(), 3);

    for (after, retry) in [("3600", Retry::WhileUserWaits), ("1", Retry::Never)] {
        let server = Server::new([busy(Some(after)), tokens("Bearer")]);
        let error = server.request_token(public(), None, retry).await;
        let Err(TokenRequestError::Answer(error)) = error else {
            panic!("{after} was waited for");
        };
        assert!(error.retry_after().is_some());
        assert!(server.clock.sleeps().is_empty());
    }
}

#[tokio::test]
async fn each_request_has_an_assertion_of_its_own() {
    let server = Server::new([answer(503, &json!({})), tokens("Bearer")]);
    let pem = TestClientKey::new().unwrap().pem();
    let key = ClientKey::from_pem(&pem).unwrap();
    let registration = registration("private_key_jwt", None);
    let issuer = metadata().issuer;
    let endpoint = Endpoint {
        url: &url("https://as.example/token"),
        client: OAuthClient::new(&registration).with_key(Some(&key), &issuer),
        dpop: None,
        retry: Retry::WhileUserWaits,
    };
    let grant = TokenRequest::client_credentials(&Scopes::none(), None);
    let client = server.client();
    client.request_token(&endpoint, &grant).await.unwrap();
    let assertions: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.parameter("client_assertion").unwrap())
        .collect();
    assert_eq!(assertions.len(), 2);
    assert_ne!(assertions[0], assertions[1]);
}

#[tokio::test]
async fn lost_request_is_not_sent_again() {
    let server = Server::new([]);
    let lost = server.request_token(public(), None, Retry::WhileUserWaits);
    let lost = lost.await.unwrap_err();
    assert!(matches!(&lost, TokenRequestError::Http(error) if error.may_have_been_sent()));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn error_text_has_the_server_s_words_once_and_no_secret() {
    let words = json!({ "error": "invalid_scope", "error_description": "unknown scope 'mail.read' of canary-secret" });
    let server = Server::new([answer(400, &words)]);
    let registration = registration("client_secret_post", Some("canary-secret"));
    let refused = server.request_token(registration, None, Retry::Never);
    let refused = refused.await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the authorization server refused the request (status 400): invalid_scope"
    );
    let words = std::error::Error::source(&refused).map(ToString::to_string);
    assert_eq!(
        words.as_deref(),
        Some(r#"the server says: "unknown scope 'mail.read' of …""#)
    );
    assert_eq!(refused.hints(), [Hint::setting("scopes", None)]);
    assert!(!format!("{refused:?}").contains("canary"));
    assert_eq!(
        refused
            .into_inner()
            .to_string()
            .matches("invalid_scope")
            .count(),
        1
    );
}

#[test]
fn dpop_key_is_used_again_where_it_can_be() {
    let known = signer();
    let again = DpopSigner::for_new_grant(&metadata(), Some(known.stored_key())).unwrap();
    assert_eq!(again.stored_key().expose(), known.stored_key().expose());
    let damaged = DpopKey::new("canary");
    let fresh = DpopSigner::for_new_grant(&metadata(), Some(&damaged)).unwrap();
    assert!(ProofKey::open(fresh.stored_key()).is_ok());
    assert!(DpopSigner::open(&damaged).is_none());

    let mut metadata = metadata();
    metadata.dpop_signing_alg_values_supported = Some(vec!["RS256".to_owned()]);
    let refused = DpopSigner::for_new_grant(&metadata, None).unwrap_err();
    assert!(matches!(refused, DpopSignerError::NotAccepted(_)));
    assert_eq!(refused.remedy(), Remedy::Report);
}

/// How a request carries the client's secret.
fn secret_form(request: &SentRequest) -> &'static str {
    let expected = format!("Basic {}", STANDARD.encode("the-client:canary-secret"));
    let basic = request.header("authorization");
    assert_eq!(
        request.parameter("client_id").as_deref(),
        Some("the-client")
    );
    match (basic, request.parameter("client_secret")) {
        (Some(header), None) => {
            assert_eq!(header, expected);
            "basic"
        }
        (None, Some(secret)) => {
            assert_eq!(secret, "canary-secret");
            "post"
        }
        (None, None) => "none",
        (Some(_), Some(_)) => panic!("the secret was sent twice"),
    }
}

/// Revokes a refresh token for a client that is registered with `method`, at a server that lists
/// `listed`; in which forms the secret was sent, and whether the token is revoked.
async fn check_revocation(
    method: &str,
    listed: Option<&[&str]>,
    answers: &[ScriptedResponse],
    expected: (&[&str], Result<(), u16>),
) {
    let mut metadata = metadata();
    if let Some(listed) = listed {
        let name = "revocation_endpoint_auth_methods_supported".to_owned();
        metadata.other.insert(name, json!(listed));
    }
    let server = Server::new(answers.iter().cloned());
    let registration = registration(method, Some("canary-secret"));
    let token = RefreshToken::new("canary-refresh");
    let revoked = server
        .client()
        .revoke(
            &metadata,
            &url("https://as.example/revoke"),
            &OAuthClient::new(&registration),
            RevocationRequest::for_refresh_token(&token),
        )
        .await;
    let requests = server.requests();
    let forms: Vec<_> = requests.iter().map(secret_form).collect();
    let revoked = revoked.map_err(|error| match error {
        TokenRequestError::Answer(error) => error.status().as_u16(),
        error => panic!("{error}"),
    });
    assert_eq!((&*forms, revoked), expected, "{method}, {listed:?}");
    for request in &requests {
        assert_eq!(request.request.uri(), "https://as.example/revoke");
        assert_eq!(request.parameter("token").unwrap(), "canary-refresh");
        assert_eq!(
            request.parameter("token_type_hint").unwrap(),
            "refresh_token"
        );
    }
}

const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";

#[tokio::test]
async fn revocation_tries_the_other_form_of_the_secret_once() {
    let ok = answer(200, &json!({}));
    let malformed = error(400, "invalid_request");
    let unknown = error(401, "invalid_client");
    for (status, refusal) in [(400, &malformed), (401, &unknown)] {
        let answers = [refusal.clone(), ok.clone()];
        check_revocation(BASIC, None, &answers, (&["basic", "post"], Ok(()))).await;
        check_revocation(POST, None, &answers, (&["post", "basic"], Ok(()))).await;
        // The client is not registered to send its secret.
        for method in ["none", "private_key_jwt", "tls_client_auth"] {
            check_revocation(method, None, &answers, (&["none"], Err(status))).await;
        }
    }
    let answers = [malformed, unknown, ok.clone()];
    check_revocation(BASIC, None, &answers, (&["basic", "post"], Err(401))).await;
    for (status, code) in [
        (400, "unsupported_token_type"),
        (403, "access_denied"),
        (404, "not_found"),
        (500, "server_error"),
        (503, "temporarily_unavailable"),
    ] {
        let answers = [error(status, code), ok.clone()];
        check_revocation(BASIC, None, &answers, (&["basic"], Err(status))).await;
    }
    check_revocation(BASIC, None, &[ok], (&["basic"], Ok(()))).await;
}

#[tokio::test]
async fn revocation_obeys_the_listed_methods() {
    let ok = [answer(200, &json!({}))];
    for method in [BASIC, POST] {
        check_revocation(method, Some(&[BASIC]), &ok, (&["basic"], Ok(()))).await;
        check_revocation(method, Some(&[POST]), &ok, (&["post"], Ok(()))).await;
    }
    check_revocation(BASIC, Some(&["none"]), &ok, (&["none"], Ok(()))).await;
    for method in ["none", "private_key_jwt", "tls_client_auth"] {
        check_revocation(method, Some(&[POST]), &ok, (&["post"], Ok(()))).await;
        check_revocation(method, Some(&[method]), &ok, (&["none"], Ok(()))).await;
    }
}

#[tokio::test]
async fn revocation_without_answer_may_have_been_sent() {
    let server = Server::new([]);
    let registration = public();
    let token = AccessToken::new("canary");
    let lost = server
        .client()
        .revoke(
            &metadata(),
            &url("https://as.example/revoke"),
            &OAuthClient::new(&registration),
            RevocationRequest::for_access_token(&token),
        )
        .await
        .unwrap_err();
    assert!(matches!(lost, TokenRequestError::Http(_)));
    assert_eq!(lost.remedy(), Remedy::Retry);
}

#[tokio::test]
async fn registration_deletion_is_read_by_status() {
    let management = RegistrationManagement {
        uri: url("https://as.example/register/c"),
        token: RegistrationAccessToken::new("canary-token"),
    };
    for status in [200, 204, 404, 410] {
        let server = Server::new([answer(status, &json!({}))]);
        let deleted = server.client().delete_registration(&management).await;
        assert!(deleted.is_ok(), "{status}");
        let requests = server.requests();
        assert_eq!(requests[0].request.method(), "DELETE");
        assert_eq!(
            requests[0].header("authorization"),
            Some("Bearer canary-token")
        );
    }
    let gone_or_its_token = "the server no longer accepts the registration's token: the client is \
        gone, or its token is (status 401): invalid_token";
    let stays = "the authorization server did not delete the registration";
    for (status, text, remedy) in [
        (401, gone_or_its_token.to_owned(), Remedy::Report),
        (
            403,
            format!("{stays} (status 403): invalid_token"),
            Remedy::Configure,
        ),
        (
            405,
            format!("{stays} (status 405): invalid_token"),
            Remedy::Configure,
        ),
        (
            503,
            format!("{stays} (status 503): invalid_token"),
            Remedy::Retry,
        ),
    ] {
        let server = Server::new([error(status, "invalid_token")]);
        let deleted = server.client().delete_registration(&management).await;
        let error = deleted.unwrap_err();
        assert!(matches!(error, RegistrationDeletionError::Refused(_)));
        assert_eq!((error.to_string(), error.remedy()), (text, remedy));
        assert_eq!(server.requests().len(), 1);
    }
    let server = Server::new([]);
    let deleted = server.client().delete_registration(&management).await;
    assert!(matches!(deleted, Err(RegistrationDeletionError::Http(_))));
}
