use std::time::Duration;

use hallpass_core::{AuthScheme, ClientId, Resource, Scopes};
use hallpass_oauth::{
    ClientAuthentication, DeviceAuthorization, DeviceAuthorizationRequest, TokenResponse,
};

use crate::{NOW, answer, form, url};

const ANSWER: &str = r#"{"device_code":"dc","user_code":"WDJB-MJHT",
    "verification_uri":"https://as.example/device",
    "verification_uri_complete":"https://as.example/device?user_code=WDJB-MJHT",
    "expires_in":1800,"interval":5}"#;

fn read(body: &str) -> DeviceAuthorization {
    DeviceAuthorization::from_http(&answer(200, body), None, NOW).unwrap()
}

#[test]
fn device_request_and_answer_are_read() {
    let resource = Resource::parse("https://mcp.example").unwrap();
    let id = ClientId::new("c");
    let client = ClientAuthentication::none(&id);
    let request = DeviceAuthorizationRequest {
        scopes: &Scopes::from_server("b a"),
        resource: Some(&resource),
    };
    assert_eq!(
        form(&request.into_http(&url("https://as.example/device"), &client)),
        "scope=a b\nresource=https://mcp.example\nclient_id=c\n"
    );

    let device =
        DeviceAuthorization::from_http(&answer(200, ANSWER), Some(&resource), NOW).unwrap();
    assert_eq!(device.user_code(), "WDJB-MJHT");
    assert_eq!(
        device.verification_uri().as_str(),
        "https://as.example/device"
    );
    assert_eq!(
        device.verification_uri_complete().unwrap().as_str(),
        "https://as.example/device?user_code=WDJB-MJHT"
    );
    assert_eq!(
        device.expires_at().saturating_since(NOW),
        Duration::from_secs(1800)
    );
    assert_eq!(device.interval(), Duration::from_secs(5));
    assert_eq!(
        form(
            &device
                .poll()
                .into_http(&url("https://as.example/token"), &client)
        ),
        "grant_type=urn:ietf:params:oauth:grant-type:device_code\ndevice_code=dc\n\
         resource=https://mcp.example\nclient_id=c\n"
    );
}

#[test]
fn device_answer_with_missing_or_odd_fields_is_read() {
    let device = read(
        r#"{"device_code":"d","user_code":"1","verification_url":"https://as.example/d",
            "verification_uri_complete":"javascript:alert(1)"}"#,
    );
    assert_eq!(device.interval(), Duration::from_secs(5));
    assert_eq!(
        device.expires_at().saturating_since(NOW),
        Duration::from_secs(600)
    );
    assert_eq!(device.verification_uri_complete(), None);
    let with_user_info = "https://github.com@as.example/device?user_code=1";
    let body = ANSWER.replace(
        "https://as.example/device?user_code=WDJB-MJHT",
        with_user_info,
    );
    assert_ne!(body, ANSWER);
    assert_eq!(read(&body).verification_uri_complete(), None);
    let interval = |seconds: &str| read(&ANSWER.replace("\"interval\":5", seconds)).interval();
    assert_eq!(interval("\"interval\":0"), Duration::from_secs(1));
    assert_eq!(interval("\"interval\":\"7\""), Duration::from_secs(7));
    assert_eq!(interval("\"interval\":100000"), Duration::from_secs(60));
}

#[test]
fn device_answer_that_a_user_can_t_use_is_refused() {
    for (from, to) in [
        ("\"dc\"", "\"\""),
        ("WDJB-MJHT\",", "\\u001b[31m\","),
        ("WDJB-MJHT\",", "\","),
        ("https://as.example/device\"", "http://as.example/device\""),
        ("https://as.example/device\"", "javascript:alert(1)\""),
        (
            "https://as.example/device\"",
            "https://github.com%2Flogin@as.example/device\"",
        ),
        (
            "https://as.example/device\"",
            "https://:github.com@as.example/device\"",
        ),
        ("WDJB-MJHT\",", "123 error. run it\","),
        ("WDJB-MJHT\",", "WDJB  MJHT\","),
        ("WDJB-MJHT\",", "ABCDEFGH-ABCDEFGH-ABCDEFGH-ABCDEFGH\","),
    ] {
        let body = ANSWER.replacen(from, to, 1);
        assert_ne!(body, ANSWER);
        assert!(
            DeviceAuthorization::from_http(&answer(200, &body), None, NOW).is_err(),
            "{body}"
        );
    }
    assert!(DeviceAuthorization::from_http(&answer(400, ANSWER), None, NOW).is_err());
}

#[test]
fn device_poll_error_decides_whether_to_go_on() {
    for (status, body, goes_on, interval) in [
        (400, r#"{"error":"authorization_pending"}"#, true, 5),
        // GitHub's status for it.
        (200, r#"{"error":"authorization_pending"}"#, true, 5),
        (400, r#"{"error":"slow_down"}"#, true, 10),
        (429, "", true, 10),
        (500, "", true, 10),
        (400, r#"{"error":"expired_token"}"#, false, 5),
        (400, r#"{"error":"access_denied"}"#, false, 5),
        (400, r#"{"error":"invalid_grant"}"#, false, 5),
        (401, r#"{"error":"invalid_client"}"#, false, 5),
    ] {
        let mut device = read(ANSWER);
        let error =
            TokenResponse::from_http(&answer(status, body), AuthScheme::Bearer).unwrap_err();
        assert_eq!(device.handle_poll_error(&error), goes_on, "{status} {body}");
        assert_eq!(
            device.interval(),
            Duration::from_secs(interval),
            "{status} {body}"
        );
    }
}
