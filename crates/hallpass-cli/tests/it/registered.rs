//! Clients that somebody registered by hand: where their secret or key comes from, and to whom it
//! goes.

use std::{io::Write, path::PathBuf};

use hallpass::TokenEndpointAuthMethod;
use hallpass_testkit::{
    AuthorizationServerOptions, Behaviour, Endpoint, StaticClient, TestClientKey,
};

use crate::program::Desk;

const SECRET: &str = "canary-secret: /+";

/// A server that knows the client `by-hand`, which has `method`, and registers nobody.
async fn desk(method: &str, behaviour: impl FnOnce(&mut Behaviour)) -> Desk {
    let method: TokenEndpointAuthMethod = method.to_owned().into();
    let mut options = AuthorizationServerOptions {
        clients: vec![StaticClient {
            id: "by-hand".to_owned(),
            secret: method.needs_secret().then(|| SECRET.to_owned()),
            auth_method: method.clone(),
            redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        }],
        ..AuthorizationServerOptions::default()
    };
    options.behaviour.any_loopback_port = true;
    options.behaviour.registration = false;
    options.behaviour.auth_methods = vec![method];
    behaviour(&mut options.behaviour);
    Desk::with(options, |_| {}).await
}

/// Writes a file of the desk that its owner alone can read.
fn file(desk: &Desk, name: &str, text: &str) -> PathBuf {
    let path = desk.folder.path().join(name);
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    set_mode(&path, 0o600);
    path
}

#[cfg(unix)]
fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn set_mode(_: &std::path::Path, _: u32) {}

#[tokio::test]
async fn a_secret_from_a_file_serves_each_refresh() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let desk = desk(method, |_| {}).await;
        let url = desk.url();
        let path = file(&desk, "secret", &format!("{SECRET}\n"));
        let mut login = desk.command(&["login", &url, "--no-browser", "--client-id", "by-hand"]);
        login
            .args(["--client-secret-file", "secret"])
            .current_dir(desk.folder.path());
        let ended = desk.sign_in(login).await.expect(0);
        assert!(
            !ended.stderr.contains("others on this machine"),
            "{}",
            ended.stderr
        );
        desk.issuer.expire_access_tokens();
        desk.run(&["call", &url, "ping"]).await.expect(0);
        assert_eq!(desk.issuer.requests_to(Endpoint::Refresh).len(), 1);
        assert_eq!(desk.issuer.requests_to(Endpoint::Registration).len(), 0);

        std::fs::remove_file(&path).unwrap();
        let ended = desk.run(&["token", &url]).await.expect(2);
        let named = ended.stderr.contains(path.to_str().unwrap());
        assert!(named, "{}", ended.stderr);
        file(&desk, "secret", "\n");
        let ended = desk.run(&["token", &url]).await.expect(2);
        assert!(ended.stderr.contains("is empty"), "{}", ended.stderr);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_secret_that_others_can_read_is_mentioned() {
    let desk = desk("client_secret_basic", |_| {}).await;
    let path = file(&desk, "secret", SECRET);
    set_mode(&path, 0o644);
    let path = path.to_str().unwrap();
    let options = ["--client-id", "by-hand", "--client-secret-file", path];
    let ended = desk.login(&options).await.expect(0);
    let advice = format!("`chmod 600 {path}`");
    assert!(ended.stderr.contains(&advice), "{}", ended.stderr);
}

#[tokio::test]
async fn a_method_that_is_set_is_used_whatever_the_metadata_says() {
    let desk = desk("client_secret_post", |behaviour| {
        let listed = serde_json::json!(["client_secret_basic"]);
        let name = "token_endpoint_auth_methods_supported".to_owned();
        behaviour.metadata_overrides.insert(name, listed);
    })
    .await;
    let path = file(&desk, "secret", SECRET);
    let options = [
        "--client-id",
        "by-hand",
        "--client-secret-file",
        path.to_str().unwrap(),
    ];
    desk.login(&options).await.expect(2);
    let set = [
        &options[..],
        &["--token-endpoint-auth-method", "client_secret_post"],
    ]
    .concat();
    desk.login(&set).await.expect(0);
}

#[tokio::test]
async fn a_key_signs_for_login_refresh_and_logout_and_is_not_kept() {
    let key = TestClientKey::new().unwrap();
    let public = key.public();
    let desk = desk("private_key_jwt", |behaviour| {
        behaviour.client_keys.insert("by-hand".to_owned(), public);
    })
    .await;
    let url = desk.url();
    let path = file(&desk, "key.pem", &key.pem());
    let options = [
        "--client-id",
        "by-hand",
        "--client-key",
        path.to_str().unwrap(),
    ];
    desk.login(&options).await.expect(0);
    desk.issuer.expire_access_tokens();
    desk.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(desk.issuer.requests_to(Endpoint::Refresh).len(), 1);

    std::fs::rename(&path, path.with_extension("away")).unwrap();
    desk.run(&["token", &url]).await.expect(2);
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    let ended = desk.run(&["logout", &url]).await.expect(0);
    assert!(
        ended.stdout.contains("\n  refresh token: revoked\n"),
        "{}",
        ended.stdout
    );

    file(&desk, "key.pem", "no key");
    let ended = desk.run(&["login", &url, "--no-browser"]).await.expect(2);
    assert!(ended.stderr.contains("openssl pkcs8"), "{}", ended.stderr);
    assert!(ended.stderr.contains("key.pem"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_client_is_shown_to_its_own_issuer_alone() {
    let desk = desk("client_secret_basic", |_| {}).await;
    let path = file(&desk, "secret", SECRET);
    let url = desk.url();
    let options = [
        "--client-id",
        "by-hand",
        "--client-secret-file",
        path.to_str().unwrap(),
    ];
    let other = [
        "login",
        &url,
        "--no-browser",
        "--client-issuer",
        "https://other.example",
    ];
    let ended = desk.run(&[&other[..], &options].concat()).await.expect(2);
    assert!(
        ended
            .stderr
            .contains("is registered with https://other.example"),
        "{}",
        ended.stderr
    );
    for request in desk.issuer.recorder().requests() {
        let text = format!("{request:?}");
        assert!(
            !text.contains("by-hand") && !text.contains("canary"),
            "{text}"
        );
        let metadata = request.is_to(Endpoint::ServerMetadata)
            || request.is_to(Endpoint::ResourceMetadata)
            || request.is_to(Endpoint::Mcp);
        assert!(metadata, "{text}");
    }
    let own = format!("{}/", desk.issuer.origin());
    let own = [&options[..], &["--client-issuer", &own]].concat();
    desk.login(&own).await.expect(0);
    desk.run(&["call", &url, "ping"]).await.expect(0);
}

#[tokio::test]
async fn options_that_need_another_say_which() {
    let desk = Desk::new().await;
    let url = desk.url();
    for (option, need) in [
        (vec!["--client-secret-env", "X"], "needs `client-id`"),
        (vec!["--client-secret-prompt"], "needs `client-id`"),
        (vec!["--client-key-id", "k"], "needs `client-key`"),
        (vec!["--allow-resource-mismatch"], "needs `resource`"),
        (
            vec!["--revocation-endpoint", "https://x.example"],
            "needs `token-endpoint`",
        ),
    ] {
        let ended = desk
            .run(&[&["token", &url], &option[..]].concat())
            .await
            .expect(2);
        assert!(ended.stderr.contains(need), "{option:?}: {}", ended.stderr);
    }
    let both = [
        "--client-id",
        "c",
        "--client-secret-env",
        "X",
        "--client-secret-file",
        "f",
    ];
    desk.run(&[&["token", &url], &both[..]].concat())
        .await
        .expect(2);
}

#[cfg(unix)]
mod typed {
    use url::Url;

    use super::*;
    use crate::terminal::Terminal;

    const PROMPT: [&str; 4] = [
        "--no-browser",
        "--client-id",
        "by-hand",
        "--client-secret-prompt",
    ];

    /// Goes where the terminal says, and gives its exit code and all that it wrote.
    async fn sign_in(desk: &Desk, mut terminal: Terminal) -> (i32, String) {
        let shown = terminal.line_after("to sign in, visit\r\n\r\n").await;
        let visit = desk.person.visit(&Url::parse(&shown).unwrap()).await;
        assert!(visit.is_ok(), "{visit:?}");
        terminal.end().await
    }

    #[tokio::test]
    async fn a_secret_is_typed_once_and_not_shown() {
        let desk = desk("client_secret_basic", |_| {}).await;
        let url = desk.url();
        let arguments = [&["login", &url], &PROMPT[..]].concat();
        let mut terminal = Terminal::start(&desk, &arguments, &[]);
        terminal.until("secret of the client `by-hand`: ").await;
        terminal.types(SECRET).await;
        let (code, written) = sign_in(&desk, terminal).await;
        assert_eq!(code, 0, "{written}");
        assert!(!written.contains("canary"), "{written}");

        // Refreshes, and the next login, take the one that is kept with the credentials.
        desk.issuer.expire_access_tokens();
        desk.run(&["call", &url, "ping"]).await.expect(0);
        assert_eq!(desk.issuer.requests_to(Endpoint::Refresh).len(), 1);
        desk.run(&["logout", &url]).await.expect(0);
        let ended = desk.login(&[]).await.expect(0);
        assert!(
            !ended.stderr.contains("secret of the client"),
            "{}",
            ended.stderr
        );

        // Asked for by name it may be typed anew.
        let mut terminal = Terminal::start(&desk, &arguments, &[]);
        terminal.until("secret of the client `by-hand`: ").await;
        terminal.types("wrong").await;
        let (code, written) = sign_in(&desk, terminal).await;
        assert_eq!(code, 2, "{written}");
        desk.run(&["call", &url, "ping"]).await.expect(0);
    }

    #[tokio::test]
    async fn where_nobody_types_nobody_is_asked() {
        let desk = desk("client_secret_basic", |_| {}).await;
        let url = desk.url();
        let arguments = [&["login", &url], &PROMPT[..]].concat();
        let ended = desk.run(&arguments).await.expect(2);
        assert!(
            ended.stderr.contains("--client-secret-file"),
            "{}",
            ended.stderr
        );
        let arguments = [&arguments[..], &["--non-interactive"]].concat();
        let (code, written) = Terminal::start(&desk, &arguments, &[]).end().await;
        assert_eq!(code, 2, "{written}");
        assert!(written.contains("asks somebody"), "{written}");
        assert_eq!(desk.issuer.recorder().len(), 0);
    }

    #[tokio::test]
    async fn a_terminal_that_is_broken_off_shows_what_is_typed_again() {
        let desk = desk("client_secret_basic", |_| {}).await;
        let url = desk.url();
        let program = std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap();
        let (program, options) = (program.display(), PROMPT.join(" "));
        let line =
            format!("trap : INT; '{program}' login {url} {options}; echo typed:; read -r line");
        let mut terminal = Terminal::run(&desk, "/bin/sh", &["-c", &line], &[]);
        terminal.until("secret of the client `by-hand`: ").await;
        terminal.interrupts().await;
        terminal.until("typed:").await;
        terminal.types("visible").await;
        let (_, written) = terminal.end().await;
        assert!(written.contains("visible"), "{written}");
    }
}
