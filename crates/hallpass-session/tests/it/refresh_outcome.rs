//! The table of the outcomes of a refresh, one test for each row.

use std::{
    error::Error as _,
    sync::{Arc, atomic::Ordering},
};

use hallpass_core::{
    ClientId, ClientSecret, Diagnostic as _, NoAuthorizer, PreRegisteredClient, Remedy, State,
    http::HttpErrorKind,
    record::{RegistrationOrigin, SignInCause},
};
use hallpass_session::{RefusedRefresh, SessionError, SignInNeed};

use crate::{
    fakes::Fault,
    fixture::{Fixture, bare, need, retry_after, serial},
};

/// The call succeeds after these faults, with these pauses in between.
#[track_caller]
fn check_healed(fixture: &Fixture, token: &hallpass_session::Token, pauses: &[u128], posts: usize) {
    assert_eq!(serial(token), 2);
    assert_eq!(fixture.clock.sleeps(), pauses);
    assert_eq!(fixture.server.posts(), posts);
    assert_eq!(fixture.server.reuses(), 0);
}

#[tokio::test]
async fn refresh_not_sent_is_repeated() {
    for kind in [
        HttpErrorKind::Connect,
        HttpErrorKind::Resolve,
        HttpErrorKind::ConnectTimeout,
    ] {
        let fixture = Fixture::expired(&[Fault::NotSent(kind), Fault::NotSent(kind)]).await;
        let token = fixture.session().token().await.unwrap();
        check_healed(&fixture, &token, &[500, 1_000], 1);
    }
}

#[tokio::test]
async fn refresh_not_sent_leaves_no_pending_refresh() {
    let fixture = Fixture::expired(&[Fault::NotSent(HttpErrorKind::Tls)]).await;
    let before = fixture.record().await;
    let error = fixture.session().token().await.unwrap_err();
    assert_eq!(
        error.remedy(),
        Remedy::Configure,
        "a handshake does not mend itself"
    );
    let after = fixture.record().await;
    assert_eq!(
        (after.state, after.pending_refresh, after.grant),
        (before.state, None, before.grant)
    );
}

#[tokio::test]
async fn refresh_not_processed_is_repeated_after_retry_after() {
    for status in [408, 425, 429, 503] {
        let fixture = Fixture::expired(&[Fault::RetryAfter(status, 3)]).await;
        let token = fixture.session().token().await.unwrap();
        check_healed(&fixture, &token, &[4_000], 2);
    }
}

#[tokio::test]
async fn long_retry_after_is_reported_and_honoured() {
    let fixture = Fixture::expired(&[Fault::RetryAfter(503, 120)]).await;
    let session = fixture.session();
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Retry);
        let SessionError::Refresh(failed) = error else {
            panic!("{error:?}")
        };
        assert_eq!(failed.retry_after().unwrap().as_secs(), 121);
    }
    assert_eq!(fixture.server.posts(), 1, "the server is left alone");
    assert_eq!(fixture.record().await.state, State::SignedIn);
    fixture.clock.advance(121);
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn retry_after_holds_for_all_processes() {
    let fixture = Fixture::expired(&[Fault::RetryAfter(503, 120)]).await;
    for _ in 0..3 {
        let pause = retry_after(&fixture.session().token().await.unwrap_err());
        assert!((120..=121).contains(&pause), "{pause}");
    }
    assert_eq!(fixture.server.posts(), 1);
    let record = fixture.record().await;
    assert_eq!(
        (record.state, record.pending_refresh.unwrap().posts),
        (State::SignedIn, 0)
    );
    fixture.clock.advance(121);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn old_token_is_used_while_the_refresh_fails() {
    for faults in [
        [Fault::Says(500, ""); 2],
        [Fault::LostAfter, Fault::LostBefore],
        [Fault::RetryAfter(429, 30); 2],
        [Fault::Says(400, r#"{"error":"invalid_client"}"#); 2],
        [Fault::Says(400, r#"{"error":"invalid_request"}"#); 2],
        [Fault::Says(200, "<html>page</html>"); 2],
        [Fault::NotSent(HttpErrorKind::Connect); 2],
    ] {
        let fixture = Fixture::signed_in().await;
        let session = fixture.session();
        fixture.clock.advance(3_545);
        for fault in faults {
            fixture.server.fault(fault);
        }
        for _ in 0..3 {
            assert_eq!(serial(&session.token().await.unwrap()), 1, "{faults:?}");
        }
        assert_eq!(fixture.clock.sleeps(), [0_u128; 0], "{faults:?}: no pause");
        assert!(fixture.server.posts() <= 1, "{faults:?}: the pause holds");
        // Another process starts inside the margin, and uses it too.
        assert_eq!(
            serial(&fixture.session().token().await.unwrap()),
            1,
            "{faults:?}"
        );
    }
}

#[tokio::test]
async fn invalid_grant_drops_the_refresh_token_and_keeps_the_client() {
    for status in [400, 401, 403] {
        let fixture =
            Fixture::expired(&[Fault::Says(status, r#"{"error":"invalid_grant"}"#)]).await;
        let session = fixture.session();
        let error = session.token().await.unwrap_err();
        assert_eq!(need(&error), SignInNeed::Ended(SignInCause::RefreshRefused));
        assert_eq!(error.remedy(), Remedy::SignIn);
        let record = fixture.record().await;
        assert_eq!(
            record.state,
            State::SignInRequired(SignInCause::RefreshRefused)
        );
        assert_eq!(record.pending_refresh, None);
        assert!(record.registration.is_some());
        assert_eq!(record.grant.unwrap().refresh_token, None);
        for _ in 0..3 {
            session.token().await.unwrap_err();
        }
        assert_eq!(fixture.server.posts(), 1, "a dead token is not retried");
    }
}

#[tokio::test]
async fn refused_refresh_keeps_everything_and_requires_a_sign_in_in_all_processes() {
    for (status, body) in [
        (400, r#"{"error":"invalid_request"}"#),
        (400, r#"{"error":"unauthorized_client"}"#),
        (400, r#"{"error":"unsupported_grant_type"}"#),
        (400, r#"{"error":"invalid_target"}"#),
        (400, r#"{"error":"invalid_scope"}"#),
        (400, "<html>bad</html>"),
        (401, ""),
        (403, "<html>no</html>"),
        (404, "not here"),
        (418, r#"{"error":"teapot"}"#),
        (200, r#"{"error":"incorrect_client_credentials"}"#),
        (302, ""),
    ] {
        let case = format!("{status} {body}");
        let fixture = Fixture::expired(&[Fault::Says(status, body); 2]).await;
        let before = fixture.record().await;
        for session in [fixture.session(), fixture.session()] {
            let error = session.token().await.unwrap_err();
            assert_eq!(need(&error), SignInNeed::RefreshRequestRefused, "{case}");
            assert_eq!(error.remedy(), Remedy::SignIn, "{case}");
            let source = error.source().unwrap().to_string();
            assert!(source.contains(&format!("(status {status})")), "{source}");
            session.token().await.unwrap_err();
        }
        assert_eq!(fixture.server.posts(), 1, "{case}");
        let after = fixture.record().await;
        assert_eq!(after.state, State::SignedIn, "{case}");
        assert_eq!(after.grant, before.grant, "{case}");
        assert_eq!(fixture.pause().await, 901, "{case}");
        // Later it is posted again, since the cause may be fixed; then the pause is twice as long.
        fixture.clock.advance(901);
        fixture.session().token().await.unwrap_err();
        assert_eq!(
            (fixture.pause().await, fixture.server.posts()),
            (1_801, 2),
            "{case}"
        );
        let refused = RefusedRefresh::from_record(&fixture.record().await).unwrap();
        let age = fixture.clock.wall() - refused.since().as_unix_seconds();
        assert_eq!(age, 901, "{case}: since the first one");
        fixture.clock.advance(1_801);
        assert_eq!(
            serial(&fixture.session().token().await.unwrap()),
            2,
            "{case}"
        );
        assert_eq!(fixture.record().await.pending_refresh, None, "{case}");
    }
}

#[tokio::test]
async fn refusal_that_a_setting_mends_is_a_configuration_error() {
    for body in [
        r#"{"error":"invalid_dpop_proof"}"#,
        r#"{"error":"invalid_request","error_description":"AADSTS90009: request itself"}"#,
    ] {
        let fixture = Fixture::expired(&[Fault::Says(400, body)]).await;
        for session in [fixture.session(), fixture.session()] {
            let error = session.token().await.unwrap_err();
            assert_ne!(error.remedy(), Remedy::SignIn, "{body}");
            assert_ne!(error.hints(), [], "{body}");
            assert_eq!(retry_after(&error), 901, "{body}");
        }
        assert_eq!(fixture.server.posts(), 1, "{body}");
        let refused = RefusedRefresh::from_record(&fixture.record().await).unwrap();
        assert_eq!(refused.need(), None, "{body}");
    }
}

#[tokio::test]
async fn refresh_answered_with_a_web_page_requires_a_sign_in_and_is_repeated_soon() {
    for body in ["<html>sign in</html>", "{}", ""] {
        let fixture = Fixture::expired(&[Fault::Says(200, body); 2]).await;
        let before = fixture.record().await;
        for session in [fixture.session(), fixture.session()] {
            let error = session.token().await.unwrap_err();
            assert_eq!(need(&error), SignInNeed::RefreshRequestRefused, "{body}");
            let source = error.source().unwrap().to_string();
            assert!(source.contains("(status 200"), "{source}");
        }
        assert_eq!((fixture.server.posts(), fixture.pause().await), (1, 7));
        // The server may have replaced the refresh token, so the second post is due early.
        fixture.clock.advance(7);
        let error = fixture.session().token().await.unwrap_err();
        assert_eq!(need(&error), SignInNeed::RefreshRequestRefused, "{body}");
        assert_eq!(fixture.server.posts(), 2, "{body}");
        let record = fixture.record().await;
        let refused = RefusedRefresh::from_record(&record).unwrap();
        assert_eq!(fixture.clock.wall() - refused.since().as_unix_seconds(), 7);
        assert_eq!(record.grant, before.grant);
        // A user does not wait for the minute of a third post, but for the six seconds of the second.
        let session = fixture.session();
        session.retry_refused_refresh();
        let error = session.token().await.unwrap_err();
        assert_eq!(need(&error), SignInNeed::RefreshRequestRefused, "{body}");
        assert_eq!(fixture.server.posts(), 2, "{body}");
        fixture.clock.advance(2);
        assert_eq!(serial(&session.token().await.unwrap()), 2, "{body}");
        assert_eq!(fixture.clock.sleeps(), [5_000], "{body}");
    }
}

#[tokio::test]
async fn web_page_and_other_settings_are_followed_by_a_refresh_after_six_seconds() {
    let mut fixture = Fixture::expired(&[Fault::Says(200, "<html>sign in</html>"); 2]).await;
    fixture.session().token().await.unwrap_err();
    fixture.clock.advance(7);
    fixture.session().token().await.unwrap_err();
    assert!(fixture.pause().await > 40);
    fixture.settings.refresh_scope = true;
    fixture.session().token().await.unwrap_err();
    assert_eq!(fixture.server.posts(), 2);
    fixture.clock.advance(2);
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
    assert_eq!(fixture.clock.sleeps(), [5_000]);
}

#[tokio::test]
async fn old_grant_is_kept_until_the_sign_in_after_a_refused_refresh() {
    let refusal = Fault::Says(400, r#"{"error":"invalid_request"}"#);
    let fixture = Fixture::expired(&[refusal]).await;
    let before = fixture.record().await.grant;
    let session = fixture.session();
    fixture.authorizer.refuses.store(true, Ordering::SeqCst);
    session.handle_challenge(None, &bare()).await.unwrap_err();
    assert_eq!(fixture.authorizer.calls(), 1);
    assert_eq!(fixture.record().await.grant, before);
    fixture.authorizer.refuses.store(false, Ordering::SeqCst);
    let token = fixture.session().handle_challenge(None, &bare()).await;
    assert_eq!(serial(&token.unwrap()), 2);
    assert_eq!((fixture.authorizer.calls(), fixture.server.posts()), (2, 1));
    let record = fixture.record().await;
    assert_eq!(record.pending_refresh, None);
    assert_ne!(record.grant, before);
}

#[tokio::test]
async fn refused_refresh_is_posted_again_with_other_settings() {
    let mut fixture = Fixture::empty();
    let client = |secret: &str| {
        PreRegisteredClient::new(ClientId::new("client-1")).with_secret(ClientSecret::new(secret))
    };
    fixture.settings.client.pre_registered = Some(client("secret-canary-1"));
    fixture.put(|_| ()).await;
    fixture.clock.advance(3_600);
    let refusal = r#"{"error":"invalid_client"}"#;
    fixture.server.fault(Fault::Says(401, refusal));
    for _ in 0..2 {
        fixture.session().token().await.unwrap_err();
    }
    assert_eq!(fixture.server.posts(), 1);
    fixture.settings.client.pre_registered = Some(client("secret-canary-2"));
    assert_eq!(serial(&fixture.session().token().await.unwrap()), 2);
}

#[tokio::test]
async fn refused_refresh_is_posted_again_when_the_user_says_so() {
    let fixture = Fixture::expired(&[Fault::Says(400, r#"{"error":"invalid_request"}"#); 2]).await;
    fixture.session().token().await.unwrap_err();
    let session = fixture.session();
    session.retry_refused_refresh();
    session.token().await.unwrap_err();
    assert_eq!(fixture.server.posts(), 2);
    // Once, and no more.
    session.token().await.unwrap_err();
    assert_eq!(fixture.server.posts(), 2);
    session.retry_refused_refresh();
    assert_eq!(serial(&session.token().await.unwrap()), 2);
}

#[tokio::test]
async fn forgotten_dynamic_client_requires_sign_in() {
    let fixture = Fixture::expired(&[Fault::Says(401, r#"{"error":"invalid_client"}"#); 2]).await;
    let before = fixture.record().await;
    let session = fixture.session();
    for _ in 0..3 {
        let error = session.token().await.unwrap_err();
        assert_eq!(need(&error), SignInNeed::ClientForgotten);
        assert_eq!(error.hints(), []);
    }
    assert_eq!(fixture.server.posts(), 1, "a hot loop does not hammer it");
    // The grant is kept; the next login checks whether the client is known.
    let after = fixture.record().await;
    assert_eq!(after.state, State::SignedIn);
    assert_eq!(after.grant, before.grant);
    assert_eq!(after.registration.unwrap().proven_at, None);
    let other = fixture.session().token().await.unwrap_err();
    assert_eq!(
        need(&other),
        SignInNeed::ClientForgotten,
        "other processes say so too"
    );
    assert_eq!(fixture.server.posts(), 1);
    session.handle_challenge(None, &bare()).await.unwrap();
    assert_eq!(fixture.authorizer.calls(), 1);
    assert_eq!(fixture.record().await.state, State::SignedIn);
}

#[tokio::test]
async fn host_without_an_authorizer_is_told_the_servers_answer() {
    let refusal = Fault::Says(400, r#"{"error":"invalid_request"}"#);
    let fixture = Fixture::expired(&[refusal]).await;
    let session = fixture.builder().authorizer(Arc::new(NoAuthorizer));
    let session = session.build().unwrap();
    for _ in 0..2 {
        let error = session.handle_challenge(None, &bare()).await.unwrap_err();
        assert_eq!(need(&error), SignInNeed::RefreshRequestRefused);
        let source = error.source().unwrap().to_string();
        assert!(source.contains("invalid_request"), "{source}");
    }
}

#[tokio::test]
async fn refused_pre_registered_client_is_a_configuration_error() {
    for origin in [
        RegistrationOrigin::PreRegistered,
        RegistrationOrigin::MetadataDocument,
    ] {
        let fixture = Fixture::expired(&[Fault::Says(401, r#"{"error":"invalid_client"}"#)]).await;
        let mut record = fixture.record().await;
        record.registration.as_mut().unwrap().origin = origin;
        fixture.replace(record).await;
        let error = fixture.session().token().await.unwrap_err();
        assert_eq!(error.remedy(), Remedy::Configure);
    }
}
