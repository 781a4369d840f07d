//! What holds for every `WWW-Authenticate`, from any server.

use hallpass_core::{AuthScheme, Challenge, Scopes};
use hallpass_discovery::{challenges, print_challenge};
use http::{HeaderMap, HeaderValue, header};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn read(value: &[u8]) -> Vec<Challenge> {
    let mut map = HeaderMap::new();
    match HeaderValue::from_bytes(value) {
        Ok(value) => map.append(header::WWW_AUTHENTICATE, value),
        Err(_) => return Vec::new(),
    };
    challenges(&map)
}

/// Any text that a header can carry.
fn text() -> impl Strategy<Value = String> {
    r#"([ -~äß€]|["\\,=]|Bearer |scope=){0,12}"#
}

fn challenge() -> impl Strategy<Value = Challenge> {
    (
        select(vec![AuthScheme::Bearer, AuthScheme::Dpop]),
        option::of(text()),
        option::of(vec("[!#-\\[\\]-~]{1,6}", 0..4)),
        option::of(text()),
        option::of(text()),
        option::of(text()),
        vec("[A-Za-z0-9]{1,5}", 0..3),
    )
        .prop_map(
            |(scheme, metadata, scope, error, description, realm, algs)| {
                let mut challenge = Challenge::new(scheme);
                challenge.resource_metadata = metadata;
                challenge.scope = scope.map(|scope| Scopes::from_server(&scope.join(" ")));
                challenge.error = error;
                challenge.error_description = description;
                challenge.realm = realm;
                challenge.algs = algs;
                challenge
            },
        )
}

/// A challenge of a scheme that is not ours, with ours in its strings.
fn foreign() -> impl Strategy<Value = String> {
    let quoted = text().prop_map(|text| text.replace('\\', "\\\\").replace('"', "\\\""));
    prop_oneof![
        Just("Negotiate".to_owned()),
        "Negotiate [A-Za-z0-9+/]{1,8}={0,2}",
        quoted.prop_map(|realm| format!("Digest realm=\"{realm}\", scope=\"evil\"")),
    ]
}

proptest! {
    #[test]
    fn challenge_of_any_bytes_is_read_without_panic(value in vec(any::<u8>(), 0..80)) {
        read(&value);
    }

    #[test]
    fn challenge_of_any_syntax_is_read_the_same_after_printing(
        value in r#"(Bearer|DPoP|Basic|scope|realm|[ \t,="\\]|[a-z/@é]){0,40}"#,
    ) {
        // What was read once is read the same again after printing.
        for challenge in read(value.as_bytes()) {
            prop_assert_eq!(read(print_challenge(&challenge).as_bytes()), [challenge]);
        }
    }

    #[test]
    fn printed_challenge_is_read_back(challenge in challenge()) {
        prop_assert_eq!(read(print_challenge(&challenge).as_bytes()), [challenge]);
    }

    #[test]
    fn challenges_of_one_header_do_not_mix(
        ours in vec((challenge(), option::of(foreign())), 0..4),
        spaces in " {0,2}",
    ) {
        let mut elements = Vec::new();
        for (challenge, foreign) in &ours {
            elements.push(print_challenge(challenge));
            elements.extend(foreign.clone());
        }
        let header = elements.join(&format!(",{spaces}"));
        let expected: Vec<Challenge> = ours.into_iter().map(|(challenge, _)| challenge).collect();
        prop_assert_eq!(read(header.as_bytes()), expected);
    }
}
