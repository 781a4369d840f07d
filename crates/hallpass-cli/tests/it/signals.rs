//! The end of `hallpass proxy` by a signal, as hosts end what they started.

use hallpass_testkit::{AuthorizationServerOptions, Endpoint, Fault, Gate, PlannedFault, When};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    program::Fixture,
    proxy::{Host, SOON},
};

/// Sends a signal to the proxy, and gives its exit code.
async fn ended_by(signal: &str, host: &mut Host) -> Option<i32> {
    let pid = host.child.id().unwrap().to_string();
    let mut kill = tokio::process::Command::new("kill");
    assert!(kill.args([signal, &pid]).status().await.unwrap().success());
    let ended = timeout(SOON, host.child.wait()).await.unwrap().unwrap();
    ended.code()
}

#[tokio::test]
async fn signal_ends_program_and_mcp_session() {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    let ends = || {
        let requests = fixture.server.requests_to(Endpoint::Mcp);
        let ends = requests.iter().filter(|it| it.method == "DELETE");
        ends.count()
    };
    for (number, (signal, code)) in [("-TERM", 143), ("-INT", 130), ("-HUP", 143)]
        .into_iter()
        .enumerate()
    {
        let mut host = Host::start(&fixture, &[]);
        host.open().await;
        host.ping(1).await;
        assert_eq!(ended_by(signal, &mut host).await, Some(code), "{signal}");
        assert_eq!(ends(), number + 1, "{signal}");
    }
}

/// Neither a call without an answer nor a server that does not take leave keeps it.
#[tokio::test]
async fn signal_ends_program_while_waiting() {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |server| {
        server.everything = true;
    })
    .await;
    let mut signed_out = Host::start(&fixture, &[]);
    signed_out.open().await;
    assert_eq!(ended_by("-TERM", &mut signed_out).await, Some(143));

    fixture.login(&[]).await.expect(0);
    let mut host = Host::start(&fixture, &[]);
    host.open().await;
    host.ping(1).await;
    let wait =
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "wait" } });
    host.say(wait).await;
    let called = |name: &str| {
        let requests = fixture.server.requests_to(Endpoint::Mcp);
        let named = requests.iter().filter_map(|it| it.body.json());
        named.filter(|it| it["params"]["name"] == name).count()
    };
    while called("wait") == 0 {
        tokio::task::yield_now().await;
    }
    let gate = Gate::new();
    fixture.server.plan(vec![PlannedFault {
        endpoint: Endpoint::Mcp,
        when: When::Always,
        fault: Fault::HoldRequest(gate.clone()),
    }]);
    assert_eq!(ended_by("-TERM", &mut host).await, Some(143));
    gate.open();
}

/// A host that does not read standard error keeps neither the proxy nor its end.
#[tokio::test]
async fn standard_error_that_is_not_read_keeps_no_call_and_no_signal() {
    let fixture = Fixture::with(AuthorizationServerOptions::default(), |server| {
        server.everything = true;
    })
    .await;
    fixture.login(&[]).await.expect(0);
    let mut host = Host::start(&fixture, &["-vv"]);
    host.open().await;
    // Their log is more than a pipe holds.
    for id in 1..=200 {
        let answer = host.ask(id, "tools/call", json!({ "name": "ping" })).await;
        assert_eq!(answer["id"], id);
    }
    assert_eq!(ended_by("-TERM", &mut host).await, Some(143));
}
