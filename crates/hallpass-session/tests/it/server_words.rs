//! A server that repeats the whole request in its error: the error says the server's words, and holds
//! nothing of what the request carried, at every endpoint and with every authentication.

use std::{error::Error, sync::Mutex};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use hallpass_core::{
    BoxFuture, ClientId, ClientSecret, HttpClient, HttpError, Issuer, RefreshToken, Registration,
    RegistrationAccessToken, Scopes, ServerMetadata, ServerUrl, TokenEndpointAuthMethod,
    http::{Body, RequestOptions},
    record::{RegistrationManagement, RegistrationOrigin},
};
use hallpass_oauth::{
    AuthorizationRequest, ClientAuthentication, ClientKey, DeviceAuthorizationRequest, ProofKey,
    RevocationRequest, TokenError, TokenRequest,
};
use hallpass_session::{DpopSigner, Endpoint, OAuthClient, Retry, TokenClient};
use hallpass_testkit::{FixedEntropy, LeakCheck, TestClientKey};
use http::{Request, Response};
use serde_json::json;
use url::{Url, form_urlencoded};

use crate::fakes::TestClock;

const WORDS: &str = "wrong: 'https://as.example/x?y=1'";

/// Repeats each request, written by `write`.
#[derive(Debug)]
struct Echo {
    write: fn(&str) -> String,
    sent: Mutex<Vec<Sent>>,
}

type Sent = Vec<(String, String)>;

impl HttpClient for Echo {
    fn open(
        &self,
        request: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let body = std::str::from_utf8(request.body()).unwrap();
        let mut whole = format!("{} {}", request.method(), request.uri());
        let mut secrets: Sent = Vec::new();
        for (name, value) in request.headers() {
            let value = value.to_str().unwrap();
            whole = format!("{whole}\r\n{name}: {value}");
            if ["authorization", "dpop"].contains(&name.as_str()) {
                secrets.push((name.to_string(), value.to_owned()));
                let credentials = value.rsplit(' ').next().unwrap();
                secrets.push((name.to_string(), credentials.to_owned()));
            }
        }
        let public = [
            "client_id",
            "client_assertion_type",
            "code_challenge_method",
            "grant_type",
            "redirect_uri",
            "response_type",
            "token_type_hint",
        ];
        for (name, value) in form_urlencoded::parse(request.body()) {
            if !public.contains(&&*name) {
                secrets.push((name.into_owned(), value.into_owned()));
            }
        }
        whole = format!("{whole}\r\n\r\n{body}");
        self.sent.lock().unwrap().push(secrets);
        let mut response = Response::new(Body::whole((self.write)(&whole)));
        *response.status_mut() = http::StatusCode::BAD_REQUEST;
        Box::pin(async { Ok(response) })
    }
}

fn description(text: &str) -> String {
    json!({ "error": "invalid_request", "error_description": text }).to_string()
}

/// The ways in which a server repeats a request.
const ECHOES: [fn(&str) -> String; 7] = [
    |request| description(&format!("{WORDS} {request}")),
    |request| description(&format!("{WORDS} {}", json!({ "request": request }))),
    |request| {
        let encoded: String = form_urlencoded::byte_serialize(request.as_bytes()).collect();
        description(&format!("{WORDS} {encoded}"))
    },
    |request| description(&format!("{WORDS} {}", STANDARD.encode(request))),
    |request| {
        let json = json!({ "a": request }).to_string().replace('/', "\\/");
        let encoded = URL_SAFE_NO_PAD.encode(json);
        json!({ "message": format!("{WORDS} x{encoded}"), "input": request }).to_string()
    },
    |request| format!("{WORDS}: {}", request.replace("\r\n", "; ")),
    |request| format!("<title>{WORDS} {request}</title>"),
];

struct Server {
    http: Echo,
    clock: TestClock,
    url: ServerUrl,
    entropy: FixedEntropy,
    leaks: LeakCheck,
    secret: String,
}

impl Server {
    fn new(write: fn(&str) -> String) -> Self {
        let mut leaks = LeakCheck::new();
        let secret = leaks.canary("client secret");
        Self {
            http: Echo {
                write,
                sent: Mutex::default(),
            },
            clock: TestClock::new(1_800_000_000),
            url: ServerUrl::parse("https://mcp.example/mcp").unwrap(),
            entropy: FixedEntropy::new(1),
            leaks,
            secret,
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

    fn registration(&self, method: &str) -> Registration {
        let id = ClientId::new("the-client");
        let mut registration = Registration::new(RegistrationOrigin::PreRegistered, id);
        registration.auth_method = TokenEndpointAuthMethod::from(method.to_owned());
        registration.client_secret = Some(ClientSecret::new(self.secret.clone()));
        registration
    }

    /// That the error's text and source have the server's words and no secret.
    fn check(&mut self, error: &dyn Error) {
        for secrets in self.http.sent.lock().unwrap().drain(..) {
            for (name, secret) in secrets {
                self.leaks.watch(&name, &secret);
            }
        }
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        assert!(words.starts_with("the server says: \""), "{error}: {words}");
        assert!(words.contains(WORDS), "{words}");
        let text = format!("{error} {words} {error:?} {error:#?}");
        let leak = self.leaks.check("the error", &text);
        assert!(leak.is_ok(), "{leak:?}: {text}");
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[tokio::test]
async fn echoed_token_and_revocation_request_shows_words_and_no_secret() {
    let key = TestClientKey::new().unwrap().pem();
    let key = ClientKey::from_pem(&key).unwrap();
    let issuer = Issuer::parse("https://as.example").unwrap();
    let signer = DpopSigner::open(&ProofKey::generate().unwrap()).unwrap();
    for write in ECHOES {
        for method in [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ] {
            for dpop in [None, Some(&signer)] {
                let mut server = Server::new(write);
                let assertion = server.leaks.canary("assertion");
                let token = server.leaks.canary("refresh token");
                let registration = server.registration(method);
                let endpoint = Endpoint {
                    url: &url("https://as.example/token"),
                    client: OAuthClient::new(&registration).with_key(Some(&key), &issuer),
                    dpop,
                    retry: Retry::Never,
                };
                let grant = TokenRequest::jwt_bearer(&assertion, &Scopes::none(), None);
                let refused = server.client().request_token(&endpoint, &grant).await;
                server.check(&refused.unwrap_err());

                let token = RefreshToken::new(token);
                let metadata = ServerMetadata::new(issuer.clone());
                let (client, at) = (server.client(), url("https://as.example/revoke"));
                let token = RevocationRequest::for_refresh_token(&token);
                let revoked = client.revoke(&metadata, &at, &endpoint.client, token);
                let refused = revoked.await.unwrap_err();
                server.check(&refused);
            }
        }
    }
}

#[tokio::test]
async fn echoed_par_device_and_deletion_request_shows_words_and_no_secret() {
    for write in ECHOES {
        let mut server = Server::new(write);
        let issuer = Issuer::parse("https://as.example").unwrap();
        let mut metadata = ServerMetadata::new(issuer);
        metadata.authorization_endpoint = Some(url("https://as.example/authorize"));
        metadata.code_challenge_methods_supported = Some(vec!["S256".to_owned()]);
        let extra = vec![("login_hint".to_owned(), server.leaks.canary("login hint"))];
        let registration = server.registration("client_secret_basic");
        let pending = AuthorizationRequest {
            metadata: &metadata,
            client_id: &registration.client_id,
            redirect_uri: "http://127.0.0.1:7777/callback",
            resource: None,
            scopes: &Scopes::none(),
            pkce_waived: false,
            extra: &extra,
        };
        let mut pending = pending.begin(&server.entropy).unwrap();
        let at = url("https://as.example/endpoint");
        let endpoint = Endpoint {
            url: &at,
            client: OAuthClient::new(&registration),
            dpop: None,
            retry: Retry::Never,
        };
        let client = server.client();
        let request = pending.push(&at, &ClientAuthentication::from_registration(&registration));
        let response = client.fetch(request).await.unwrap();
        let refused = pending.pushed(&response).unwrap_err();
        server.check(&refused);

        let device = DeviceAuthorizationRequest {
            scopes: &Scopes::none(),
            resource: None,
        };
        let read = |response: &Response<Bytes>| match TokenError::from_http(response) {
            Some(error) => Err::<(), _>(error),
            None => Ok(()),
        };
        let sent = server
            .client()
            .send(&endpoint, |client| device.into_http(&at, client), read)
            .await;
        server.check(&sent.unwrap_err());

        let management = RegistrationManagement {
            uri: url("https://as.example/register/the-client"),
            token: RegistrationAccessToken::new(server.leaks.canary("registration token")),
        };
        let deleted = server.client().delete_registration(&management).await;
        server.check(&deleted.unwrap_err());
    }
}
