//! Ten processes, one user, one window.

use hallpass_testkit::Endpoint;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr},
    task::JoinSet,
};
use url::Url;

use crate::program::Fixture;

const PROCESSES: usize = 10;

/// What a process says first.
enum Says {
    Visit(Url),
    Waits,
}

/// Starts a login, and waits for what it says.
fn begin(
    fixture: &Fixture,
    url: &str,
) -> impl Future<Output = (Says, Child, Lines<BufReader<ChildStderr>>)> + use<> {
    let mut login = fixture.command(&["login", url, "--no-browser", "--wait", "60"]);
    async move {
        let mut child = login.spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap()).lines();
        while let Some(line) = talk.next_line().await.unwrap() {
            if let Some(rest) = line.strip_prefix("  http") {
                let url = Url::parse(&format!("http{rest}")).unwrap();
                return (Says::Visit(url), child, talk);
            }
            if line.contains("waiting for the sign-in of another process") {
                return (Says::Waits, child, talk);
            }
        }
        panic!("a process ended without a word");
    }
}

#[tokio::test]
async fn ten_processes_share_one_window() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let mut tasks = JoinSet::new();
    for _ in 0..PROCESSES {
        tasks.spawn(begin(&fixture, &url));
    }
    let mut visits = Vec::new();
    let mut children = Vec::new();
    for (says, child, talk) in tasks.join_all().await {
        if let Says::Visit(url) = says {
            visits.push(url);
        }
        children.push((child, talk));
    }
    let [visit] = visits.as_slice() else {
        panic!("{} windows", visits.len())
    };
    fixture.person.visit(visit).await.unwrap();
    for (mut child, mut talk) in children {
        let mut said = String::new();
        while let Some(line) = talk.next_line().await.unwrap() {
            said = said + &line + "\n";
        }
        assert!(child.wait().await.unwrap().success(), "{said}");
    }
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 1);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Registration).len(), 1);
    // All of them go on with the one grant.
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 0);
}
