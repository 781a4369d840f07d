use serde_json::Value;
use url::Url;

use super::*;
use crate::{
    AccessToken, AuthScheme, ClientId, ClientSecret, RefreshToken, RegistrationAccessToken,
    Resource, Scopes, ServerMetadata, ServerUrl, SettingsFingerprint, Timestamp,
    record::{
        Grant, GrantKind, PendingRefresh, PostEnd, Refusal, Registration, RegistrationManagement,
        RegistrationOrigin, SignInCause, State,
    },
};

fn key() -> CredentialKey {
    CredentialKey::new(ServerUrl::parse("https://mcp.example.com/mcp").unwrap())
}

fn record(issuer: &str) -> Record {
    let metadata = ServerMetadata::new(Issuer::parse(issuer).unwrap());
    let mut record = Record::new(key(), metadata, SettingsFingerprint::default());
    let mut registration =
        Registration::new(RegistrationOrigin::Dynamic, ClientId::new("client-1"));
    registration.client_secret = Some(ClientSecret::new("secret-1"));
    registration.grant_types = Some(vec!["authorization_code".to_owned()]);
    registration.declined_grant_types = vec!["refresh_token".to_owned()];
    registration.proven_at = Some(Timestamp::from_unix_seconds(900));
    registration.management = Some(RegistrationManagement {
        uri: Url::parse("https://as.example/register/1").unwrap(),
        token: RegistrationAccessToken::new("manage-1"),
    });
    record.registration = Some(registration);
    let mut grant = Grant::new(
        GrantKind::AuthorizationCode,
        AccessToken::new("access-1"),
        Timestamp::from_unix_seconds(1_000),
    );
    grant.refresh_token = Some(RefreshToken::new("refresh-1"));
    grant.resource = Some(Resource::parse("http://localhost:3000").unwrap());
    grant.requested_scopes = Scopes::from_server("a b");
    record.grant = Some(grant);
    record.state = State::SignedIn;
    record.sign_ins = 3;
    record
}

/// A pending refresh with a value in every field.
fn pending_refresh() -> PendingRefresh {
    let at = Timestamp::from_unix_seconds;
    let mut pending_refresh = PendingRefresh::new(at(7), at(900));
    pending_refresh.last = at(8);
    pending_refresh.posts = 2;
    pending_refresh.ended = PostEnd::Refused;
    pending_refresh.refusal = Some(Box::new(Refusal {
        status: 400,
        code: Some("invalid_target".to_owned()),
        description: Some("not here".to_owned()),
        count: 3,
        since: Some(at(6)),
        settings: "0123".to_owned(),
    }));
    pending_refresh
}

#[test]
fn pending_refresh_of_an_older_version_is_paused_for_some_seconds() {
    let mut document = CredentialDocument::empty(key());
    let mut saved = record("https://as.example");
    saved.pending_refresh = Some(pending_refresh());
    let _ = document.save(&saved, None);
    let mut json: Value = serde_json::from_slice(&document.encode()).unwrap();
    let old = json.pointer_mut("/records/0/fence").unwrap();
    *old = serde_json::json!({"posts": 1, "since": 7});
    let read = CredentialDocument::decode(json.to_string().as_bytes()).unwrap();
    let at = Timestamp::from_unix_seconds;
    let expected = PendingRefresh::new(at(7), at(14));
    assert_eq!(read.active().unwrap().pending_refresh, Some(expected));
}

#[test]
fn refusal_of_an_older_version_is_since_the_last_post() {
    let mut document = CredentialDocument::empty(key());
    let mut saved = record("https://as.example");
    saved.pending_refresh = Some(pending_refresh());
    let _ = document.save(&saved, None);
    let since = |document: &CredentialDocument| {
        let pending_refresh = document.active().unwrap().pending_refresh.clone();
        pending_refresh.unwrap().refused_since()
    };
    let at = Timestamp::from_unix_seconds;
    assert_eq!(since(&document), Some(at(6)));
    let mut json: Value = serde_json::from_slice(&document.encode()).unwrap();
    let refusal = json.pointer_mut("/records/0/fence/refusal").unwrap();
    refusal.as_object_mut().unwrap().remove("since").unwrap();
    let read = CredentialDocument::decode(json.to_string().as_bytes()).unwrap();
    assert_eq!(since(&read), Some(at(8)));
}

#[test]
fn encoded_document_is_decoded_unchanged() {
    let mut document = CredentialDocument::empty(key());
    let mut saved = record("https://as.example");
    saved.pending_refresh = Some(pending_refresh());
    saved.state = State::SignInRequired(SignInCause::RefreshOutcomeUnknown);
    assert_eq!(
        document.save(&saved, None),
        Saved::Written(Generation::new(1))
    );
    let read = CredentialDocument::decode(&document.encode()).unwrap();
    assert_eq!(read, document);
    let grant = read.active().unwrap().grant.as_ref().unwrap();
    assert_eq!(
        grant.resource.as_ref().unwrap().as_str(),
        "http://localhost:3000"
    );
    assert_eq!(grant.refresh_token.as_ref().unwrap().expose(), "refresh-1");
}

#[test]
fn save_with_another_generation_is_a_conflict() {
    let mut document = CredentialDocument::empty(key());
    let record = record("https://as.example");
    let first = Generation::new(1);
    assert_eq!(
        document.save(&record, Some(first)),
        Saved::Conflict { found: None }
    );
    assert_eq!(document.save(&record, None), Saved::Written(first));
    let before = document.clone();
    let mut other = record;
    other.sign_ins += 1;
    assert_eq!(
        document.save(&other, None),
        Saved::Conflict { found: Some(first) }
    );
    assert_eq!(document, before);
}

#[test]
fn removed_record_is_not_restored_and_its_generation_not_used_again() {
    let mut document = CredentialDocument::empty(key());
    let record = record("https://as.example");
    let _ = document.save(&record, None);
    assert!(document.remove(&record.issuer));
    assert!(!document.remove(&record.issuer));
    let first = Some(Generation::new(1));
    assert_eq!(
        document.save(&record, first),
        Saved::Conflict { found: None }
    );
    assert_eq!(
        document.save(&record, None),
        Saved::Written(Generation::new(2))
    );
}

#[test]
fn sign_ins_survive_a_rewrite_and_are_none_where_an_older_version_wrote() {
    let mut document = CredentialDocument::empty(key());
    let _ = document.save(&record("https://as.example"), None);
    let bytes = document.encode();
    let read = CredentialDocument::decode(&bytes).unwrap();
    assert_eq!(read.records()[0].sign_ins, 3);
    let mut json: Value = serde_json::from_slice(&bytes).unwrap();
    let old = json.pointer_mut("/records/0").unwrap();
    old.as_object_mut().unwrap().remove("sign_ins").unwrap();
    let read = CredentialDocument::decode(&serde_json::to_vec(&json).unwrap()).unwrap();
    assert_eq!(read.records()[0].sign_ins, 0);
}

#[test]
fn record_saved_last_is_active() {
    let mut document = CredentialDocument::empty(key());
    let one = record("https://one.example");
    let other = record("https://one.example/");
    let _ = document.save(&one, None);
    let _ = document.save(&other, None);
    assert_eq!(document.active().unwrap().issuer, other.issuer);
    assert_eq!(
        document.records().len(),
        2,
        "issuers that differ by a slash differ"
    );
    let _ = document.save(&one, Some(Generation::new(1)));
    assert_eq!(document.active().unwrap().issuer, one.issuer);
    let order = |document: &CredentialDocument| -> Vec<_> {
        let records = document.to_records().into_iter();
        records.map(|record| record.issuer).collect()
    };
    assert_eq!(order(&document), [one.issuer.clone(), other.issuer.clone()]);
    let _ = document.save(&other, Some(Generation::new(2)));
    assert_eq!(order(&document), [other.issuer, one.issuer]);
}

#[test]
fn record_with_an_issuer_refused_today_is_kept_and_can_be_removed() {
    let mut document = CredentialDocument::empty(key());
    let _ = document.save(&record("https://other.example"), None);
    let _ = document.save(&record("https://as.example/ISSUER"), None);
    let json = String::from_utf8(document.encode().to_vec()).unwrap();
    let json = json.replace("ISSUER", "\\u001b]0;t\\u0007\u{9b}\u{202e}");
    let mut read = CredentialDocument::decode(json.as_bytes()).unwrap();
    assert_eq!(read.records().len(), 2);
    let active = read.active().unwrap().clone();
    let text = "https://as.example/\u{1b}]0;t\u{7}\u{9b}\u{202e}";
    assert_eq!(active.issuer.as_str(), text);
    assert_eq!(active.metadata.issuer, active.issuer);
    assert_eq!(CredentialDocument::decode(&read.encode()).unwrap(), read);
    assert!(read.remove(&active.issuer));
    assert_eq!(read.records().len(), 1);
}

#[test]
fn unknown_fields_survive_a_rewrite_at_every_level() {
    let mut document = CredentialDocument::empty(key());
    let mut saved = record("https://as.example");
    saved.pending_refresh = Some(pending_refresh());
    let _ = document.save(&saved, None);
    let mut json: Value = serde_json::from_slice(&document.encode()).unwrap();
    let marks = [
        "/x",
        "/records/0/x",
        "/records/0/grant/x",
        "/records/0/registration/x",
        "/records/0/fence/x",
    ];
    for mark in marks {
        let (parent, key) = mark.rsplit_once('/').unwrap();
        json.pointer_mut(parent).unwrap()[key] = Value::from(mark);
    }
    json["records"][0]["metadata"]["x"] = Value::from("kept");
    let mut read = CredentialDocument::decode(json.to_string().as_bytes()).unwrap();
    let kept = read.active().unwrap().clone();
    // A newer version may keep a secret there.
    let shown = format!("{read:?}");
    assert!(
        !shown.contains("/grant/x") && !shown.contains("/registration/x"),
        "{shown}"
    );
    assert!(
        !shown.contains("\"/x\"") && !shown.contains("/records/0/x"),
        "{shown}"
    );
    assert!(shown.contains("unknown: {\"x\"}"), "{shown}");
    let _ = read.save(&kept, Some(kept.generation));
    let again: Value = serde_json::from_slice(&read.encode()).unwrap();
    for mark in marks {
        assert_eq!(again.pointer(mark), Some(&Value::from(mark)));
    }
    assert_eq!(again["records"][0]["metadata"]["x"], "kept");
}

#[test]
fn newer_document_and_truncated_document_are_different_errors() {
    let newer = br#"{"version": 2, "records": "of another shape"}"#;
    assert_eq!(
        CredentialDocument::decode(newer),
        Err(DocumentError::Newer { version: 2 })
    );
    let document = {
        let mut document = CredentialDocument::empty(key());
        let _ = document.save(&record("https://as.example"), None);
        document.encode()
    };
    for end in [0, 1, document.len() / 2, document.len() - 1] {
        let error = CredentialDocument::decode(&document[..end]).unwrap_err();
        assert!(matches!(error, DocumentError::Malformed { .. }), "{error}");
    }
}

#[test]
fn document_error_holds_no_content() {
    let json = br#"{"version": 1, "server": "canary", "profile": "p", "records": [], "last_generation": 1}"#;
    let error = CredentialDocument::decode(json).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
}

/// The words of the format. When a match here is no longer exhaustive: the new value raises
/// [`VERSION`], and gets its line in the table below.
fn words(record: &Record) -> String {
    let state = match record.state {
        State::Registered => "registered",
        State::SignedIn => "signed-in",
        State::OutcomeUnknown => "outcome-unknown",
        State::SignInRequired(ref cause) => match cause {
            SignInCause::RefreshRefused => "sign-in-needed refresh-refused",
            SignInCause::RefreshOutcomeUnknown => "sign-in-needed refresh-outcome-unknown",
            SignInCause::NoRefreshToken => "sign-in-needed no-refresh-token",
            SignInCause::SettingsChanged => "sign-in-needed settings-changed",
            SignInCause::IssuerChanged => "sign-in-needed issuer-changed",
            SignInCause::TokenRefused => "sign-in-needed token-refused",
            SignInCause::SignedOut => "sign-in-needed signed-out",
        },
    };
    let grant = record.grant.as_ref().unwrap();
    let kind = match grant.kind {
        GrantKind::AuthorizationCode => "authorization-code",
        GrantKind::DeviceCode => "device-code",
        GrantKind::ClientCredentials => "client-credentials",
        GrantKind::JwtBearer => "jwt-bearer",
    };
    let scheme = match grant.scheme {
        AuthScheme::Bearer => "Bearer",
        AuthScheme::Dpop => "DPoP",
    };
    let origin = match record.registration.as_ref().unwrap().origin {
        RegistrationOrigin::PreRegistered => "pre-registered",
        RegistrationOrigin::MetadataDocument => "metadata-document",
        RegistrationOrigin::Dynamic => "dynamic",
    };
    format!("{state}, {kind}, {scheme}, {origin}")
}

#[test]
fn known_values_are_read_and_unknown_values_are_damage() {
    assert_eq!(VERSION, 1, "a new version gets a table of its own");
    let mut document = CredentialDocument::empty(key());
    let _ = document.save(&record("https://as.example"), None);
    let written: Value = serde_json::from_slice(&document.encode()).unwrap();
    for (place, values) in [
        (
            "state",
            &["registered", "signed-in", "outcome-unknown"] as &[_],
        ),
        (
            "cause",
            &[
                "refresh-refused",
                "refresh-outcome-unknown",
                "no-refresh-token",
                "settings-changed",
                "issuer-changed",
                "token-refused",
                "signed-out",
            ],
        ),
        (
            "grant/kind",
            &[
                "authorization-code",
                "device-code",
                "client-credentials",
                "jwt-bearer",
            ],
        ),
        ("grant/scheme", &["Bearer", "DPoP"]),
        (
            "registration/origin",
            &["pre-registered", "metadata-document", "dynamic"],
        ),
    ] {
        let with = |value: &str| {
            let mut json = written.clone();
            let record = &mut json["records"][0];
            if place == "cause" {
                record["state"] = Value::from("sign-in-needed");
                record["cause"] = Value::from(value);
            } else {
                *record.pointer_mut(&format!("/{place}")).unwrap() = Value::from(value);
            }
            CredentialDocument::decode(json.to_string().as_bytes())
        };
        for value in values {
            let read = with(value).unwrap();
            let words = words(&read.records()[0]);
            assert!(words.contains(value), "{place}: {value}: {words}");
            let again: Value = serde_json::from_slice(&read.encode()).unwrap();
            assert!(again.to_string().contains(&format!("\"{value}\"")));
        }
        let error = with("of-a-newer-version").unwrap_err();
        assert!(matches!(error, DocumentError::Malformed { .. }), "{place}");
    }
}

#[test]
fn generation_from_a_sequence_is_used_unless_it_is_an_earlier_one() {
    let generation = |number| Generation::new(number);
    let mut document = CredentialDocument::empty(key());
    let record = record("https://as.example");
    let saved = document.save_as(&record, None, generation(70));
    assert_eq!(saved, Saved::Written(generation(70)));
    let mut next = record.clone();
    next.sign_ins += 1;
    let saved = document.save_as(&next, Some(generation(70)), generation(12));
    assert_eq!(saved, Saved::Written(generation(71)));
    next.sign_ins += 1;
    let saved = document.save(&next, Some(generation(71)));
    assert_eq!(saved, Saved::Written(generation(72)));
}

#[test]
fn repeated_save_is_recognized_only_for_the_active_record_without_a_pending_refresh() {
    let mut document = CredentialDocument::empty(key());
    let (record, other) = (
        record("https://as.example"),
        record("https://other.example"),
    );
    let first = Generation::new(1);
    for _ in 0..2 {
        assert_eq!(document.save(&record, None), Saved::Written(first));
    }
    // The other issuer's record is the active one now, and the repeated save would change that.
    assert_eq!(document.save(&other, None), Saved::Written(first.next()));
    let conflict = Saved::Conflict { found: Some(first) };
    assert_eq!(document.save(&record, None), conflict);

    let mut document = CredentialDocument::empty(key());
    let mut marked = record;
    marked.pending_refresh = Some(pending_refresh());
    assert_eq!(document.save(&marked, None), Saved::Written(first));
    assert_eq!(document.save(&marked, None), conflict);
}

#[test]
fn attempt_is_noted_once_in_the_record_that_it_is_for() {
    let at = Timestamp::from_unix_seconds;
    let mut document = CredentialDocument::empty(key());
    let record = record("https://as.example");
    let attempt = |generation, posts| RefreshAttempt {
        issuer: record.issuer.clone(),
        generation: Generation::new(generation),
        posts,
        last: at(100 * i64::from(posts)),
        not_before: at(100 * i64::from(posts) + 7),
    };
    assert!(!document.mark(&attempt(1, 1)));
    let _ = document.save(&record, None);
    assert!(!document.mark(&attempt(2, 1)));
    assert!(document.mark(&attempt(1, 1)));
    assert!(!document.mark(&attempt(1, 1)));
    // After two posts, of which the first is known in columns alone.
    assert!(document.mark(&attempt(1, 3)));
    let marked = document.active().unwrap();
    assert_eq!(marked.state, State::OutcomeUnknown);
    assert_eq!(marked.generation, Generation::new(1));
    let pending = marked.pending_refresh.as_ref().unwrap();
    assert_eq!((pending.posts, pending.ended), (3, PostEnd::Unknown));
    assert_eq!(
        (pending.since, pending.last, pending.not_before),
        (at(100), at(300), at(307))
    );
    assert_eq!(pending.refusal, None);
}

#[test]
fn tenant_survives_and_a_document_without_one_is_as_before() {
    let subject = crate::Subject::new("user").unwrap();
    let tenant = crate::Tenant::new("acme\u{202e}").unwrap();
    let key = key().with_subject(subject.with_tenant(tenant));
    let document = CredentialDocument::empty(key.clone());
    let read = CredentialDocument::decode(&document.encode()).unwrap();
    assert_eq!(read.key(), &key);
    let plain = CredentialDocument::empty(self::key()).encode();
    let json: Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!((json.get("tenant"), json.get("subject")), (None, None));
}
