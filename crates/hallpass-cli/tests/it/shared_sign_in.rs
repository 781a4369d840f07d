//! Processes that need one sign-in: one asks the user, and the others say so.

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
            if line.contains("already asks for this sign-in") {
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

#[tokio::test]
async fn second_login_names_the_process_that_waits_and_its_url() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let (says, mut first, _talk) = begin(&fixture, &url).await;
    let Says::Visit(visit) = says else {
        panic!("the first one waits")
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mut notes = std::fs::read_dir(fixture.store().join("sign-ins")).unwrap();
        let note = notes.next().unwrap().unwrap().metadata().unwrap();
        assert_eq!(note.permissions().mode() & 0o777, 0o600);
    }
    let second = fixture.command(&["login", &url, "--no-browser", "--wait", "60"]);
    let ended = fixture.sign_in(second).await.expect(0);
    let process = format!("process {}", first.id().unwrap());
    let said = ended.stderr;
    let asks = format!("{process} already asks for this sign-in; waiting until it is done\n");
    assert!(said.starts_with(&asks), "{said}");
    assert!(
        said.contains(&format!("{process} has waited for ")),
        "{said}"
    );
    assert!(
        said.contains(&format!("; to sign in there, visit\n\n  {visit}\n\n")),
        "{said}"
    );
    assert!(first.wait().await.unwrap().success());
    // The URL is nowhere once the sign-in is done.
    let notes = std::fs::read_dir(fixture.store().join("sign-ins")).unwrap();
    assert_eq!(notes.count(), 0);
}

#[tokio::test]
async fn non_interactive_command_does_not_wait_for_an_open_login() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let (_, first, _talk) = begin(&fixture, &url).await;
    let process = format!("process {}", first.id().unwrap());
    for arguments in [
        &["call", &url, "ping"][..],
        &["tools", &url],
        &["login", &url],
        &["token", &url],
    ] {
        let mut command = fixture.command(&["--non-interactive", "--timeout", "20"]);
        command.args(arguments);
        let ended = fixture.wait(command.spawn().unwrap()).await.expect(3);
        let said = ended.stderr;
        let hint = format!("  hint: {process} waits for the user to sign in; when");
        assert!(said.contains(&hint), "{said}");
        let hint = format!("  hint: hallpass login {url}\n");
        assert!(said.ends_with(&hint), "{said}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        let notes = std::fs::read_dir(fixture.store().join("sign-ins")).unwrap();
        let mode = |note: std::fs::DirEntry| note.metadata().unwrap().permissions().mode() & 0o777;
        let modes: Vec<_> = notes.map(|note| mode(note.unwrap())).collect();
        assert_eq!(modes, [0o600]);
    }
}

#[tokio::test]
async fn wait_for_another_process_ends_with_its_name_and_url() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let (says, first, _talk) = begin(&fixture, &url).await;
    let Says::Visit(visit) = says else {
        panic!("the first one waits")
    };
    let login = [
        "--timeout",
        "30",
        "login",
        &url,
        "--no-browser",
        "--wait",
        "1",
    ];
    let ended = fixture.run(&login).await.expect(3);
    let process = format!("process {}", first.id().unwrap());
    let said = ended.stderr;
    let because = format!(
        "  because: {process} asks the user to sign in, and that was not finished within 1 s\n"
    );
    assert!(said.contains(&because), "{said}");
    let (_, hint) = said
        .split_once(&format!("  hint: {process} has waited for "))
        .unwrap();
    let visit = format!("; to sign in there, visit {visit}\n");
    assert!(hint.contains(&visit), "{said}");
}
