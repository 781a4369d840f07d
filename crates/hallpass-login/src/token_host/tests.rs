use super::*;

#[track_caller]
fn check(page: &str, token: &str, expected: bool) {
    let parse = |host: &str| Url::parse(&format!("https://{host}/x")).unwrap();
    let found = is_of_token_host(&parse(page), &parse(token));
    assert_eq!(found, expected, "{page} and {token}");
}

#[test]
fn equal_hosts_have_one_operator() {
    check("github.com", "github.com", true);
    check("as.example:8443", "AS.example.", true);
    check("as", "as", true);
    check("10.0.0.1:1", "10.0.0.1:2", true);
}

#[test]
fn page_below_the_token_host_has_its_operator() {
    check("login.example.com", "example.com", true);
    check("a.b.example.com.", "Example.com", true);
    check("example.com", "login.example.com", false);
    check("notexample.com", "example.com", false);
    check("as.com", "com", false);
    check("10.0.0.1", "0.0.1", false);
}

#[test]
fn hosts_of_this_machine_have_one_operator() {
    check("127.0.0.1:1", "127.0.0.1:2", true);
    check("127.0.0.1", "localhost", true);
    check("[::1]", "a.localhost", true);
    check("127.0.0.1", "as.example", false);
    check("10.0.0.1", "10.0.0.2", false);
    check("[fd00::1]", "[fd00::2]", false);
}

#[test]
fn other_hosts_may_have_two_operators() {
    check("accounts.google.com", "oauth2.googleapis.com", false);
    check("as.example", "as.example.evil.example", false);
    check("www.figma.com", "api.figma.com", false);
    check("login.honest.uk.com", "evil.uk.com", false);
    check("honest.okta-gov.com", "evil.okta-gov.com", false);
    check("honest.azureedge.net", "evil.azureedge.net", false);
    check(
        "honest.usw2.devtunnels.ms",
        "evil.usw2.devtunnels.ms",
        false,
    );
    check("honest.kawasaki.jp", "evil.kawasaki.jp", false);
}
