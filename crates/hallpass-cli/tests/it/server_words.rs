//! What a server says about an error: shown on a line of its own, as the server's, and never with what
//! the request carried, however the server repeats it.

use base64::{Engine, engine::general_purpose};
use hallpass::settings::TokenEndpointAuthMethod;
use hallpass_testkit::{
    AuthorizationServerOptions, Endpoint, Fault, LeakCheck, PlannedFault, StaticClient, When,
};
use serde_json::json;
use tokio::process::Command;
use url::form_urlencoded;

use crate::{
    program::{Fixture, Output},
    proxy::Host,
};

const GATEWAY: [&str; 2] = ["--header", "X-Key: ${GATEWAY_KEY}"];
const BY_HAND: [&str; 4] = [
    "--client-id",
    "by-hand",
    "--client-secret-env",
    "CLIENT_SECRET",
];
const WORDS: &str = "wrong request to 'https://as.example/x?y=1'";

/// A server that repeats the whole request in each of its errors.
#[derive(Clone, Copy)]
struct Echo {
    media_type: &'static str,
    write: fn(&str) -> String,
}

const ECHOES: [Echo; 8] = [
    Echo {
        media_type: "text/plain",
        write: |request| format!("{WORDS}: {}", request.replace("\r\n", " ")),
    },
    Echo {
        media_type: "application/json",
        write: |request| description(&format!("{WORDS}\n{request}")),
    },
    Echo {
        media_type: "application/json",
        write: |request| description(&json!({ "1": WORDS, "2": request }).to_string()),
    },
    Echo {
        media_type: "application/json",
        write: |request| {
            let encoded: String = form_urlencoded::byte_serialize(request.as_bytes()).collect();
            description(&format!("{WORDS}: {encoded}"))
        },
    },
    Echo {
        media_type: "application/problem+json",
        write: |request| {
            let encoded = general_purpose::STANDARD.encode(request);
            json!({ "title": "no", "detail": format!("{WORDS} {encoded}"), "request": request })
                .to_string()
        },
    },
    Echo {
        media_type: "application/json",
        write: |request| {
            let body = request.rsplit("\r\n").next().unwrap_or_default();
            let encoded = general_purpose::URL_SAFE_NO_PAD.encode(format!("x{request}{body}"));
            json!({ "error": { "message": format!("{WORDS} {encoded}") }, "input": request })
                .to_string()
        },
    },
    Echo {
        media_type: "text/html",
        write: |request| format!("<html><title>{WORDS} {request}</title><p>{request}"),
    },
    // A JSON-RPC error, whatever was asked.
    Echo {
        media_type: "application/json",
        write: |request| {
            let error = json!({
                "code": -32602,
                "message": format!("{WORDS}: {request}"),
                "data": { "request": request },
            });
            json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string()
        },
    },
];

fn description(text: &str) -> String {
    json!({ "error": "invalid_request", "error_description": text, "body": text }).to_string()
}

impl Echo {
    fn fault(self, status: u16) -> Fault {
        Fault::Echo {
            status,
            media_type: self.media_type,
            write: self.write,
        }
    }
}

struct Planted {
    fixture: Fixture,
    leaks: LeakCheck,
    client_secret: String,
    gateway_key: String,
    /// How the client that is registered by hand authenticates.
    method: TokenEndpointAuthMethod,
    /// The options of every run.
    verbosity: &'static [&'static str],
    said: Vec<String>,
}

impl Planted {
    async fn new(method: TokenEndpointAuthMethod, verbosity: &'static [&'static str]) -> Self {
        let mut leaks = LeakCheck::new();
        let client_secret = leaks.canary("client secret");
        let gateway_key = leaks.canary("gateway key");
        let mut options = AuthorizationServerOptions::default();
        options.behaviour.any_loopback_port = true;
        options.behaviour.registration_management = true;
        options.clients = vec![StaticClient {
            id: "by-hand".to_owned(),
            secret: Some(client_secret.clone()),
            auth_method: method.clone(),
            redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        }];
        Self {
            fixture: Fixture::with(options, |_| {}).await,
            leaks,
            client_secret,
            gateway_key,
            method,
            verbosity,
            said: Vec::new(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.fixture.command(&[self.verbosity, arguments].concat());
        command
            .env("CLIENT_SECRET", &self.client_secret)
            .env("GATEWAY_KEY", &self.gateway_key);
        command
    }

    async fn run(&mut self, arguments: &[&str]) -> Output {
        let ended = self.fixture.sign_in(self.command(arguments)).await;
        self.said.push(format!("{}{}", ended.stdout, ended.stderr));
        ended
    }

    async fn login(&mut self, options: &[&str]) -> Output {
        let url = self.fixture.url();
        let login = ["login", &url, "--no-browser"];
        self.run(&[&login, options, &GATEWAY].concat()).await
    }

    async fn login_by_hand(&mut self) -> Output {
        let method = self.method.to_string();
        let options = [&BY_HAND[..], &["--token-endpoint-auth-method", &method]];
        self.login(&options.concat()).await
    }

    /// Lets the MCP server repeat each request.
    fn plan_echo(&self, echo: Echo, status: u16) {
        self.fixture.server.plan(vec![PlannedFault {
            endpoint: Endpoint::Mcp,
            when: When::Always,
            fault: echo.fault(status),
        }]);
    }

    fn check_leaks(mut self) {
        let (issuer, server) = (&self.fixture.issuer, &self.fixture.server);
        self.leaks.watch_record(issuer.recorder(), &["state"]);
        self.leaks.watch_record(server.recorder(), &["state"]);
        assert!(self.leaks.watched() >= 6);
        for text in &self.said {
            let leak = self.leaks.check("what the program said", text);
            assert!(leak.is_ok(), "{leak:?}: {text}");
        }
    }
}

/// That the server's words are in the error, on a line of their own.
#[track_caller]
fn check_words(failed: &Output) {
    assert_ne!(failed.code, 0, "{failed:?}");
    let words = failed
        .stderr
        .lines()
        .any(|line| line.starts_with("  the server says: \"") && line.contains(WORDS));
    assert!(words, "{failed:?}");
}

/// Each request that fails, at a server that repeats it.
async fn check(echo: Echo, method: TokenEndpointAuthMethod, verbosity: &'static [&'static str]) {
    let mut planted = Planted::new(method, verbosity).await;
    let url = planted.fixture.url();
    let fail = |planted: &Planted, endpoint, status| {
        planted.fixture.issuer.once(endpoint, echo.fault(status));
    };
    fail(&planted, Endpoint::Registration, 403);
    let refused = planted.login(&[]).await;
    check_words(&refused);
    fail(&planted, Endpoint::CodeExchange, 400);
    let refused = planted.login_by_hand().await;
    check_words(&refused);

    planted.login_by_hand().await.expect(0);
    for status in [400, 403, 429, 500] {
        planted.plan_echo(echo, status);
        let refused = planted.run(&["call", &url, "ping"]).await;
        check_words(&refused);
        let refused = planted.run(&["tools", &url]).await;
        check_words(&refused);
    }
    planted.fixture.server.plan(Vec::new());
    planted.fixture.issuer.expire_access_tokens();
    fail(&planted, Endpoint::Refresh, 400);
    let refused = planted.run(&["call", &url, "ping"]).await;
    check_words(&refused);
    planted.run(&["status", &url]).await;

    planted.login_by_hand().await.expect(0);
    for _ in 0..3 {
        fail(&planted, Endpoint::Revocation, 400);
    }
    planted.run(&["logout", &url]).await;
    planted.login(&[]).await.expect(0);
    fail(&planted, Endpoint::Registration, 403);
    planted.run(&["logout", &url, "--forget-client"]).await;
    planted.check_leaks();
}

const LEVELS: [&[&str]; 5] = [&[], &["-v"], &["-vv"], &["-vvv"], &["--json", "-vvv"]];

#[tokio::test]
async fn echoed_request_with_basic_credentials_shows_words_and_no_secret() {
    for (at, echo) in ECHOES[..4].iter().enumerate() {
        let method = TokenEndpointAuthMethod::ClientSecretBasic;
        check(*echo, method, LEVELS[at]).await;
    }
}

#[tokio::test]
async fn echoed_request_with_a_secret_in_its_body_shows_words_and_no_secret() {
    for (at, echo) in ECHOES[4..].iter().enumerate() {
        let method = TokenEndpointAuthMethod::ClientSecretPost;
        check(*echo, method, LEVELS[4 - at]).await;
    }
}

#[tokio::test]
async fn echoed_request_reaches_the_host_of_a_proxy_without_secrets() {
    let method = TokenEndpointAuthMethod::ClientSecretBasic;
    let mut planted = Planted::new(method, &[]).await;
    planted.fixture.login(&[]).await.expect(0);
    let mut host = Host::start(&planted.fixture, &[]);
    host.open().await;
    for (id, echo) in (1..).zip(ECHOES) {
        for status in [200, 403, 500] {
            planted.plan_echo(echo, status);
            let answer = host.ping(id).await.to_string();
            assert!(answer.contains(WORDS), "{status}: {answer}");
            planted.said.push(answer);
        }
    }
    planted.check_leaks();
}

#[tokio::test]
async fn error_that_looks_like_lines_of_the_program_is_one_line_of_the_server() {
    let fixture = Fixture::new().await;
    let body =
        description("no\"\r\nhint: run `curl evil`\n  hint: \u{1b}[2Jor this\u{2028}error: x");
    fixture.issuer.once(
        Endpoint::CodeExchange,
        Fault::Answer {
            status: 400,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body,
        },
    );
    let refused = fixture.login(&[]).await;
    let lines: Vec<_> = refused
        .stderr
        .lines()
        .filter(|line| line.contains("run `curl"))
        .collect();
    let expected = r#"  the server says: "no" hint: run `curl evil` hint: [2Jor this error: x""#;
    assert_eq!(lines, [expected], "{refused:?}");
}
