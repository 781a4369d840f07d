//! As many requests as a login needs, and none more.

use hallpass_testkit::MetadataPath;

use crate::counting;

#[tokio::test]
async fn first_login_takes_six_requests() {
    // 401, resource metadata, server metadata, registration, token, and the call again.
    assert_eq!(counting::first_login().await, 6);
}

#[tokio::test]
async fn login_without_registration_takes_five_requests() {
    assert_eq!(counting::login_with_metadata_document().await, 5);
    assert_eq!(counting::login_of_known_client().await, 5);
    assert_eq!(counting::login_of_registered_client().await, 5);
}

#[tokio::test]
async fn login_with_pushed_request_takes_seven_requests() {
    assert_eq!(counting::login_with_pushed_request().await, 7);
}

#[tokio::test]
async fn each_openid_fallback_takes_one_request_more() {
    for (path, count) in [
        (MetadataPath::Rfc8414, 6),
        (MetadataPath::OpenIdInserted, 7),
        (MetadataPath::OpenIdAppended, 8),
    ] {
        assert_eq!(
            counting::login_after_fallbacks(path).await,
            count,
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn warm_start_takes_no_oauth_request() {
    assert_eq!(counting::warm_start().await, (0, 0));
}
