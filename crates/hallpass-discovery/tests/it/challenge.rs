//! What servers send as `WWW-Authenticate`, and what it is read as.

use hallpass_core::{AuthScheme, Challenge};
use hallpass_discovery::{challenges, print_challenge};
use http::{HeaderMap, HeaderValue, header};

/// Expects these headers to be read as challenges that print like this, one a line.
#[track_caller]
fn check(headers: &[&str], expected: &[&str]) {
    let read = read(headers.iter().map(|text| text.as_bytes()));
    let printed: Vec<String> = read.iter().map(print_challenge).collect();
    assert_eq!(printed, expected, "{headers:?}");
}

fn read<'a>(headers: impl Iterator<Item = &'a [u8]>) -> Vec<Challenge> {
    let mut map = HeaderMap::new();
    for value in headers {
        map.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_bytes(value).unwrap(),
        );
    }
    challenges(&map)
}

#[test]
fn single_challenge_is_read() {
    check(&[], &[]);
    check(&[""], &[]);
    check(&[" , ,\t,"], &[]);
    check(&["Bearer"], &["Bearer"]);
    check(&["bearer"], &["Bearer"]);
    check(&["BEARER "], &["Bearer"]);
    check(&["DPoP"], &["DPoP"]);
    check(&["dpop"], &["DPoP"]);
    check(&["Bearer,"], &["Bearer"]);
    check(&[r#"Bearer realm="x""#], &[r#"Bearer realm="x""#]);
    check(&["Bearer realm=x"], &[r#"Bearer realm="x""#]);
    check(&[r#"Bearer realm="""#], &[r#"Bearer realm="""#]);
    check(&[r#"Bearer   realm="x""#], &[r#"Bearer realm="x""#]);
    check(&["Bearer\trealm=x"], &[r#"Bearer realm="x""#]);
    check(&[r#"Bearer realm = "x""#], &[r#"Bearer realm="x""#]);
    check(&[r#"Bearer REALM="x""#], &[r#"Bearer realm="x""#]);
    check(&[r#"Bearer , realm="x""#], &[r#"Bearer realm="x""#]);
}

#[test]
fn challenge_parameters_are_read_in_any_order() {
    const ALL: &str = "Bearer realm=\"r\", error=\"invalid_token\", error_description=\"d\", \
                       scope=\"a b\", resource_metadata=\"https://m/\"";
    check(&[ALL], &[ALL]);
    check(
        &[
            "Bearer resource_metadata=\"https://m/\", scope=\"b a\", error_description=\"d\", \
           error=\"invalid_token\", realm=\"r\"",
        ],
        &[ALL],
    );
    check(
        &[
            "Bearer a=b, realm=\"r\",error=invalid_token,x=\"y\", error_description=d ,scope=\"a b\", \
           resource_metadata=\"https://m/\", z=\"\"",
        ],
        &[ALL],
    );
    check(&["Bearer x=y"], &["Bearer"]);
    check(
        &["DPoP algs=\"ES256 EdDSA\", error=\"use_dpop_nonce\""],
        &["DPoP error=\"use_dpop_nonce\", algs=\"ES256 EdDSA\""],
    );
    check(&["Bearer scope=\"\""], &["Bearer scope=\"\""]);
    check(&["Bearer scope=\"a  a b\""], &["Bearer scope=\"a b\""]);
    check(&["Bearer scope=\"a b\\\"c d\""], &["Bearer scope=\"a d\""]);
}

#[test]
fn repeated_challenge_parameter_counts_once() {
    check(&["Bearer realm=a, realm=b"], &["Bearer realm=\"a\""]);
    check(&["Bearer scope=a, Scope=b"], &["Bearer scope=\"a\""]);
    check(&["DPoP algs=ES256, algs=RS256"], &["DPoP algs=\"ES256\""]);
    check(
        &["Bearer resource_metadata=\"https://a/\", resource_metadata=\"https://evil/\""],
        &["Bearer resource_metadata=\"https://a/\""],
    );
}

#[test]
fn quoted_string_is_read() {
    check(&[r#"Bearer realm="a, b""#], &[r#"Bearer realm="a, b""#]);
    check(
        &[r#"Bearer realm="a \"b\" c""#],
        &[r#"Bearer realm="a \"b\" c""#],
    );
    check(&[r#"Bearer realm="C:\\x""#], &[r#"Bearer realm="C:\\x""#]);
    check(&[r#"Bearer realm="\a\b""#], &[r#"Bearer realm="ab""#]);
    check(&["Bearer realm=\"a\tb\""], &["Bearer realm=\"a\tb\""]);
    check(&[r#"Bearer realm="a=b""#], &[r#"Bearer realm="a=b""#]);
    // Nothing inside of a quoted string is syntax.
    check(
        &[r#"Bearer realm="x, scope=\"evil\", Bearer error=evil", error="real""#],
        &[r#"Bearer realm="x, scope=\"evil\", Bearer error=evil", error="real""#],
    );
    check(
        &[r#"Bearer error_description="set scope=admin", scope="read""#],
        &[r#"Bearer error_description="set scope=admin", scope="read""#],
    );
    // A value that was cut off is worse than none.
    check(&[r#"Bearer error="e", realm="x"#], &[r#"Bearer error="e""#]);
    check(&[r#"Bearer realm="x\"#], &["Bearer"]);
    check(&[r#"Bearer realm=""#], &["Bearer"]);
    // Text that is not ASCII.
    check(&["Bearer realm=\"Zürich\""], &["Bearer realm=\"Zürich\""]);
    let read = read([&b"Bearer realm=\"\xff\""[..]].into_iter());
    assert_eq!(read[0].realm.as_deref(), Some("\u{fffd}"));
}

#[test]
fn challenges_of_several_headers_are_read() {
    check(
        &["Bearer realm=a", "DPoP algs=ES256"],
        &["Bearer realm=\"a\"", "DPoP algs=\"ES256\""],
    );
    check(
        &["Bearer realm=a, DPoP algs=ES256"],
        &["Bearer realm=\"a\"", "DPoP algs=\"ES256\""],
    );
    check(
        &["DPoP algs=ES256, Bearer"],
        &["DPoP algs=\"ES256\"", "Bearer"],
    );
    check(&["Bearer, DPoP"], &["Bearer", "DPoP"]);
    check(
        &["Bearer,DPoP,Bearer error=e"],
        &["Bearer", "DPoP", "Bearer error=\"e\""],
    );
    check(
        &["Basic realm=\"x\"", "Bearer scope=s"],
        &["Bearer scope=\"s\""],
    );
    check(
        &["Basic realm=\"x\", Bearer scope=s"],
        &["Bearer scope=\"s\""],
    );
    check(
        &["Bearer scope=s, Basic realm=\"x\""],
        &["Bearer scope=\"s\""],
    );
    check(
        &["Digest realm=\"d\", nonce=\"n\", qop=\"auth,auth-int\", Bearer error=e, Basic realm=b"],
        &["Bearer error=\"e\""],
    );
    check(&["Basic realm=\"Bearer scope=x\""], &[]);
    check(&["Basic realm=\"x\", scope=\"y\""], &[]);
    check(&["BearerX realm=a"], &[]);
    check(&["X-Bearer realm=a, Bearer"], &["Bearer"]);
}

#[test]
fn token68_challenge_is_left_out() {
    check(&["Negotiate"], &[]);
    check(&["Negotiate, Bearer"], &["Bearer"]);
    check(&["Negotiate YWJj, Bearer"], &["Bearer"]);
    check(
        &["Negotiate YWJj==, Bearer realm=a"],
        &["Bearer realm=\"a\""],
    );
    check(&["NTLM TlRMTVNTUAAC/+a= , Bearer"], &["Bearer"]);
    check(&["Bearer YWJj=="], &["Bearer"]);
    check(&["Bearer YWJj, error=e"], &["Bearer error=\"e\""]);
    check(&["Bearer realm="], &["Bearer"]);
    check(&["Bearer scope=, error=e"], &["Bearer error=\"e\""]);
}

#[test]
fn challenge_outside_the_grammar_is_read() {
    // Values that should have been quoted.
    check(
        &["Bearer resource_metadata=https://m/.well-known/x?a=b, scope=s"],
        &["Bearer scope=\"s\", resource_metadata=\"https://m/.well-known/x?a=b\""],
    );
    check(
        &["Bearer scope=a b, error=e"],
        &["Bearer error=\"e\", scope=\"a\""],
    );
    // Commas that are missing, or too many.
    check(
        &["Bearer realm=\"a\" error=\"e\""],
        &["Bearer realm=\"a\", error=\"e\""],
    );
    check(
        &["Bearer realm=\"a\"error=\"e\""],
        &["Bearer realm=\"a\", error=\"e\""],
    );
    check(
        &["Bearer realm=a,,, error=e,"],
        &["Bearer realm=\"a\", error=\"e\""],
    );
    // What belongs to nothing that could be read belongs to no challenge of ours.
    check(&["scope=evil, Bearer"], &["Bearer"]);
    check(&["Bearer: realm=a"], &[]);
    check(
        &["Bearer realm=a, Foo@1 x=y, scope=evil"],
        &["Bearer realm=\"a\""],
    );
    check(&["Bearer foo bar=baz, error=e"], &["Bearer error=\"e\""]);
    check(&["\"Bearer scope=evil\", Bearer"], &["Bearer"]);
    check(&["Bearer @, error=e"], &["Bearer error=\"e\""]);
    check(&["=, Bearer"], &["Bearer"]);
    check(&["Bearer \"x, y\", error=e"], &["Bearer error=\"e\""]);
}

#[test]
fn challenge_of_a_real_server_is_read() {
    check(
        &[
            "Bearer error=\"invalid_request\", error_description=\"No access token was provided in \
           this request\", resource_metadata=\"https://api.example/.well-known/\
           oauth-protected-resource/mcp/\"",
        ],
        &[
            "Bearer error=\"invalid_request\", error_description=\"No access token was provided in \
           this request\", resource_metadata=\"https://api.example/.well-known/\
           oauth-protected-resource/mcp/\"",
        ],
    );
    check(
        &[
            "Bearer realm=\"OAuth\", error=\"invalid_token\"",
            "DPoP error=\"invalid_token\", \
           algs=\"RS256 PS256 ES256\"",
        ],
        &[
            "Bearer realm=\"OAuth\", error=\"invalid_token\"",
            "DPoP error=\"invalid_token\", algs=\"RS256 PS256 ES256\"",
        ],
    );
    check(
        &[
            "Bearer scope=\"mcp:write\", resource_metadata=\"http://localhost:1/p\", \
           error=\"insufficient_scope\"",
        ],
        &["Bearer error=\"insufficient_scope\", scope=\"mcp:write\", \
           resource_metadata=\"http://localhost:1/p\""],
    );
    check(
        &[
            "Bearer authorization_uri=\"https://login.example/common\", \
           client_id=\"00000003-0000-0000-c000-000000000000\", realm=\"\"",
        ],
        &["Bearer realm=\"\""],
    );
}

#[test]
fn insufficient_scope_is_read() {
    let read = read([&b"Bearer error=\"insufficient_scope\", scope=\"a b\""[..]].into_iter());
    assert_eq!(read[0].scheme, AuthScheme::Bearer);
    assert!(read[0].is_insufficient_scope());
    assert_eq!(read[0].scope.as_ref().unwrap().to_string(), "a b");
}
