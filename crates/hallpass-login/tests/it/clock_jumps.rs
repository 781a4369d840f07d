//! A wall clock that is set while the user signs in: no time limit changes.

use std::{sync::Arc, time::Duration};

use hallpass_core::{AuthScheme, Clock as _, record::GrantKind};
use hallpass_login::{BrowserLogin, LoginErrorKind};
use hallpass_testkit::FakeClock;
use serde_json::json;

use crate::{
    fixture::{Browser, Fixture},
    grants::device,
    scripted_server::{answer, error, tokens},
};

const HOURS: i64 = 5 * 3_600;

#[tokio::test]
async fn clock_set_during_a_wait_for_the_callback_leaves_the_timeout() {
    for seconds in [HOURS, -HOURS] {
        let mut fixture = Fixture::new().await;
        fixture.browser = Browser::declining();
        let clock = fixture.clock.clone();
        let login = async { (fixture.login().await, clock.monotonic()) };
        let passing = async {
            fixture.browser.url(0).await;
            clock.until_asleep(1).await;
            clock.set_by(seconds);
            clock.advance(BrowserLogin::TIMEOUT.saturating_sub(Duration::from_millis(1)));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            clock.advance(Duration::from_millis(1));
        };
        let ((outcome, ended), ()) = tokio::join!(login, passing);
        assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Timeout);
        assert_eq!(ended, BrowserLogin::TIMEOUT, "{seconds}");
    }
}

#[tokio::test]
async fn clock_set_while_the_device_grant_polls_leaves_the_code_valid() {
    for seconds in [HOURS, -HOURS] {
        let mut server = device(false);
        server.sets_clock_by = seconds;
        let pending = || error(400, "authorization_pending");
        server.on("/token", [pending(), answer(200, &tokens("Bearer"))]);
        let server = Arc::new(server);
        let record = server.login(AuthScheme::Bearer, None).await.unwrap();
        let grant = record.grant.unwrap();
        assert_eq!(grant.kind, GrantKind::DeviceCode);
        // The lifetime of the token counts from the clock as it is now.
        let end = grant.expires_at.unwrap();
        assert_eq!(remaining(&server.clock, end), 3_600, "{seconds}");
    }
}

#[tokio::test]
async fn clock_set_back_while_the_device_grant_polls_does_not_prolong_the_code() {
    let mut server = device(false);
    server.sets_clock_by = -HOURS;
    let code = json!({
        "device_code": "canary-device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device-page",
        "expires_in": 30,
        "interval": 10,
    });
    server.on("/device", [answer(200, &code)]);
    server.on("/token", [error(400, "authorization_pending")]);
    let server = Arc::new(server);
    let passing = async {
        while !server.heard("DeviceEnded") {
            assert!(server.sent("/token").len() < 10, "it polls on and on");
            tokio::task::yield_now().await;
        }
        server.clock.advance(BrowserLogin::TIMEOUT);
    };
    let (outcome, ()) = tokio::join!(server.login(AuthScheme::Bearer, None), passing);
    assert_eq!(outcome.unwrap_err().kind(), LoginErrorKind::Timeout);
    assert_eq!(server.sent("/token").len(), 2);
}

fn remaining(clock: &FakeClock, end: hallpass_core::Timestamp) -> u64 {
    end.saturating_since(clock.now()).as_secs()
}
