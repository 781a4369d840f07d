use super::*;

#[track_caller]
fn check(one: &str, other: &str, expected: bool) {
    let parse = |host: &str| Url::parse(&format!("https://{host}/x")).unwrap();
    for (one, other) in [(one, other), (other, one)] {
        let found = is_one_site(&parse(one), &parse(other));
        assert_eq!(found, expected, "{one} and {other}");
    }
}

#[test]
fn hosts_of_real_servers_are_one_site() {
    check("github.com", "github.com", true);
    check("as.example:8443", "AS.example.", true);
    check("mcp.atlassian.com", "cf.mcp.atlassian.com", true);
    check("www.figma.com", "api.figma.com", true);
    check("slack.com", "mcp.slack.com", true);
    check("auth.example.co.uk", "api.example.co.uk", true);
    check("example.com.au", "login.example.com.au", true);
    // The owner of a domain has the names below it, also of one that is short or in a shared top level.
    check("example.dev", "api.example.dev", true);
    check(
        "login.microsoftonline.com",
        "login.microsoftonline.com",
        true,
    );
}

#[test]
fn hosts_of_this_machine_are_one_site() {
    check("127.0.0.1:1", "127.0.0.1:2", true);
    check("127.0.0.1", "localhost", true);
    check("[::1]", "a.localhost", true);
    check("127.0.0.1", "as.example", false);
    check("10.0.0.1", "10.0.0.2", false);
    check("10.0.0.1:1", "10.0.0.1:2", true);
    check("[fd00::1]", "[fd00::2]", false);
}

#[test]
fn hosts_of_strangers_are_two_sites() {
    check("accounts.google.com", "oauth2.googleapis.com", false);
    check("as.example", "evil.example", false);
    check("as.example", "as.example.evil.example", false);
    check("example.com", "notexample.com", false);
    check("honest.com", "evil.com", false);
    check("honest.co.uk", "evil.co.uk", false);
    check("honest.com.au", "evil.com.au", false);
    check("honest.gouv.fr", "evil.gouv.fr", false);
    check("honest.github.io", "evil.github.io", false);
    check("github.io", "evil.github.io", false);
    check("honest.azurewebsites.net", "evil.azurewebsites.net", false);
    check("honest.eu.auth0.com", "evil.eu.auth0.com", false);
    check(
        "honest.execute-api.eu-west-1.amazonaws.com",
        "evil.execute-api.eu-west-1.amazonaws.com",
        false,
    );
    check("honest.workers.dev", "evil.workers.dev", false);
    check("honest-uc.a.run.app", "evil-uc.a.run.app", false);
    check("honest.up.railway.app", "evil.up.railway.app", false);
    check("honest.pages.dev", "evil.vercel.app", false);
    check("as", "as", true);
    check("honest.lan", "evil.lan", false);
}
