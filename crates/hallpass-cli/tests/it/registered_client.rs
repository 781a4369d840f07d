//! Clients that somebody registered by hand: where their secret or key comes from, and to whom it
//! goes.

use std::{io::Write, path::PathBuf};

use hallpass::settings::TokenEndpointAuthMethod;
use hallpass_testkit::{
    AuthorizationServerOptions, Behaviour, Endpoint, StaticClient, TestClientKey,
};

use crate::program::Fixture;

const SECRET: &str = "canary-secret: /+";

/// A server that knows the client `by-hand`, which has `method`, and registers nobody.
async fn fixture(method: &str, behaviour: impl FnOnce(&mut Behaviour)) -> Fixture {
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
    Fixture::with(options, |_| {}).await
}

/// Writes a file of the fixture that its owner alone can read.
fn file(fixture: &Fixture, name: &str, text: &str) -> PathBuf {
    let path = fixture.folder.path().join(name);
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
async fn client_secret_file_is_read_for_each_refresh() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let fixture = fixture(method, |_| {}).await;
        let url = fixture.url();
        let path = file(&fixture, "secret", &format!("{SECRET}\n"));
        let mut login = fixture.command(&["login", &url, "--no-browser", "--client-id", "by-hand"]);
        login
            .args(["--client-secret-file", "secret"])
            .current_dir(fixture.folder.path());
        let ended = fixture.sign_in(login).await.expect(0);
        assert!(
            !ended.stderr.contains("other users of this machine"),
            "{}",
            ended.stderr
        );
        fixture.issuer.expire_access_tokens();
        fixture.run(&["call", &url, "ping"]).await.expect(0);
        assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
        assert_eq!(fixture.issuer.requests_to(Endpoint::Registration).len(), 0);

        std::fs::remove_file(&path).unwrap();
        let ended = fixture.run(&["token", &url]).await.expect(2);
        let named = ended.stderr.contains(path.to_str().unwrap());
        assert!(named, "{}", ended.stderr);
        file(&fixture, "secret", "\n");
        let ended = fixture.run(&["token", &url]).await.expect(2);
        assert!(ended.stderr.contains("is empty"), "{}", ended.stderr);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn client_secret_file_readable_by_others_is_reported() {
    let fixture = fixture("client_secret_basic", |_| {}).await;
    let path = file(&fixture, "secret", SECRET);
    set_mode(&path, 0o644);
    let path = path.to_str().unwrap();
    let options = ["--client-id", "by-hand", "--client-secret-file", path];
    let ended = fixture.login(&options).await.expect(0);
    let advice = format!("`chmod 600 {path}`");
    assert!(ended.stderr.contains(&advice), "{}", ended.stderr);
}

#[tokio::test]
async fn configured_auth_method_overrides_metadata() {
    let fixture = fixture("client_secret_post", |behaviour| {
        let listed = serde_json::json!(["client_secret_basic"]);
        let name = "token_endpoint_auth_methods_supported".to_owned();
        behaviour.metadata_overrides.insert(name, listed);
    })
    .await;
    let path = file(&fixture, "secret", SECRET);
    let options = [
        "--client-id",
        "by-hand",
        "--client-secret-file",
        path.to_str().unwrap(),
    ];
    fixture.login(&options).await.expect(2);
    let set = [
        &options[..],
        &["--token-endpoint-auth-method", "client_secret_post"],
    ]
    .concat();
    fixture.login(&set).await.expect(0);
}

#[tokio::test]
async fn private_key_signs_each_request_and_is_not_stored() {
    let key = TestClientKey::new().unwrap();
    let public = key.public();
    let fixture = fixture("private_key_jwt", |behaviour| {
        behaviour.client_keys.insert("by-hand".to_owned(), public);
    })
    .await;
    let url = fixture.url();
    let path = file(&fixture, "key.pem", &key.pem());
    let options = [
        "--client-id",
        "by-hand",
        "--client-key",
        path.to_str().unwrap(),
    ];
    fixture.login(&options).await.expect(0);
    fixture.issuer.expire_access_tokens();
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);

    std::fs::rename(&path, path.with_extension("away")).unwrap();
    fixture.run(&["token", &url]).await.expect(2);
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    let ended = fixture.run(&["logout", &url]).await.expect(0);
    assert!(
        ended.stdout.contains("\n  refresh token: revoked\n"),
        "{}",
        ended.stdout
    );

    file(&fixture, "key.pem", "no key");
    let ended = fixture
        .run(&["login", &url, "--no-browser"])
        .await
        .expect(2);
    assert!(ended.stderr.contains("openssl pkcs8"), "{}", ended.stderr);
    assert!(ended.stderr.contains("key.pem"), "{}", ended.stderr);
}

#[tokio::test]
async fn registered_client_is_sent_to_its_issuer_only() {
    let fixture = fixture("client_secret_basic", |_| {}).await;
    let path = file(&fixture, "secret", SECRET);
    let url = fixture.url();
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
    let ended = fixture
        .run(&[&other[..], &options].concat())
        .await
        .expect(2);
    assert!(
        ended
            .stderr
            .contains("is registered with https://other.example"),
        "{}",
        ended.stderr
    );
    for request in fixture.issuer.recorder().requests() {
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
    let own = format!("{}/", fixture.issuer.origin());
    let own = [&options[..], &["--client-issuer", &own]].concat();
    fixture.login(&own).await.expect(0);
    fixture.run(&["call", &url, "ping"]).await.expect(0);
}

#[tokio::test]
async fn option_without_its_companion_names_it() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
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
        let ended = fixture
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
    fixture
        .run(&[&["token", &url], &both[..]].concat())
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
    async fn sign_in(fixture: &Fixture, mut terminal: Terminal) -> (i32, String) {
        let shown = terminal.line_after("to sign in, visit\r\n\r\n").await;
        let visit = fixture.person.visit(&Url::parse(&shown).unwrap()).await;
        assert!(visit.is_ok(), "{visit:?}");
        terminal.end().await
    }

    #[tokio::test]
    async fn client_secret_prompt_is_shown_once_without_echo() {
        let fixture = fixture("client_secret_basic", |_| {}).await;
        let url = fixture.url();
        let arguments = [&["login", &url], &PROMPT[..]].concat();
        let mut terminal = Terminal::start(&fixture, &arguments, &[]);
        terminal.until("secret of the client `by-hand`: ").await;
        terminal.types(SECRET).await;
        let (code, written) = sign_in(&fixture, terminal).await;
        assert_eq!(code, 0, "{written}");
        assert!(!written.contains("canary"), "{written}");

        // Refreshes, and the next login, take the one that is kept with the credentials.
        fixture.issuer.expire_access_tokens();
        fixture.run(&["call", &url, "ping"]).await.expect(0);
        assert_eq!(fixture.issuer.requests_to(Endpoint::Refresh).len(), 1);
        fixture.run(&["logout", &url]).await.expect(0);
        let ended = fixture.login(&[]).await.expect(0);
        assert!(
            !ended.stderr.contains("secret of the client"),
            "{}",
            ended.stderr
        );

        // Asked for by name it may be typed anew.
        let mut terminal = Terminal::start(&fixture, &arguments, &[]);
        terminal.until("secret of the client `by-hand`: ").await;
        terminal.types("wrong").await;
        let (code, written) = sign_in(&fixture, terminal).await;
        assert_eq!(code, 2, "{written}");
        fixture.run(&["call", &url, "ping"]).await.expect(0);
    }

    #[tokio::test]
    async fn client_secret_prompt_without_terminal_fails() {
        let fixture = fixture("client_secret_basic", |_| {}).await;
        let url = fixture.url();
        let arguments = [&["login", &url], &PROMPT[..]].concat();
        let ended = fixture.run(&arguments).await.expect(2);
        assert!(
            ended.stderr.contains("--client-secret-file"),
            "{}",
            ended.stderr
        );
        let arguments = [&arguments[..], &["--non-interactive"]].concat();
        let (code, written) = Terminal::start(&fixture, &arguments, &[]).end().await;
        assert_eq!(code, 2, "{written}");
        assert!(
            written.contains("can't be used with `--non-interactive`"),
            "{written}"
        );
        assert_eq!(fixture.issuer.recorder().len(), 0);
    }

    #[tokio::test]
    async fn interrupted_prompt_restores_echo() {
        let fixture = fixture("client_secret_basic", |_| {}).await;
        let url = fixture.url();
        let program = std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap();
        let (program, options) = (program.display(), PROMPT.join(" "));
        let line =
            format!("trap : INT; '{program}' login {url} {options}; echo typed:; read -r line");
        let mut terminal = Terminal::run(&fixture, "/bin/sh", &["-c", &line], &[]);
        terminal.until("secret of the client `by-hand`: ").await;
        terminal.interrupts().await;
        terminal.until("typed:").await;
        terminal.types("visible").await;
        let (_, written) = terminal.end().await;
        assert!(written.contains("visible"), "{written}");
    }
}
