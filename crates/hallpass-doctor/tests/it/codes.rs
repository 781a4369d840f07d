//! The list of codes, and what is made of it.

use std::{collections::BTreeSet, fs, path::Path};

use hallpass_doctor::Code;

#[test]
fn codes_are_unique_words() {
    let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words.len(), Code::ALL.len());
    for word in words {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(word.chars().all(fits), "{word}");
    }
    for code in Code::ALL {
        assert!(!code.explanation().ends_with('.'), "{}", code.as_str());
        assert!(!code.spec().is_empty(), "{}", code.as_str());
    }
}

/// A code that no report shows is untested.
#[test]
fn every_code_is_in_a_report() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports");
    let mut reports = String::new();
    let mut files = 0;
    for file in fs::read_dir(folder).unwrap() {
        reports += &fs::read_to_string(file.unwrap().path()).unwrap();
        files += 1;
    }
    let missing: Vec<_> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|word| !reports.contains(&format!(" `{word}`, ")))
        .collect();
    assert_eq!(missing, [""; 0]);
    assert!(files >= 30, "{files} reports");
}

/// What goes wrong most with MCP servers and OAuth, and the reports that tell of it.
const PROBLEMS: &[(&str, &[&str])] = &[
    (
        "refreshes at once revoke the whole family of tokens",
        &[
            "refresh-outcome-unknown",
            "sign-in-required-after-a-refresh",
        ],
    ),
    (
        "a sign-in is wanted every hour",
        &[
            "no-refresh-token",
            "no-refresh-grant",
            "client-secret-expired",
            "sign-in-required-without-refresh-token",
        ],
    ),
    (
        "a passing fault looks like the end",
        &[
            "refresh-failed",
            "metadata-unavailable",
            "metadata-provisional",
            "server-unavailable",
            "too-many-requests",
        ],
    ),
    (
        "`resource` is missing, altered or refused",
        &[
            "resource-mismatch",
            "resource-setting",
            "resource-changed",
            "refresh-failed-for-the-resource",
            "refresh-failed-for-the-resource-at-entra",
        ],
    ),
    (
        "a registered client does not fit",
        &[
            "no-registration",
            "client-unusable",
            "registration-forgotten",
            "registration-outdated",
            "refresh-failed-for-the-client",
        ],
    ),
    (
        "the key of the credentials is out of reach",
        &["store-key-gone", "store-key-locked", "store-keyring-gone"],
    ),
    (
        "a private authority, a client certificate, a proxy",
        &[
            "certificate-authority-unknown",
            "certificate-authority-unknown-at-the-issuer",
            "client-certificate-wanted",
            "private-authority",
            "proxy-refuses",
            "proxy-unreachable",
            "tls-failed",
        ],
    ),
    ("`iss` does not come", &["iss-not-promised"]),
    (
        "an odd issuer, or no discovery at all",
        &[
            "issuer-mismatch",
            "issuer-changed",
            "no-server-metadata",
            "no-resource-metadata",
            "legacy-discovery",
            "odd-metadata",
        ],
    ),
    (
        "scopes are wrong or too few",
        &["scope-not-known", "insufficient-scope"],
    ),
    (
        "signing out revokes nothing",
        &["no-revocation-endpoint", "signed-out"],
    ),
    (
        "a 401 without a challenge, a 403 that is no matter of scopes",
        &[
            "no-challenge",
            "other-scheme-only",
            "forbidden-with-a-token",
        ],
    ),
    (
        "a fresh token is refused too",
        &["fresh-token-refused", "token-for-another-audience"],
    ),
    (
        "hostile metadata",
        &[
            "address-refused",
            "address-refused-of-the-issuer",
            "endpoint-refused",
            "endpoint-refused-for-it-is-no-web-page",
            "challenge-refused",
            "metadata-too-large",
            "redirect-refused-of-metadata",
        ],
    ),
    (
        "the clock is wrong",
        &["clock-skew", "clock-skew-that-is-grave"],
    ),
];

#[test]
fn each_known_problem_has_its_reports() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports");
    for (problem, reports) in PROBLEMS {
        for report in *reports {
            let file = folder.join(format!("{report}.txt"));
            assert!(file.is_file(), "{problem}: {report}");
        }
    }
}
