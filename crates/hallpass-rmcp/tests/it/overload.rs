//! A server that has no time for a request: its status, and when it wants to be asked again.

use std::time::Duration;

use hallpass_core::{Diagnostic as _, Remedy};
use hallpass_rmcp::Error;
use rmcp::transport::streamable_http_client::StreamableHttpResponseLimits;

use crate::{
    answers::{post, run},
    scripted_server::answer,
};

#[test]
fn busy_status_keeps_its_retry_after() {
    let limits = StreamableHttpResponseLimits::default();
    for (status, remedy) in [
        (408, Remedy::Retry),
        (429, Remedy::Retry),
        (500, Remedy::Retry),
        (502, Remedy::Retry),
        (503, Remedy::Retry),
        (504, Remedy::Retry),
    ] {
        let answer = answer(status).with_header("retry-after", "17");
        let error = run(post(answer, "tools/list", None, limits)).unwrap_err();
        let Some(Error::UnexpectedStatus(error)) = Error::find_in_chain(&error) else {
            panic!("{error:?}");
        };
        assert_eq!(error.status().as_u16(), status);
        assert_eq!(error.remedy(), remedy, "{status}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(17)));
    }
    let long = answer(503).with_header("retry-after", "9".repeat(65));
    let error = run(post(long, "tools/list", None, limits)).unwrap_err();
    let Some(Error::UnexpectedStatus(error)) = Error::find_in_chain(&error) else {
        panic!("{error:?}");
    };
    assert_eq!(error.retry_after(), None);
}
