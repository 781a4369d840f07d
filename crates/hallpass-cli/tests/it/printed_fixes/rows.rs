//! The table.

use hallpass::settings::TokenEndpointAuthMethod;
use hallpass_testkit::{
    Fault, IssParameter, ListenOptions, ParameterRule, PlannedFault, PublishedResource,
    ResourceMetadataPath, ServerTls, StaticClient, When,
};
use serde_json::json;

use super::{CA, Command, ROW, Row, check};

macro_rules! rows {
    ($($name:ident: $row:expr,)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                check($row).await;
            }
        )*

        /// All rows.
        pub(super) fn all() -> Vec<Row> {
            vec![$($row),*]
        }
    };
}

/// A client that is registered by hand.
pub(super) fn by_hand(method: &str) -> StaticClient {
    let method: TokenEndpointAuthMethod = method.to_owned().into();
    StaticClient {
        id: "by-hand".to_owned(),
        secret: method.needs_secret().then(|| "s3cret".to_owned()),
        auth_method: method,
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
    }
}

/// Sets a member of the metadata.
fn set(behaviour: &mut hallpass_testkit::Behaviour, name: &str, value: &str) {
    let overrides = &mut behaviour.metadata_overrides;
    overrides.insert(name.to_owned(), json!(value));
}

/// A rule about a parameter: what its values begin with, or that it is refused.
fn rule(
    endpoint: hallpass_testkit::Endpoint,
    name: &'static str,
    prefix: Option<String>,
    (error, description): (&'static str, &'static str),
) -> ParameterRule {
    ParameterRule {
        endpoint,
        name,
        prefix,
        error,
        description,
    }
}

use hallpass_testkit::Endpoint::{Authorization, CodeExchange, Refresh, Registration};

const ENTRA: (&str, &str) = (
    "invalid_request",
    "AADSTS901002: The 'resource' request parameter is not supported.",
);

rows! {
    published_resource: Row {
        settings: &["resource"],
        protection: |it, _| {
            it.resource = PublishedResource::Exactly("https://other.example/mcp".to_owned());
        },
        fault: "resource-mismatch",
        fixes: &["--resource https://other.example/mcp"],
        ..ROW
    },
    resource_refused_at_authorize: Row {
        settings: &["resource"],
        command: Command::Login,
        behaviour: |it, _| {
            it.parameter_rules = vec![rule(Authorization, "resource", None, ENTRA)];
        },
        fault: "AADSTS901002",
        fixes: &["--resource none"],
        serves: false,
        ..ROW
    },
    resource_refused_to_a_client_by_hand: Row {
        settings: &["resource"],
        issuer: |it| {
            it.clients = vec![by_hand("none")];
            it.behaviour.any_loopback_port = true;
        },
        behaviour: |it, _| {
            it.parameter_rules = vec![rule(Authorization, "resource", None, ENTRA)];
        },
        given: &["--client-id", "by-hand"],
        fault: "authorization-refused",
        fixes: &["--resource none"],
        serves: false,
        ..ROW
    },
    resource_refused_at_token_endpoint: Row {
        settings: &["resource"],
        command: Command::Login,
        behaviour: |it, _| {
            it.parameter_rules = vec![rule(CodeExchange, "resource", None, ENTRA)];
        },
        fault: "AADSTS901002",
        fixes: &["--resource none"],
        serves: false,
        ..ROW
    },
    resource_is_unknown: Row {
        settings: &["allow_mismatch", "resource"],
        command: Command::Login,
        issuer: |it| it.behaviour.resources = Some(vec!["https://api.example".to_owned()]),
        fault: "invalid_target",
        fixes: &["--allow-resource-mismatch --resource URI"],
        fill: &[("--resource URI", "https://api.example")],
        serves: false,
        ..ROW
    },
    configured_resource_is_another: Row {
        settings: &["allow_mismatch"],
        command: Command::Login,
        given: &["--resource", "https://other.example/mcp"],
        fault: "is not the server",
        fixes: &["--allow-resource-mismatch"],
        serves: false,
        ..ROW
    },
    audience_is_demanded: Row {
        settings: &["authorize_parameters"],
        command: Command::Login,
        behaviour: |it, _| {
            let refused = ("access_denied", "Service not found: https://mcp.example/mcp");
            let prefix = Some("api".to_owned());
            it.parameter_rules = vec![rule(Authorization, "audience", prefix, refused)];
        },
        fault: "Service not found",
        fixes: &["--authorize-param 'audience=API-IDENTIFIER'"],
        fill: &[("--authorize-param audience=API-IDENTIFIER", "audience=api")],
        ..ROW
    },
    prompt_is_refused: Row {
        settings: &["authorize_parameters"],
        command: Command::Login,
        issuer: |it| {
            let known = ["a", "offline_access"].map(str::to_owned);
            it.behaviour.scopes_supported = Some(known.into());
        },
        protection: |it, _| it.scopes_supported = Some(vec!["a".to_owned()]),
        behaviour: |it, _| {
            let refused = ("consent_required", "no page here");
            it.parameter_rules = vec![rule(Authorization, "prompt", None, refused)];
        },
        fault: "consent_required",
        fixes: &["--authorize-param 'prompt='"],
        ..ROW
    },
    certain_port_is_demanded: Row {
        settings: &["callback"],
        command: Command::Login,
        behaviour: |it, place| {
            let refused = ("invalid_redirect_uri", "only a certain port is accepted");
            let prefix = Some(place.text("http://127.0.0.1:{port}/"));
            it.parameter_rules = vec![rule(Registration, "redirect_uri", prefix, refused)];
        },
        fault: "does not accept the redirect URI",
        fixes: &["--callback-port PORT"],
        fill: &[("--callback-port PORT", "{port}")],
        ..ROW
    },
    path_of_an_issuer_is_refused: Row {
        settings: &["callback.path"],
        command: Command::Login,
        issuer: |it| {
            it.faults = vec![PlannedFault {
                endpoint: Registration,
                when: When::UpTo(1),
                fault: Fault::Answer {
                    status: 400,
                    headers: Vec::new(),
                    body: json!({ "error": "invalid_redirect_uri" }).to_string(),
                },
            }];
        },
        fault: "did not register the client",
        fixes: &["--callback-path /callback"],
        ..ROW
    },
    localhost_is_demanded: Row {
        settings: &["callback.host"],
        command: Command::Login,
        behaviour: |it, _| {
            let refused = ("invalid_client_metadata", "redirect_uris: localhost is demanded");
            let prefix = Some("http://localhost:".to_owned());
            it.parameter_rules = vec![rule(Registration, "redirect_uri", prefix, refused)];
        },
        fault: "does not accept the redirect URI",
        fixes: &["--callback-host localhost"],
        ..ROW
    },
    localhost_is_demanded_on_a_page: Row {
        settings: &["callback.host"],
        command: Command::Login,
        behaviour: |it, _| {
            let refused = ("", "the redirect URI is not on localhost");
            let prefix = Some("http://localhost:".to_owned());
            it.parameter_rules = vec![rule(Authorization, "redirect_uri", prefix, refused)];
        },
        given: &["--wait", "2"],
        fault: "does not accept the redirect URI",
        fixes: &["--callback-host localhost"],
        ..ROW
    },
    client_has_another_host: Row {
        settings: &["callback.host"],
        command: Command::Login,
        issuer: |it| {
            it.clients = vec![by_hand("none")];
            it.behaviour.any_loopback_port = true;
        },
        given: &["--client-id", "by-hand", "--callback-host", "localhost"],
        fault: "does not accept the redirect URI",
        fixes: &["--callback-host 127.0.0.1"],
        ..ROW
    },
    client_has_to_be_registered_by_hand: Row {
        settings: &["client"],
        issuer: |it| {
            it.clients = vec![by_hand("none")];
            it.behaviour.any_loopback_port = true;
            it.behaviour.registration = false;
        },
        fault: "no-registration",
        fixes: &["--client-id ID"],
        fill: &[("--client-id ID", "by-hand")],
        ..ROW
    },
    client_is_not_known: Row {
        settings: &["client"],
        command: Command::Login,
        issuer: |it| {
            it.clients = vec![by_hand("none")];
            it.behaviour.any_loopback_port = true;
        },
        given: &["--client-id", "mistyped"],
        fault: "does not know the client `mistyped`",
        fixes: &["--client-id ID"],
        fill: &[("--client-id ID", "by-hand")],
        ..ROW
    },
    client_is_public: Row {
        settings: &["client.auth_method"],
        issuer: |it| {
            it.clients = vec![by_hand("none")];
            it.behaviour.any_loopback_port = true;
        },
        given: &["--client-id", "by-hand", "--token-endpoint-auth-method", "client_secret_basic"],
        fault: "client-unusable",
        fixes: &["--token-endpoint-auth-method none"],
        ..ROW
    },
    client_secret_is_demanded: Row {
        settings: &["client.secret"],
        command: Command::Login,
        issuer: |it| {
            it.clients = vec![by_hand("client_secret_basic")];
            it.behaviour.any_loopback_port = true;
        },
        given: &["--client-id", "by-hand"],
        fault: "invalid_client",
        fixes: &["--client-secret-file FILE"],
        fill: &[("--client-secret-file FILE", "{folder}/secret")],
        ..ROW
    },
    client_secret_is_taken_elsewhere: Row {
        settings: &["client.auth_method"],
        command: Command::Login,
        issuer: |it| {
            it.clients = vec![by_hand("client_secret_post")];
            it.behaviour.any_loopback_port = true;
            let listed = json!(["client_secret_basic"]);
            let name = "token_endpoint_auth_methods_supported".to_owned();
            it.behaviour.metadata_overrides.insert(name, listed);
        },
        given: &["--client-id", "by-hand", "--client-secret-file", "{folder}/secret"],
        fault: "invalid_client",
        fixes: &["--token-endpoint-auth-method client_secret_post"],
        ..ROW
    },
    client_has_a_secret: Row {
        settings: &["client.secret"],
        issuer: |it| {
            it.clients = vec![by_hand("client_secret_post")];
            it.behaviour.any_loopback_port = true;
        },
        given: &["--client-id", "by-hand", "--token-endpoint-auth-method", "client_secret_post"],
        fault: "client-unusable",
        fixes: &["--client-secret-file FILE"],
        fill: &[("--client-secret-file FILE", "{folder}/secret")],
        ..ROW
    },
    client_certificate_is_demanded: Row {
        settings: &["client_identity"],
        server: |it, _| {
            it.listen = ListenOptions::new("MCP server").over_tls(ServerTls {
                identity: CA.server().unwrap(),
                client_ca_pem: Some(CA.pem()),
            });
        },
        given: &["--ca-certificate", "{folder}/ca.pem"],
        fault: "client-certificate-wanted",
        fixes: &["--client-certificate FILE"],
        fill: &[("--client-certificate FILE", "{folder}/client.pem")],
        ..ROW
    },
    bound_token_comes_unasked: Row {
        settings: &["dpop"],
        command: Command::Login,
        issuer: |it| "DPoP".clone_into(&mut it.behaviour.token_type),
        fault: "a DPoP token where a bearer token was asked for",
        fixes: &["--dpop"],
        serves: false,
        ..ROW
    },
    metadata_is_nowhere: Row {
        settings: &["endpoints"],
        issuer: |it| it.behaviour.metadata_at = Vec::new(),
        fault: "no-server-metadata",
        fixes: &["--authorization-endpoint URL --token-endpoint URL --registration-endpoint URL"],
        fill: &[
            ("--authorization-endpoint URL", "{issuer}/authorize"),
            ("--token-endpoint URL", "{issuer}/token"),
            ("--registration-endpoint URL", "{issuer}/register"),
        ],
        ..ROW
    },
    endpoint_is_relative: Row {
        settings: &[
            "endpoints.authorization",
            "endpoints.registration",
            "endpoints.revocation",
            "endpoints.token",
        ],
        behaviour: |it, _| set(it, "authorization_endpoint", "/authorize"),
        fault: "endpoint-refused",
        fixes: &["--authorization-endpoint {issuer}/authorize"],
        ..ROW
    },
    endpoint_is_relative_for_a_client_by_hand: Row {
        settings: &["endpoints.token"],
        issuer: |it| {
            it.clients = vec![by_hand("none")];
            it.behaviour.any_loopback_port = true;
            it.behaviour.registration = false;
        },
        behaviour: |it, _| set(it, "token_endpoint", "/token"),
        given: &["--client-id", "by-hand"],
        fault: "endpoint-refused",
        fixes: &["--token-endpoint {issuer}/token"],
        ..ROW
    },
    token_endpoint_was_given_alone: Row {
        settings: &["endpoints.registration"],
        command: Command::Login,
        behaviour: |it, _| set(it, "authorization_endpoint", "/authorize"),
        given: &["--token-endpoint", "{issuer}/token"],
        fault: "registers no clients by itself",
        fixes: &["--authorization-endpoint URL --registration-endpoint URL"],
        fill: &[
            ("--authorization-endpoint URL", "{issuer}/authorize"),
            ("--registration-endpoint URL", "{issuer}/register"),
        ],
        ..ROW
    },
    token_endpoint_was_given_alone_for_a_client_by_hand: Row {
        settings: &["client", "endpoints.authorization"],
        command: Command::Login,
        issuer: |it| {
            it.clients = vec![by_hand("none")];
            it.behaviour.any_loopback_port = true;
        },
        behaviour: |it, _| set(it, "authorization_endpoint", "/authorize"),
        given: &["--token-endpoint", "{issuer}/token"],
        fault: "registers no clients by itself",
        fixes: &["--client-id ID --authorization-endpoint URL"],
        fill: &[
            ("--authorization-endpoint URL", "{issuer}/authorize"),
            ("--client-id ID", "by-hand"),
        ],
        ..ROW
    },
    endpoints_redirect: Row {
        settings: &["endpoints.registration", "endpoints.token"],
        command: Command::Login,
        behaviour: |it, place| {
            set(it, "registration_endpoint", &place.text("{moved}/register"));
            set(it, "token_endpoint", &place.text("{moved}/token"));
        },
        fault: "{moved}/register leads to {issuer}/register, and requests there follow no redirect",
        fixes: &["--registration-endpoint {issuer}/register"],
        ..ROW
    },
    token_endpoint_redirects: Row {
        settings: &["endpoints.token"],
        command: Command::Login,
        behaviour: |it, place| set(it, "token_endpoint", &place.text("{moved}/token")),
        fault: "{moved}/token leads to {issuer}/token, and requests there follow no redirect",
        fixes: &["--token-endpoint {issuer}/token"],
        ..ROW
    },
    header_is_demanded: Row {
        settings: &["headers"],
        server: |it, _| {
            it.listen.required_header = Some(("x-gateway".to_owned(), "open".to_owned()));
        },
        fault: "forbidden",
        fixes: &["--header HEADER"],
        fill: &[("--header HEADER", "X-Gateway: open")],
        ..ROW
    },
    configured_issuer_is_not_listed: Row {
        settings: &["issuer"],
        given: &["--issuer", "https://other.example"],
        fault: "issuer-not-listed",
        fixes: &["--issuer {issuer}"],
        ..ROW
    },
    server_is_its_own_authorization_server: Row {
        settings: &["legacy_discovery"],
        server: |it, issuer| it.issuer_inside = Some(issuer.endpoints()),
        behaviour: |it, place| {
            let own = place.text("{server}");
            set(it, "issuer", &own);
            it.iss = IssParameter::Exactly(own);
        },
        protection: |it, _| it.authorization_servers = Vec::new(),
        fault: "no-authorization-server",
        fixes: &["--legacy-discovery"],
        ..ROW
    },
    pkce_is_not_advertised: Row {
        settings: &["pkce"],
        issuer: |it| it.behaviour.pkce_advertised = false,
        fault: "pkce-not-advertised",
        fixes: &["--assume-s256"],
        ..ROW
    },
    proxy_is_not_there: Row {
        settings: &["proxy"],
        given: &["--proxy", "http://127.0.0.1:{port}"],
        fault: "proxy-unreachable",
        fixes: &["--proxy URL"],
        fill: &[("--proxy URL", "none")],
        ..ROW
    },
    refresh_has_to_name_scopes: Row {
        settings: &["refresh_scope"],
        command: Command::Tools,
        behaviour: |it, _| {
            let refused = (
                "invalid_request",
                "AADSTS90009: Application is requesting a token for itself.",
            );
            let prefix = Some(String::new());
            it.parameter_rules = vec![rule(Refresh, "scope", prefix, refused)];
        },
        given: &["--scope", "a"],
        fault: "AADSTS90009",
        fixes: &["--refresh-scope"],
        ..ROW
    },
    metadata_is_at_another_url: Row {
        settings: &["resource_metadata_url"],
        protection: |it, place| {
            it.metadata_at = ResourceMetadataPath::At("/about".to_owned());
            let url = place.text("{server}/nothing-here");
            let challenge = format!("Bearer resource_metadata=\"{url}\"");
            it.challenge = hallpass_testkit::ChallengeStyle::Exactly(vec![challenge]);
        },
        fault: "no-resource-metadata",
        fixes: &["--resource-metadata-url URL"],
        fill: &[("--resource-metadata-url URL", "{server}/about")],
        ..ROW
    },
    scope_is_not_known: Row {
        settings: &["scopes"],
        command: Command::Login,
        issuer: |it| it.behaviour.scopes_supported = Some(vec!["a".to_owned()]),
        given: &["--scope", "mistyped"],
        fault: "invalid_scope",
        fixes: &["--scope SCOPES"],
        fill: &[("--scope SCOPES", "a")],
        ..ROW
    },
    issuer_has_another_url: Row {
        settings: &["server_metadata_url", "trusted_issuers"],
        protection: |it, place| {
            it.authorization_servers = vec![place.text("{issuer}/nowhere")];
        },
        fault: "no-server-metadata",
        fixes: &["--server-metadata-url URL", "--trusted-issuer {issuer}"],
        fill: &[(
            "--server-metadata-url URL",
            "{issuer}/.well-known/oauth-authorization-server",
        )],
        ..ROW
    },
    authority_is_not_known: Row {
        settings: &["trust"],
        server: |it, _| {
            it.listen = ListenOptions::new("MCP server").over_tls(CA.server().unwrap());
        },
        fault: "authority-unknown",
        fixes: &["--ca-certificate FILE"],
        fill: &[("--ca-certificate FILE", "{folder}/ca.pem")],
        ..ROW
    },
    document_names_another_issuer: Row {
        settings: &["trusted_issuers"],
        behaviour: |it, _| {
            set(it, "issuer", "https://other.example");
            it.iss = IssParameter::Exactly("https://other.example".to_owned());
        },
        fault: "issuer-mismatch",
        fixes: &["--trusted-issuer https://other.example"],
        ..ROW
    },
}
