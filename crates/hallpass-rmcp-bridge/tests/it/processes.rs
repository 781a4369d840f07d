//! Hosts in processes of their own, over the same files.

use std::{env, path::PathBuf, process::Stdio};

use futures_util::future::join_all;
use hallpass_http::HttpConfig;
use hallpass_testkit::{Endpoint, Fault, Gate, PlannedFault, When};
use tokio::process::Command;

use crate::fixture::{Fixture, Host, add};

/// What the process of a host is told.
const URL: &str = "BRIDGE_TEST_URL";
const FOLDER: &str = "BRIDGE_TEST_FOLDER";

/// The token has ended. Both processes come to the server with it at the same moment, and are refused.
#[tokio::test]
async fn two_processes_make_one_refresh() {
    let fixture = Fixture::new().await;
    let first = fixture.host.bridge().await.manager().await.unwrap();
    fixture.sign_in(first).await.unwrap();
    fixture.issuer.expire_access_tokens();
    let gate = Gate::new();
    fixture.server.plan(vec![PlannedFault {
        endpoint: Endpoint::Mcp,
        when: When::Always,
        fault: Fault::HoldRequest(gate.clone()),
    }]);

    let processes = [(); 2].map(|()| {
        Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "processes::child_process_refreshes",
                "--nocapture",
            ])
            .env(URL, fixture.host.url.as_str())
            .env(FOLDER, &fixture.host.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output()
    });
    let mut ended = Box::pin(join_all(processes));
    tokio::select! {
        () = gate.until_arrived(2) => gate.open(),
        early = &mut ended => panic!("a process ended before its first request: {early:?}"),
    }
    let ended = ended.await;
    for output in ended {
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{output:?}"
        );
    }
    assert_eq!(fixture.requests_to(Endpoint::Refresh).len(), 1);
    assert_eq!(
        fixture
            .issuer
            .registry()
            .reuse_counts()
            .refresh_tokens_reused,
        0
    );
}

/// A host, in the process that the test above starts; in any other there is nothing to be done.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what its parent tells it")]
async fn child_process_refreshes() {
    let (Ok(url), Some(folder)) = (env::var(URL), env::var_os(FOLDER)) else {
        return;
    };
    let host = Host {
        url: url.parse().unwrap(),
        folder: PathBuf::from(folder),
    };
    let http = Host::http(HttpConfig::default());
    let client = host.connect(&http, host.signed_in().await).await;
    let calls = (0..8).map(|n| add(&client, n, 1));
    assert_eq!(
        join_all(calls).await,
        ["1", "2", "3", "4", "5", "6", "7", "8"]
    );
    client.cancel().await.unwrap();
}
