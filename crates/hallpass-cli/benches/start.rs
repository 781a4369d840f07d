//! What a start of the program costs, and how large it is.
//!
//! Prints `ROW<tab>VALUE<tab>UNIT` for `cargo xtask bench start`; the targets are in
//! `xtask/bench-targets.json`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark talks to whoever runs it, and ends where it fails"
)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use hallpass::{Clock, SystemClock};
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, McpServer, McpServerOptions, Person,
};
use url::Url;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hallpass");

/// How often each is measured. The one in the middle counts.
const TIMES: usize = 50;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let home = folder.path().join("home");
    let servers = runtime.block_on(async {
        let issuer = AuthorizationServer::start(AuthorizationServerOptions::default())
            .await
            .unwrap();
        let options = McpServerOptions::protected_by(&issuer);
        (McpServer::start(options).await.unwrap(), issuer)
    });
    let url = servers.0.url();
    sign_in(&runtime, &home, &url);
    row(
        "nothing but a process",
        median(Path::new("/"), "true", &[]),
        "ms",
    );
    row("--version", median(&home, PROGRAM, &["--version"]), "ms");
    row(
        "token, nobody signed in",
        median(Path::new("/nowhere"), PROGRAM, &["token", &url]),
        "ms",
    );
    row(
        "token, fresh",
        median(&home, PROGRAM, &["token", &url]),
        "ms",
    );
    let bytes = std::fs::metadata(PROGRAM).unwrap().len();
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    row("size of the program", bytes as f64 / 1e6, "MB");
}

fn command(folder: &Path, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HALLPASS_HOME", folder)
        .env("HALLPASS_KEY_STORE", "key-file")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Goes where the program says.
fn sign_in(runtime: &tokio::runtime::Runtime, folder: &Path, url: &str) {
    let mut login = command(folder, PROGRAM, &["login", url, "--no-browser"])
        .spawn()
        .unwrap();
    for line in BufReader::new(login.stderr.take().unwrap()).lines() {
        if let Some(rest) = line.unwrap().strip_prefix("  http") {
            let visit = Url::parse(&format!("http{rest}")).unwrap();
            runtime.block_on(Person::new().visit(&visit)).unwrap();
        }
    }
    assert!(login.wait().unwrap().success());
}

/// From its start to its end, in milliseconds.
fn median(folder: &Path, program: &str, arguments: &[&str]) -> f64 {
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let start = SystemClock.monotonic();
            command(folder, program, arguments).output().unwrap();
            SystemClock.monotonic().saturating_sub(start)
        })
        .collect();
    times.sort();
    times[TIMES / 2].as_secs_f64() * 1e3
}

fn row(name: &str, value: f64, unit: &str) {
    println!("{name}\t{value:.2}\t{unit}");
}
