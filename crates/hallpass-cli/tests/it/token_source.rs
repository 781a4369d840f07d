//! Access tokens that somebody else obtains: from a variable, a file, a command.

use std::{fs::File, io::Write as _, path::Path};

use hallpass_testkit::Endpoint;

use crate::program::Fixture;

fn plant(fixture: &Fixture) -> String {
    fixture.issuer.registry().plant(Some(&fixture.url()), "")
}

fn write(path: &Path, text: &str) {
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Nobody was asked for anything but the MCP server, and no store was made.
fn check_no_oauth(fixture: &Fixture) {
    let requests = fixture.issuer.recorder().requests();
    let others = requests
        .iter()
        .filter(|request| !request.is_to(Endpoint::Mcp));
    assert_eq!(others.count(), 0);
    assert!(!fixture.store().join("store.json").exists());
}

#[tokio::test]
async fn token_env_value_is_not_saved() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let token = plant(&fixture);
    let with_token = async |arguments: &[&str]| {
        let mut command = fixture.command(arguments);
        command.env("MY_TOKEN", &token);
        fixture.wait(command.spawn().unwrap()).await
    };
    let once = ["call", &url, "ping", "--token-env", "MY_TOKEN"];
    let ended = with_token(&once).await.expect(0);
    assert_eq!(ended.stdout, "pong\n");
    fixture.run(&["call", &url, "ping"]).await.expect(3);

    let login = ["login", &url, "--token-env", "MY_TOKEN"];
    let ended = with_token(&login).await.expect(0);
    assert!(
        ended
            .stdout
            .contains("come from the environment variable `MY_TOKEN`"),
        "{}",
        ended.stdout
    );
    with_token(&["call", &url, "ping"]).await.expect(0);
    let printed = with_token(&["token", &url]).await.expect(0);
    assert_eq!(printed.stdout.trim(), token);
    let ended = fixture.run(&["call", &url, "ping"]).await.expect(2);
    assert!(
        ended
            .stderr
            .contains("that `--token-env` names (not shown: it may be a secret) is not set"),
        "{}",
        ended.stderr
    );
    for file in std::fs::read_dir(fixture.store().join("options")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains(&token), "{text}");
    }

    // Signing out forgets where it came from.
    let ended = with_token(&["logout", &url]).await.expect(0);
    assert!(
        ended.stderr.contains("the tokens stay valid"),
        "{}",
        ended.stderr
    );
    with_token(&["call", &url, "ping"]).await.expect(3);
    check_no_oauth(&fixture);
}

#[tokio::test]
async fn token_file_is_absolute_and_read_each_time() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let file = fixture.folder.path().join("token");
    write(&file, &plant(&fixture));
    let mut login = fixture.command(&["login", &url, "--token-file", "token"]);
    login.current_dir(fixture.folder.path());
    fixture.wait(login.spawn().unwrap()).await.expect(0);
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    fixture.issuer.expire_access_tokens();
    let ended = fixture.run(&["call", &url, "ping"]).await.expect(4);
    assert!(
        ended.stderr.contains("refuses the token from the file"),
        "{}",
        ended.stderr
    );
    write(&file, &plant(&fixture));
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    std::fs::remove_file(&file).unwrap();
    let ended = fixture.run(&["token", &url]).await.expect(2);
    assert!(
        ended.stderr.contains("could not be read"),
        "{}",
        ended.stderr
    );
    check_no_oauth(&fixture);
}

#[cfg(unix)]
#[tokio::test]
async fn token_command_runs_without_shell() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let (file, count) = (
        fixture.folder.path().join("a token"),
        fixture.folder.path().join("count"),
    );
    let script = fixture.folder.path().join("script");
    write(&script, "cat \"$1\"; echo run >> \"$2\"; echo canary >&2");
    let command = format!(
        "/bin/sh {} '{}' {}",
        script.display(),
        file.display(),
        count.display()
    );
    let runs = || {
        std::fs::read_to_string(&count)
            .unwrap_or_default()
            .lines()
            .count()
    };
    write(&file, &plant(&fixture));
    let options = ["login", &url, "--token-command", &command];
    let mut login = fixture.command(&options);
    login.env("PATH", "/usr/bin:/bin");
    fixture.wait(login.spawn().unwrap()).await.expect(0);
    let call = async || {
        let mut call = fixture.command(&["-vv", "call", &url, "ping"]);
        call.env("PATH", "/usr/bin:/bin");
        fixture.wait(call.spawn().unwrap()).await
    };
    call().await.expect(0);
    assert_eq!(runs(), 2, "once each");
    // Refused, asked again, refused: a stated end.
    fixture.issuer.expire_access_tokens();
    let ended = call().await.expect(4);
    assert_eq!(runs(), 4);
    assert!(
        ended
            .stderr
            .contains("refuses the token from the command `/bin/sh`"),
        "{}",
        ended.stderr
    );
    let token = std::fs::read_to_string(&file).unwrap();
    assert!(!ended.stderr.contains(&token), "{}", ended.stderr);
    assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);

    for (command, words) in [
        ("/bin/false", "ended with exit status: 1"),
        ("'", "is not closed"),
        (" ", "names no program"),
    ] {
        let ended = fixture
            .run(&["token", &url, "--token-command", command])
            .await
            .expect(2);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    let both = ["token", &url, "--token-env", "A", "--token-file", "b"];
    fixture.run(&both).await.expect(2);
    check_no_oauth(&fixture);
}
