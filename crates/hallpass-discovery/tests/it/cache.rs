//! Metadata kept for as long as its server says (RFC 9111 §5.2.2), and read again when asked to.

use std::time::Duration;

use hallpass_discovery::{CacheMode, MetadataCache};
use hallpass_testkit::{ScriptedResponse, resource_metadata_json, server_metadata_json};

use crate::fixture::{AS, Fixture, MCP, PATH_PRM, challenged, pointed};

fn cached(headers: &[(&'static str, &str)]) -> Fixture {
    let case = pointed();
    put(&case, headers, "https://as.example");
    case.issuer(AS, "https://as.example")
}

/// Publishes resource metadata that names this issuer.
fn put(case: &Fixture, headers: &[(&'static str, &str)], issuer: &str) {
    let response = ScriptedResponse::new(200).with_chunk(resource_metadata_json(MCP, &[issuer]));
    let response = headers.iter().fold(response, |response, (name, value)| {
        response.with_header(*name, *value)
    });
    case.network.put(PATH_PRM, response);
}

#[track_caller]
fn check(headers: &[(&'static str, &str)], fresh_seconds: u64) {
    let case = cached(headers);
    let cache = MetadataCache::new();
    case.run_with(CacheMode::Cached(&cache)).unwrap();
    assert_eq!(case.network.take_asked(), [PATH_PRM, AS]);
    if fresh_seconds > 0 {
        // Still fresh just before, stale just after.
        case.network
            .pass(Duration::from_millis(fresh_seconds * 1000 - 50));
        let found = case.run_with(CacheMode::Cached(&cache)).unwrap();
        assert_eq!(case.network.take_asked(), [AS], "{headers:?}");
        assert!(found.attempts[0].from_cache());
        assert_eq!(
            found.attempts[0].to_string(),
            format!("protected resource metadata at {PATH_PRM}: 200 from the cache, used")
        );
        case.network.pass(Duration::from_millis(50));
    }
    case.run_with(CacheMode::Cached(&cache)).unwrap();
    assert_eq!(case.network.take_asked(), [PATH_PRM, AS], "{headers:?}");
}

#[test]
fn cached_document_is_fresh_as_its_headers_say() {
    check(&[], 0);
    check(&[("cache-control", "max-age=60")], 60);
    check(
        &[("cache-control", "public, Max-Age=60, must-revalidate")],
        60,
    );
    check(
        &[
            ("cache-control", "public"),
            ("cache-control", "max-age=\"60\""),
        ],
        60,
    );
    check(&[("cache-control", "max-age=60, max-age=600")], 60);
    check(&[("cache-control", "max-age=60"), ("age", "20")], 40);
    check(&[("cache-control", "max-age=60"), ("age", "60")], 0);
    check(&[("cache-control", "max-age=60"), ("vary", "accept")], 60);
    check(&[("cache-control", "max-age=60"), ("vary", "*")], 0);
    check(&[("cache-control", "max-age=0")], 0);
    check(&[("cache-control", "max-age=-5")], 0);
    check(&[("cache-control", "max-age=soon")], 0);
    check(&[("cache-control", "max-age=60, no-store")], 0);
    check(&[("cache-control", "no-cache, max-age=60")], 0);
    check(&[("cache-control", "s-maxage=60")], 0);
    check(&[("expires", "Thu, 01 Dec 2044 16:00:00 GMT")], 0);
    // A day at most.
    check(&[("cache-control", "max-age=31536000")], 86_400);
    check(&[("cache-control", "max-age=18446744073709551615")], 86_400);
}

const LASTING: &[(&str, &str)] = &[("cache-control", "max-age=3600")];

#[test]
fn refresh_skips_the_cache_and_replaces_its_document() {
    let case = cached(LASTING);
    let cache = MetadataCache::new();
    case.run_with(CacheMode::Cached(&cache)).unwrap();
    // The server moves to another authorization server.
    put(&case, LASTING, "https://new.example");
    let new = "https://new.example/.well-known/oauth-authorization-server";
    let case = case.issuer(new, "https://new.example");
    let stale = case.run_with(CacheMode::Cached(&cache)).unwrap();
    assert_eq!(stale.server.issuer.as_str(), "https://as.example");
    case.network.take_asked();
    let refreshed = case.run_with(CacheMode::Refresh(&cache)).unwrap();
    assert_eq!(refreshed.server.issuer.as_str(), "https://new.example");
    assert_eq!(case.network.take_asked(), [PATH_PRM, new]);
    let kept = case.run_with(CacheMode::Cached(&cache)).unwrap();
    assert_eq!(kept.server.issuer.as_str(), "https://new.example");
    assert_eq!(case.network.take_asked(), [new]);
    // Without a cache nothing is kept, and nothing kept is used.
    case.run().unwrap();
    assert_eq!(case.network.take_asked(), [PATH_PRM, new]);
}

#[test]
fn document_that_is_gone_leaves_the_cache() {
    let case = cached(LASTING);
    let cache = MetadataCache::new();
    case.run_with(CacheMode::Cached(&cache)).unwrap();
    case.network.remove(PATH_PRM);
    case.run_with(CacheMode::Refresh(&cache)).unwrap_err();
    case.network.take_asked();
    case.run_with(CacheMode::Cached(&cache)).unwrap_err();
    assert_eq!(case.network.take_asked(), [PATH_PRM]);
    // By hand, too.
    put(&case, LASTING, "https://as.example");
    case.run_with(CacheMode::Cached(&cache)).unwrap();
    cache.clear();
    case.network.take_asked();
    case.run_with(CacheMode::Cached(&cache)).unwrap();
    assert_eq!(case.network.take_asked(), [PATH_PRM, AS]);
}

#[test]
fn cached_document_is_checked_at_each_use() {
    let case = cached(LASTING);
    let cache = MetadataCache::new();
    case.run_with(CacheMode::Cached(&cache)).unwrap();
    let other = case.server("https://mcp.example/other");
    let error = other.run_with(CacheMode::Cached(&cache)).unwrap_err();
    assert!(error.to_string().contains("the path differs"), "{error}");
}

#[test]
fn cache_keeps_documents_alone_and_is_bounded() {
    let cache = MetadataCache::new();
    let case = pointed();
    let page = |body: &str| {
        ScriptedResponse::new(200)
            .with_header("cache-control", "max-age=60")
            .with_chunk(body.to_owned())
    };
    case.network.put(PATH_PRM, page("<html>"));
    case.run_with(CacheMode::Cached(&cache)).unwrap_err();
    assert_eq!(format!("{cache:?}"), "MetadataCache { documents: 0 }");
    let read = |number: u32, later: u64| {
        let server = format!("https://mcp.example/{number}");
        let at = format!("https://mcp.example/.well-known/oauth-protected-resource/{number}");
        let case = challenged().server(&server);
        let document = resource_metadata_json(&server, &["https://as.example"]);
        case.network.put(&at, page(&document));
        let document = server_metadata_json("https://as.example");
        case.network.put(AS, page(&document));
        case.network.pass(Duration::from_secs(later));
        case.run_with(CacheMode::Cached(&cache)).unwrap();
    };
    for number in 0..300 {
        read(number, 0);
    }
    assert_eq!(format!("{cache:?}"), "MetadataCache { documents: 256 }");
    // What is stale makes room.
    read(300, 61);
    assert_eq!(format!("{cache:?}"), "MetadataCache { documents: 2 }");
}
