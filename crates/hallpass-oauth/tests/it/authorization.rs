use hallpass_core::{ClientId, Diagnostic as _, Remedy, Resource, Scopes, ServerMetadata};
use hallpass_oauth::{AuthorizationRequest, AuthorizationRequestError, PendingAuthorization};

use crate::{Counting, hints, metadata, parameter, url};

pub(crate) const REDIRECT: &str = "http://127.0.0.1:7777/callback";

/// The usual request, with the parts that a test changes.
struct Ask<'a> {
    metadata: ServerMetadata,
    resource: Option<&'a str>,
    scopes: &'a str,
    pkce_waived: bool,
    extra: &'a [(&'a str, &'a str)],
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            metadata: metadata(),
            resource: Some("https://mcp.example"),
            scopes: "",
            pkce_waived: false,
            extra: &[],
        }
    }
}

impl Ask<'_> {
    fn at(endpoint: &str) -> Self {
        let mut metadata = metadata();
        metadata.authorization_endpoint = Some(url(endpoint));
        Self {
            metadata,
            ..Self::default()
        }
    }

    fn begin(&self) -> Result<PendingAuthorization, AuthorizationRequestError> {
        let extra: Vec<_> = self
            .extra
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        AuthorizationRequest {
            metadata: &self.metadata,
            client_id: &ClientId::new("client"),
            redirect_uri: REDIRECT,
            resource: self
                .resource
                .map(|text| Resource::parse(text).unwrap())
                .as_ref(),
            scopes: &Scopes::from_server(self.scopes),
            pkce_waived: self.pkce_waived,
            extra: &extra,
        }
        .begin(&Counting::default())
    }

    /// The query of the URL, with the three values that are long as their names.
    #[track_caller]
    fn check(&self, expected: &str) {
        let pending = self.begin().unwrap();
        let mut text = pending.url().to_string();
        for name in ["state", "code_challenge"] {
            let value = parameter(pending.url(), name).unwrap();
            assert_eq!(value.len(), 43, "{name}");
            text = text.replace(&value, &name.to_uppercase());
        }
        assert_eq!(text, expected);
    }

    #[track_caller]
    fn check_refused(&self, expected: &str, hint: &str) {
        let error = self.begin().unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(hints(&error), hint);
        assert_eq!(error.remedy(), Remedy::Configure);
    }
}

pub(crate) fn begin(metadata: &ServerMetadata) -> PendingAuthorization {
    begin_with(metadata, &[])
}

pub(crate) fn begin_with(
    metadata: &ServerMetadata,
    extra: &[(&str, &str)],
) -> PendingAuthorization {
    let ask = Ask {
        metadata: metadata.clone(),
        extra,
        ..Ask::default()
    };
    ask.begin().unwrap()
}

const USUAL: &str = "response_type=code&client_id=client\
    &redirect_uri=http%3A%2F%2F127.0.0.1%3A7777%2Fcallback&state=STATE\
    &code_challenge=CODE_CHALLENGE&code_challenge_method=S256";

#[test]
fn authorization_url_has_each_parameter_once() {
    Ask {
        scopes: "mcp:write mcp:read",
        ..Ask::default()
    }
    .check(&format!(
        "https://as.example/authorize?{USUAL}&scope=mcp%3Aread+mcp%3Awrite\
         &resource=https%3A%2F%2Fmcp.example"
    ));
    Ask {
        resource: None,
        ..Ask::default()
    }
    .check(&format!("https://as.example/authorize?{USUAL}"));
}

#[test]
fn query_of_the_endpoint_is_kept_without_reserved_parameters() {
    Ask::at("https://as.example/authorize?tenant=a%2Fb+c&flag#top").check(&format!(
        "https://as.example/authorize?tenant=a%2Fb+c&flag&{USUAL}&resource=https%3A%2F%2Fmcp.example"
    ));
    Ask::at("https://as.example/authorize?resource=x&p=1&re%73ource=y&state=z&scope=all").check(
        &format!("https://as.example/authorize?p=1&{USUAL}&resource=https%3A%2F%2Fmcp.example"),
    );
    // Left out means left out.
    Ask {
        resource: None,
        ..Ask::at("https://as.example/authorize?resource=x&request_uri=y")
    }
    .check(&format!("https://as.example/authorize?{USUAL}"));
}

#[test]
fn extra_parameters_replace_the_endpoint_s_and_never_ours() {
    Ask {
        extra: &[("prompt", "consent"), ("audience", "a b")],
        ..Ask::at("https://as.example/authorize?prompt=login&p=1")
    }
    .check(&format!(
        "https://as.example/authorize?p=1&{USUAL}&resource=https%3A%2F%2Fmcp.example\
         &prompt=consent&audience=a+b"
    ));
    for (name, hint) in [
        ("resource", "set `resource`"),
        ("scope", "set `scopes`"),
        ("client_id", "set `client`"),
        ("state", "leave it out"),
        ("redirect_uri", "leave it out"),
        ("response_type", "leave it out"),
        ("response_mode", "leave it out"),
        ("code_challenge", "leave it out"),
        ("code_challenge_method", "leave it out"),
        ("request", "leave it out"),
        ("request_uri", "leave it out"),
    ] {
        Ask {
            extra: &[(name, "x")],
            ..Ask::default()
        }
        .check_refused(
            &format!("the authorization parameter `{name}` can't be set by hand"),
            hint,
        );
    }
    Ask {
        extra: &[("prompt", "login"), ("prompt", "consent")],
        ..Ask::default()
    }
    .check_refused("the authorization parameter `prompt` is given twice", "");
}

#[test]
fn missing_s256_is_refused_unless_waived() {
    for methods in [None, Some(vec![]), Some(vec!["plain".to_owned()])] {
        let mut metadata = metadata();
        metadata.code_challenge_methods_supported = methods;
        let mut ask = Ask {
            metadata,
            ..Ask::default()
        };
        assert!(ask.begin().unwrap_err().is_missing_pkce());
        ask.check_refused(
            "the authorization server `https://as.example` does not list PKCE with S256, which \
             MCP demands",
            "set `pkce` to `assume-s256`; only if the server does support S256 and does not say so",
        );
        ask.pkce_waived = true;
        // The challenge is sent all the same.
        ask.check(&format!(
            "https://as.example/authorize?{USUAL}&resource=https%3A%2F%2Fmcp.example"
        ));
    }
}

#[test]
fn authorization_endpoint_has_to_be_https_or_loopback() {
    for endpoint in [
        "http://as.example/authorize",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ] {
        Ask::at(endpoint).check_refused(
            "the authorization endpoint of `https://as.example` is not an https URL \
             (RFC 6749 §3.1)",
            "",
        );
    }
    assert!(Ask::at("http://localhost:9000/authorize").begin().is_ok());

    let mut metadata = metadata();
    metadata.authorization_endpoint = None;
    Ask {
        metadata,
        ..Ask::default()
    }
    .check_refused(
        "the authorization server `https://as.example` has no authorization endpoint",
        "set `client` and `endpoints.authorization` and `endpoints.token` to \
         `https://as.example/token`; or use a grant that needs no browser",
    );
}

#[test]
fn state_and_verifier_are_independent() {
    let pending = begin(&metadata());
    let state = parameter(pending.url(), "state").unwrap();
    let challenge = parameter(pending.url(), "code_challenge").unwrap();
    // 32 bytes of 0, and SHA-256 of the base64url of 32 bytes of 1.
    assert_eq!(state, "A".repeat(43));
    assert_ne!(challenge, state);
}
