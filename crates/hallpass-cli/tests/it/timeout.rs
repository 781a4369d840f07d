//! What holds for every command: no prompt where no user is present, an end in time, and a word about
//! what is waited for.

use hallpass_testkit::{Endpoint, Fault, Gate};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::ChildStderr,
};

use crate::program::Fixture;

#[tokio::test]
async fn timeout_exits_with_5() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let gate = Gate::new();
    fixture
        .server
        .once(Endpoint::Mcp, Fault::HoldRequest(gate.clone()));
    let ended = fixture
        .run(&["--json", "--timeout", "0.2", "call", &url, "ping"])
        .await
        .expect(5)
        .json();
    gate.open();
    assert_eq!(ended["error"]["code"], "timed-out");
    assert_eq!(ended["error"]["message"], "timed out after 0.2 s");
    let wait = ended["error"]["causes"][0].as_str().unwrap();
    let server = format!("not finished: waiting for the answer to POST {url}");
    assert_eq!(wait, server);

    let login = ["login", &url, "--no-browser", "--timeout", "2"];
    let ended = fixture.run(&login).await.expect(5);
    let wait = format!("  because: not finished: waiting for the sign-in to {url}\n");
    assert!(ended.stderr.contains(&wait), "{}", ended.stderr);
    for wrong in ["0", "-1", "soon", "inf", "NaN"] {
        let option = format!("--timeout={wrong}");
        let ended = fixture.run(&["status", &option]).await.expect(2);
        assert!(ended.stderr.contains("seconds above 0"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn non_interactive_login_uses_stored_credentials() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let by_option =
        |arguments: &[&str]| fixture.command(&[&["--non-interactive"], arguments].concat());
    let by_variable = |arguments: &[&str]| {
        let mut command = fixture.command(arguments);
        command.env("HALLPASS_NON_INTERACTIVE", "1");
        command
    };
    for command in [by_option(&["login", &url]), by_variable(&["login", &url])] {
        let ended = fixture.sign_in(command).await.expect(3);
        assert!(
            ended
                .stderr
                .contains(&format!("hint: hallpass login {url}")),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 0);

    fixture.login(&[]).await.expect(0);
    let ended = fixture.sign_in(by_option(&["login", &url])).await.expect(0);
    assert_eq!(ended.stdout, format!("signed in to {url}\n"));
    assert_eq!(fixture.issuer.requests_to(Endpoint::Authorization).len(), 1);

    for asks in [&["login", &url, "--device"][..], &["demo", "--browser"]] {
        let ended = fixture.sign_in(by_variable(asks)).await.expect(2);
        assert!(
            ended
                .stderr
                .contains("can't be used with `--non-interactive`"),
            "{}",
            ended.stderr
        );
    }
}

#[cfg(unix)]
#[tokio::test]
async fn read_that_blocks_ends_at_the_timeout() {
    use hallpass::Clock as _;
    use std::time::Duration;

    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let pipe = fixture.folder.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let pipe = pipe.to_str().unwrap();
    let at_pipe = format!("@{pipe}");
    for command in [
        &["token", &url, "--token-command", "sleep 60"][..],
        &["token", &url, "--token-file", pipe],
        &[
            "login",
            &url,
            "--client-id",
            "c",
            "--client-secret-file",
            pipe,
        ],
        &["call", &url, "ping", &at_pipe],
    ] {
        let started = hallpass::SystemClock.monotonic();
        let arguments = [&["--timeout", "0.3"], command].concat();
        fixture.run(&arguments).await.expect(5);
        let took = hallpass::SystemClock.monotonic().saturating_sub(started);
        // A slow machine needs its time to start the program.
        assert!(took < Duration::from_secs(10), "{command:?}: {took:?}");
    }
}

/// Signed in with a token that has expired. The answer to the refresh comes once the gate is open.
async fn with_held_refresh() -> (Fixture, Gate) {
    let fixture = Fixture::new().await;
    fixture.login(&[]).await.expect(0);
    fixture.issuer.expire_access_tokens();
    let gate = Gate::new();
    let held = Fault::HoldAnswer(gate.clone());
    fixture.issuer.once(Endpoint::Refresh, held);
    (fixture, gate)
}

#[tokio::test]
async fn refresh_that_is_not_finished_is_waited_for_after_timeout() {
    let (fixture, gate) = with_held_refresh().await;
    let url = fixture.url();
    let mut command = fixture.command(&["--timeout", "0.3", "call", &url, "ping"]);
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = stderr.next_line().await.unwrap().unwrap();
    assert!(
        waits.starts_with("a refresh is not finished; waiting for it, 30 s at most"),
        "{waits}"
    );
    gate.open();
    fixture.wait(child).await.expect(5);

    // The new token was saved: nothing is posted again.
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn second_signal_ends_wait_for_refresh() {
    let (fixture, gate) = with_held_refresh().await;
    let url = fixture.url();
    let mut child = fixture.command(&["call", &url, "ping"]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    while fixture.issuer.requests_to(Endpoint::Refresh).is_empty() {
        tokio::task::yield_now().await;
    }
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().cast_signed()).unwrap();
    let interrupt = || rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    interrupt();
    let waits = stderr.next_line().await.unwrap().unwrap();
    assert!(waits.starts_with("a refresh is not finished"), "{waits}");
    interrupt();
    fixture.wait(child).await.expect(130);
    gate.open();
    let state = fixture
        .run(&["--json", "status", &url])
        .await
        .expect(0)
        .json();
    assert_eq!(state["result"]["accounts"][0]["state"], "outcome-unknown");
}

/// Reads lines until one is as expected. A slow machine may be told of other waits before it.
async fn until(talk: &mut Lines<BufReader<ChildStderr>>, is_expected: impl Fn(&str) -> bool) {
    let mut said = String::new();
    while let Some(line) = talk.next_line().await.unwrap() {
        if is_expected(&line) {
            return;
        }
        said = said + &line + "\n";
    }
    panic!("{said}");
}

#[tokio::test]
async fn silent_server_is_named_within_seconds() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let gate = Gate::new();
    let hold = Fault::HoldAnswer(gate.clone());
    fixture.server.once(Endpoint::Mcp, hold);
    let mut call = fixture.command(&["call", &url, "ping"]).spawn().unwrap();
    let mut talk = BufReader::new(call.stderr.take().unwrap()).lines();
    let named = format!("waiting for {url} (3 s)");
    until(&mut talk, |line| line == named).await;
    gate.open();
    let ended = fixture.wait(call).await.expect(0);
    assert_eq!(ended.stdout, "pong\n");

    let gate = Gate::new();
    let hold = Fault::HoldAnswer(gate.clone());
    fixture.issuer.once(Endpoint::ServerMetadata, hold);
    let mut doctor = fixture.command(&["doctor", &url]).spawn().unwrap();
    let mut talk = BufReader::new(doctor.stderr.take().unwrap()).lines();
    let issuer = format!("waiting for {}", fixture.issuer.issuer());
    until(&mut talk, |line| line.starts_with(&issuer)).await;
    gate.open();
    fixture.wait(doctor).await.expect(0);
}

#[tokio::test]
async fn log_names_each_wait_when_it_begins() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    for (ended, wait) in [
        (
            fixture.login(&["-v"]).await,
            "waiting for the browser at http://127.0.0.1:",
        ),
        (
            fixture.run(&["-v", "tools", &url]).await,
            &format!("waiting for POST {url}\n"),
        ),
        (
            fixture
                .run(&["-v", "token", &url, "--token-command", "printf at"])
                .await,
            "waiting for the command `printf`\n",
        ),
    ] {
        let ended = ended.expect(0);
        assert!(ended.stderr.contains(wait), "{wait}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn warning_without_verbose_is_one_of_the_program() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    let status = 501;
    for (option, lead) in [(None, "warning: "), (Some("-v"), " WARN hallpass_rmcp::")] {
        let retry_after = None;
        let fault = Fault::Status {
            status,
            retry_after,
        };
        fixture.server.once(Endpoint::Stream, fault);
        let mut call = fixture.command(&["call", &url, "ping"]);
        call.args(option);
        let ended = fixture.wait(call.spawn().unwrap()).await.expect(0);
        let mut lines = ended.stderr.lines();
        let line = lines.find(|line| line.contains("the server gives no event stream"));
        assert!(line.unwrap().starts_with(lead), "{}", ended.stderr);
    }
}
