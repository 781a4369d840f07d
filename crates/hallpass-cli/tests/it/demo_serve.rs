//! `hallpass demo --serve`: servers to try the other commands on.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use crate::first_steps::Newcomer;

#[tokio::test]
async fn demo_serve_runs_until_signal() {
    let new = Newcomer::new().await;
    new.run(&["demo", "--serve", "--browser"]).await.expect(2);
    let mut child = new
        .command(&["--json", "demo", "--serve", "--timeout", "0.1"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
    let server = |name: &str| answer["result"][name].as_str().unwrap().to_owned();

    let (url, broken) = (server("server"), server("broken_server"));
    let login = new.command(&["login", &url, "--no-browser"]);
    new.0.sign_in(login).await.expect(0);
    let call = new.run(&["call", &url, "add", "a=2", "b=3"]).await;
    assert_eq!(call.expect(0).stdout, "5\n");
    let report = new.run(&["--json", "doctor", &broken]).await.expect(2);
    let message = &report.json()["error"]["message"];
    assert!(
        message.as_str().unwrap().contains("resource-mismatch"),
        "{message}"
    );

    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(sent.unwrap().success());
    assert!(child.wait().await.unwrap().success());
    assert_eq!(lines.next_line().await.unwrap(), None);
}
