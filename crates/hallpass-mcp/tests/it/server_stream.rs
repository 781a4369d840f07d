//! Calls wait for the stream on which the server sends its requests.

use std::time::Duration;

use hallpass_mcp::ServerStream;
use hallpass_testkit::FakeClock;

#[tokio::test]
async fn call_waits_until_the_get_is_answered() {
    let (stream, clock) = (ServerStream::new(), FakeClock::default());
    stream.before("tools/call", &clock).await;
    stream.due();
    for method in ["ping", "tools/list", "resources/templates/list"] {
        stream.before(method, &clock).await;
    }
    let (waits, its_clock) = (stream.clone(), clock.clone());
    let call = tokio::spawn(async move { waits.before("tools/call", &its_clock).await });
    clock.until_asleep(1).await;
    assert!(!call.is_finished());
    stream.settled();
    call.await.unwrap();
}

#[tokio::test]
async fn call_waits_two_seconds_at_most() {
    let (stream, clock) = (ServerStream::new(), FakeClock::default());
    stream.due();
    let (waits, its_clock) = (stream.clone(), clock.clone());
    let call = tokio::spawn(async move { waits.before("tools/call", &its_clock).await });
    clock.until_asleep(1).await;
    clock.advance(Duration::from_secs(2));
    call.await.unwrap();
    // No other call waits for this GET.
    stream.before("tools/call", &clock).await;
}
