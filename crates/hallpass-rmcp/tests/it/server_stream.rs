//! The stream of what the server says unasked is there before a call is sent.

use std::time::Duration;

use hallpass_testkit::{Endpoint, Fault, Gate, PlannedFault, When};
use rmcp::service::ServiceError;
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, Service, add};

/// What happens to the GET.
async fn fixture(fault: Fault) -> Fixture {
    let plan = PlannedFault {
        endpoint: Endpoint::Stream,
        when: When::Nth(1),
        fault,
    };
    Fixture::new(|options| options.faults = vec![plan]).await
}

/// A call that has been handed to rmcp, and a service that has worked on it since.
async fn call(service: &Service) -> JoinHandle<Result<String, ServiceError>> {
    let peer = service.peer().clone();
    let call = tokio::spawn(async move { add(&peer, 1, 2).await });
    for _ in 0..3 {
        // A list waits for nothing, and comes after the call.
        assert!(!service.list_all_tools().await.unwrap().is_empty());
    }
    call
}

#[tokio::test]
async fn call_waits_for_the_server_stream() {
    let gate = Gate::new();
    let fixture = fixture(Fault::HoldRequest(gate.clone())).await;
    let service = fixture.serve().await;
    gate.until_arrived(1).await;
    let waiting = call(&service).await;
    assert!(!waiting.is_finished());
    assert!(!fixture.asked().contains(&"tools/call + 200".to_owned()));
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap(), "3");
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn unanswered_get_delays_a_call_by_two_seconds() {
    let gate = Gate::new();
    let fixture = fixture(Fault::HoldRequest(gate.clone())).await;
    let service = fixture.serve().await;
    gate.until_arrived(1).await;
    let waiting = call(&service).await;
    assert!(!waiting.is_finished());
    fixture.clock.until_asleep(1).await;
    fixture.clock.advance(Duration::from_millis(1999));
    assert!(!service.list_all_tools().await.unwrap().is_empty());
    assert!(!waiting.is_finished());
    fixture.clock.advance(Duration::from_millis(1));
    assert_eq!(waiting.await.unwrap().unwrap(), "3");
    // It is not waited for again.
    assert_eq!(add(&service, 2, 3).await.unwrap(), "5");
    assert_eq!(gate.arrived(), 1);
    service.cancel().await.unwrap();
}

#[tokio::test]
async fn server_without_a_stream_delays_no_call() {
    for status in [405, 500] {
        let retry_after = None;
        let fixture = fixture(Fault::Status {
            status,
            retry_after,
        })
        .await;
        let service = fixture.serve().await;
        assert_eq!(add(&service, 1, 2).await.unwrap(), "3", "{status}");
        service.cancel().await.unwrap();
    }
}
