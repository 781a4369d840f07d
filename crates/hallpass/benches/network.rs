//! What finding the way to a sign-in costs: time of this machine, and requests to others.
//!
//! Prints `ROW<tab>VALUE<tab>UNIT` for `cargo xtask bench network`; the targets are in
//! `xtask/bench-targets.json`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark talks to whoever runs it, and ends where it fails"
)]

use std::{hint::black_box, time::Duration};

use bytes::Bytes;
use hallpass::{
    BoxFuture, Clock, HttpClient, ServerSettings, ServerUrl, SystemClock, block_on,
    http::{Body, HttpError, RequestOptions},
    http_client::{Client, HttpConfig},
};
use hallpass_discovery::{Discovery, challenges};
use hallpass_testkit::MetadataPath;
use http::{HeaderMap, HeaderValue, Request, Response, header};

#[path = "../tests/it/counting.rs"]
mod counting;
#[path = "../tests/it/fixture.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod fixture;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    times(&runtime);
    runtime.block_on(requests());
}

fn times(runtime: &tokio::runtime::Runtime) {
    let usual = headers(&[USUAL]);
    let nanoseconds = median(1000, || challenges(black_box(&usual)));
    row("parse a challenge", nanoseconds, "ns");

    let long = hostile();
    let nanoseconds = median(10, || challenges(black_box(&long)));
    row(
        "parse 64 KiB of hostile challenges",
        nanoseconds / 1e3,
        "us",
    );

    let world = Documents;
    let settings = ServerSettings::default();
    let discovery = Discovery {
        http: &world,
        clock: &SystemClock,
        settings: &settings,
    };
    let server = ServerUrl::parse("https://mcp.example/mcp").unwrap();
    let read = challenges(&usual);
    let nanoseconds = median(50, || block_on(discovery.run(&server, &read)).unwrap());
    row("discover, network at no cost", nanoseconds / 1e3, "us");

    // Two exchanges on connections that stand, over loopback.
    let fixture = runtime.block_on(fixture::Fixture::new());
    let http = Client::new(HttpConfig::default());
    let http = http.unwrap();
    let discovery = Discovery {
        http: &http,
        clock: &SystemClock,
        settings: &settings,
    };
    let server = ServerUrl::parse(&fixture.server.url()).unwrap();
    let nanoseconds = median(10, || {
        let run = discovery.run(&server, &[]);
        runtime.block_on(run).unwrap()
    });
    row("discover over loopback", nanoseconds / 1e3, "us");
}

async fn requests() {
    let (early, late) = counting::warm_start().await;
    let rows = [
        ("requests of a first login", counting::first_login().await),
        (
            "requests with a client metadata document",
            counting::login_with_metadata_document().await,
        ),
        (
            "requests of a client registered by hand",
            counting::login_of_known_client().await,
        ),
        (
            "requests of a client registered before",
            counting::login_of_registered_client().await,
        ),
        (
            "requests with a pushed request",
            counting::login_with_pushed_request().await,
        ),
        (
            "requests after one OpenID fallback",
            counting::login_after_fallbacks(MetadataPath::OpenIdInserted).await,
        ),
        (
            "requests after two OpenID fallbacks",
            counting::login_after_fallbacks(MetadataPath::OpenIdAppended).await,
        ),
        ("OAuth requests before a warm start's first call", early),
        ("OAuth requests after a warm start's first call", late),
    ];
    for (name, count) in rows {
        println!("{name}\t{count}\trequests");
    }
}

fn row(name: &str, value: f64, unit: &str) {
    println!("{name}\t{value:.1}\t{unit}");
}

/// The median over 101 samples of the time that one call takes, in nanoseconds.
fn median<T>(calls: u32, mut run: impl FnMut() -> T) -> f64 {
    let mut samples: Vec<Duration> = (0..101)
        .map(|_| {
            let start = SystemClock.monotonic();
            for _ in 0..calls {
                black_box(run());
            }
            SystemClock.monotonic().saturating_sub(start) / calls
        })
        .collect();
    samples.sort_unstable();
    samples[samples.len() / 2].as_secs_f64() * 1e9
}

const USUAL: &str = "Bearer realm=\"mcp\", error=\"invalid_token\", error_description=\"the token \
                     expired\", scope=\"mcp:read mcp:write\", resource_metadata=\
                     \"https://mcp.example/.well-known/oauth-protected-resource/mcp\"";

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_str(value).unwrap();
        headers.append(header::WWW_AUTHENTICATE, value);
    }
    headers
}

/// Text that makes a careless reader look at everything again and again.
fn hostile() -> HeaderMap {
    let parts = [
        "Bearer a=\"\\\"",
        "Bearer ====,,",
        "x=\"",
        "DPoP scope=\"a b",
    ];
    let parts = parts.map(|part| part.repeat((16 << 10) / part.len()));
    headers(&parts.each_ref().map(String::as_str))
}

/// The two documents of a usual server, in no time.
#[derive(Debug)]
struct Documents;

impl HttpClient for Documents {
    fn open(
        &self,
        request: Request<Bytes>,
        _: RequestOptions,
    ) -> BoxFuture<'_, Result<Response<Body>, HttpError>> {
        let document = if request.uri().host() == Some("mcp.example") {
            r#"{"resource": "https://mcp.example/mcp", "resource_name": "Example",
                "authorization_servers": ["https://as.example"],
                "scopes_supported": ["mcp:read", "mcp:write"],
                "bearer_methods_supported": ["header"]}"#
        } else {
            r#"{"issuer": "https://as.example",
                "authorization_endpoint": "https://as.example/authorize",
                "token_endpoint": "https://as.example/token",
                "registration_endpoint": "https://as.example/register",
                "revocation_endpoint": "https://as.example/revoke",
                "jwks_uri": "https://as.example/jwks",
                "response_types_supported": ["code"],
                "scopes_supported": ["mcp:read", "mcp:write", "offline_access"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true}"#
        };
        Box::pin(async move { Ok(Response::new(Body::whole(document))) })
    }
}
