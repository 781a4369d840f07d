//! What has to hold for any bytes from the endpoints of an authorization server, and for any request
//! to the redirect URI: the entries of the fuzz targets in `fuzz/`, which include this file. `corpus.rs`
//! runs them over the inputs that were kept.

use bytes::Bytes;
use hallpass_core::{
    AuthScheme, ClientId, CredentialKey, Diagnostic as _, Entropy, Grant, Issuer, Record, Resource,
    Scopes, ServerMetadata, SettingsFingerprint, State, Timestamp, is_loopback,
    record::{GrantKind, document::CredentialDocument},
};
use hallpass_oauth::{
    AuthorizationRequest, CallbackErrorKind, DeviceAuthorization, PendingAuthorization,
    TokenErrorClass, TokenResponse, registration_from_http,
};
use http::{HeaderValue, Response, StatusCode, header};
use url::Url;

/// What stands for a secret in an input, and the secret that takes its place.
const SECRET: (&str, &str) = ("{secret}", "kZ9_qV7-canary.R4x~");
const ISSUER: &str = "https://as.example";
const MCP: &str = "https://mcp.example/mcp";
const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

/// An answer of the token endpoint: the status and the content type in the first line, then the
/// body. It is a grant that a record keeps as it is, or an error that shows nothing it was told.
pub(crate) fn token_response(data: &[u8]) {
    let response = response(data);
    for asked in [AuthScheme::Bearer, AuthScheme::Dpop] {
        token_response_to(asked, &response);
    }
}

fn token_response_to(asked: AuthScheme, response: &Response<Bytes>) {
    match TokenResponse::from_http(response, asked) {
        Ok(token) => {
            assert!(response.status().is_success());
            let shown = format!("{token:?}");
            let scopes = Scopes::from_server("asked for");
            let resource = Resource::parse(MCP).expect("a constant");
            let scheme = token.scheme();
            let first =
                token.into_grant(GrantKind::AuthorizationCode, &scopes, Some(&resource), NOW);
            // What the server calls a scope is shown as one.
            let granted = format!("{:?}", first.granted_scopes);
            shows_no_secret(&shown.replace(&granted, ""));
            assert_eq!(scheme, asked);
            let header = format!("{} {}", scheme.as_str(), first.access_token.expose());
            assert!(HeaderValue::from_str(&header).is_ok());
            assert!(first.expires_at.is_none_or(|at| at >= NOW));
            is_kept(&first);

            // The same answer to a refresh: what it does not mention stays.
            let again = TokenResponse::from_http(response, asked).expect("as before");
            let mut old = first.clone();
            old.granted_scopes = Some(scopes);
            let mentions = (first.refresh_token.is_some(), first.granted_scopes.clone());
            let renewed = again.renew(&old, NOW);
            assert_eq!(renewed.refresh_token.is_some(), mentions.0);
            assert_eq!(
                renewed.granted_scopes,
                mentions.1.or(old.granted_scopes.clone())
            );
            is_kept(&renewed);
        }
        Err(error) => {
            let hints = error.hints();
            let hints = hints.iter().map(ToString::to_string);
            let texts = [error.to_string(), format!("{error:?}")];
            for text in texts.into_iter().chain(hints) {
                is_a_line(&text);
                shows_no_secret(&text);
            }
            // A grant is given up for nothing but words that say so.
            if error.class() == TokenErrorClass::Definitive {
                assert!(error.code().is_some() && !response.status().is_server_error());
            }
            let _ = error.remedy();
        }
    }
}

/// An answer of the registration endpoint, as above: a client that a record keeps as it is, or an error
/// that shows nothing it was told.
pub(crate) fn registration(data: &[u8]) {
    const REDIRECT_URI: &str = "http://127.0.0.1:7777/callback";
    let response = response(data);
    let metadata = metadata(false);
    match registration_from_http(&response, REDIRECT_URI, &metadata) {
        Ok(registration) => {
            assert!(response.status().is_success());
            assert!(!registration.client_id.as_str().is_empty());
            assert_eq!(registration.redirect_uri.as_deref(), Some(REDIRECT_URI));
            let has_secret = registration.client_secret.is_some();
            assert!(has_secret || !registration.auth_method.needs_secret());
            assert!(has_secret || registration.secret_expires_at.is_none());
            let settings = SettingsFingerprint::default();
            let mut record = Record::new(credential_key(), metadata, settings);
            record.registration = Some(registration);
            record.state = State::Registered;
            is_kept_in(&record);
        }
        Err(error) => {
            let hints = error.hints();
            let hints = hints.iter().map(ToString::to_string);
            let texts = [error.to_string(), format!("{error:?}")];
            for text in texts.into_iter().chain(hints) {
                is_a_line(&text);
                shows_no_secret(&text);
            }
            assert!(error.named_parts().count() < 16);
            let _ = (error.remedy(), error.redirect_uri_refusal());
        }
    }
}

/// An answer of the device authorization endpoint, as above: a code that a user can type, on a page that
/// a browser may be sent to, or an error that shows nothing it was told.
pub(crate) fn device_authorization(data: &[u8]) {
    let response = response(data);
    match DeviceAuthorization::from_http(&response, None, NOW) {
        Ok(waiting) => {
            let code = waiting.user_code();
            assert!((1..=64).contains(&code.chars().count()), "{code}");
            assert!(!code.contains(char::is_control), "{code:?}");
            let pages = [
                Some(waiting.verification_uri()),
                waiting.verification_uri_complete(),
            ];
            for page in pages.into_iter().flatten() {
                assert!(page.scheme() == "https" || is_loopback(page), "{page}");
            }
            assert!((1..=60).contains(&waiting.interval().as_secs()));
            assert!(waiting.expires_at() >= NOW);
        }
        Err(error) => {
            for text in [error.to_string(), format!("{error:?}")] {
                is_a_line(&text);
                shows_no_secret(&text);
            }
        }
    }
}

/// The query of a callback, in which `{state}` stands for the right state and `{iss}` for the right
/// issuer. A code counts where an independent reading finds one code, one right state and no wrong
/// issuer.
pub(crate) fn callback(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for advertised in [false, true] {
        let pending = pending(advertised);
        let state = parameters(pending.url().query().unwrap_or_default(), "state").concat();
        let query = text
            .replace("{state}", &state)
            .replace("{iss}", ISSUER)
            .replace(SECRET.0, SECRET.1);
        let bare = query.strip_prefix('?').unwrap_or(&query);
        let bare = bare.split('#').next().unwrap_or_default();
        let read = |name| parameters(bare, name);
        let is_ours = read("state") == [state.as_str()];
        let issuers = read("iss");
        let is_right = issuers == [ISSUER] || (issuers.is_empty() && !advertised);
        match pending.receive(&query) {
            Ok(code) => {
                shows_no_secret(&format!("{code:?} {pending:?}"));
                assert!(is_ours && is_right && read("error").is_empty());
                let codes = read("code");
                assert_eq!(codes.len(), 1);
                let sent = format!("{:?}", pending.redeem(code));
                assert!(!sent.contains(&state));
            }
            Err(error) => {
                assert_eq!(error.is_fatal(), is_ours);
                if is_ours {
                    let wrong_issuer = error.kind() == CallbackErrorKind::Issuer;
                    assert_eq!(wrong_issuer, !is_right && issuers.len() < 2);
                }
                if error.kind() == CallbackErrorKind::Refused {
                    assert!(is_right && read("error").len() == 1);
                }
                let hints = error.hints();
                let hints = hints.iter().map(ToString::to_string);
                let texts = [error.to_string(), format!("{error:?}")];
                for text in texts.into_iter().chain(hints) {
                    is_a_line(&text);
                    // A foreign issuer is shown, whatever it is called: it is how it differs.
                    if error.kind() != CallbackErrorKind::Issuer {
                        shows_no_secret(&text);
                        assert!(!text.contains(&state), "{text}");
                    }
                }
            }
        }
    }
}

fn response(data: &[u8]) -> Response<Bytes> {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (head, body) = data.split_at(end.unwrap_or(data.len()));
    let head = String::from_utf8_lossy(head);
    let (status, kind) = head.split_once(' ').unwrap_or((&head, "application/json"));
    let body = String::from_utf8_lossy(body.get(1..).unwrap_or_default());
    let body = body.replace(SECRET.0, SECRET.1);
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status.parse().unwrap_or(StatusCode::OK);
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn is_a_line(text: &str) {
    assert!(text.len() < 4 << 10, "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
}

fn shows_no_secret(text: &str) {
    assert!(!text.contains(SECRET.1), "{text}");
}

/// A record holds the grant, and reads back as it was.
fn is_kept(grant: &Grant) {
    let settings = SettingsFingerprint::default();
    let mut record = Record::new(credential_key(), metadata(false), settings);
    record.grant = Some(grant.clone());
    record.state = State::SignedIn;
    is_kept_in(&record);
}

fn credential_key() -> CredentialKey {
    CredentialKey::new(MCP.parse().expect("a constant"))
}

/// A document holds the record, and reads back as it was.
fn is_kept_in(record: &Record) {
    let mut document = CredentialDocument::empty(credential_key());
    let _ = document.save(record, None);
    let read = CredentialDocument::decode(&document.encode()).expect("as written");
    assert_eq!(read, document);
}

/// The values of a parameter, by another reader than the one that is tested.
fn parameters(query: &str, name: &str) -> Vec<String> {
    let mut url = Url::parse("http://127.0.0.1/").expect("a constant");
    // This reader leaves them out where they stand as they are.
    let query = query
        .replace('\t', "%09")
        .replace('\n', "%0A")
        .replace('\r', "%0D");
    url.set_query(Some(&query));
    let pairs = url.query_pairs().filter(|(known, _)| known == name);
    pairs.map(|(_, value)| value.into_owned()).collect()
}

fn pending(advertised: bool) -> PendingAuthorization {
    let request = AuthorizationRequest {
        metadata: &metadata(advertised),
        client_id: &ClientId::new("client"),
        redirect_uri: "http://127.0.0.1:7777/callback",
        resource: None,
        scopes: &Scopes::default(),
        pkce_waived: false,
        extra: &[],
    };
    request.begin(&Sevens).expect("a request of constants")
}

fn metadata(advertised: bool) -> ServerMetadata {
    let endpoint = |path: &str| Some(format!("{ISSUER}{path}").parse().expect("a constant"));
    let mut metadata = ServerMetadata::new(Issuer::parse(ISSUER).expect("a constant"));
    metadata.authorization_endpoint = endpoint("/authorize");
    metadata.token_endpoint = endpoint("/token");
    metadata.code_challenge_methods_supported = Some(vec!["S256".to_owned()]);
    metadata.authorization_response_iss_parameter_supported = advertised;
    metadata
}

#[derive(Debug)]
struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}
