//! Fixes after something that the server or the store has refused: a token, a client secret, a file.

use super::*;

#[tokio::test]
async fn refused_token_of_the_user_is_left_out_in_a_fix() {
    let place = Place::new(&ROW).await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    let token = fixture
        .issuer
        .registry()
        .plant(Some("https://other.example/mcp"), "");
    let kept = "--account work --client-name 'My Host' --header 'X-Team: tools'";
    let with_token = async |words: &[&str]| {
        let mut command = fixture.command(words);
        command.env("MY_TOKEN", &token);
        fixture.wait(command.spawn().unwrap()).await
    };
    let given = [KEPT, &["--token-env", "MY_TOKEN"]].concat();
    let doctor = [&["doctor", &url], &given[..]].concat();
    let other = format!("put another token for the resource `{url}`");
    let login = format!("hallpass login {url} {kept}");
    let tools = [&["tools", &url], &given[..]].concat();
    let ended = with_token(&tools).await.expect(4);
    assert!(hints(&ended).contains(&login), "{}", said(&ended));
    let ended = with_token(&doctor).await.expect(4);
    assert!(said(&ended).contains("`token-refused`"), "{}", said(&ended));
    assert!(said(&ended).contains(&other), "{}", said(&ended));
    assert!(hints(&ended).contains(&login), "{}", said(&ended));
    assert!(!said(&ended).contains(&token), "{}", said(&ended));

    // Saved, it is forgotten first.
    with_token(&[&["login", &url], &given[..]].concat())
        .await
        .expect(0);
    let ended = with_token(&doctor).await.expect(4);
    let fix = format!("hallpass logout {url} {kept}, then {login}");
    assert!(hints(&ended).contains(&fix), "{}", said(&ended));
    for line in fix.split(", then ") {
        let words = words_of(line);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        fixture.sign_in(fixture.command(&words)).await.expect(0);
    }
    for command in ["doctor", "tools"] {
        let words = [command, &url, "--account", "work"];
        fixture.run(&words).await.expect(0);
    }

    // In the configuration, it is removed there.
    let file = fixture.folder.path().join("config.toml");
    let text = format!("[servers.mine]\nurl = \"{url}\"\ntoken-env = \"MY_TOKEN\"\n");
    write(&file, &text);
    let file = file.to_str().unwrap();
    let ended = with_token(&["doctor", "mine", "--config", file])
        .await
        .expect(4);
    let fix = format!(
        "remove `token-env` under `[servers.mine]` in {file}, then run `hallpass login mine --config {file}`"
    );
    assert!(hints(&ended).contains(&fix), "{}", said(&ended));
}

#[tokio::test]
async fn wrong_client_secret_leads_in_no_circle() {
    for listed in [
        &["client_secret_basic", "client_secret_post"][..],
        &["client_secret_basic"],
        &["client_secret_post"],
        &[],
    ] {
        let place = Place::new(&Row {
            issuer: |it| {
                it.clients = vec![rows::by_hand("client_secret_basic")];
                it.behaviour.any_loopback_port = true;
            },
            ..ROW
        })
        .await;
        place.fixture.issuer.change(|it| {
            let listed = if listed.is_empty() {
                serde_json::Value::Null
            } else {
                serde_json::json!(listed)
            };
            let name = "token_endpoint_auth_methods_supported".to_owned();
            it.metadata_overrides.insert(name, listed);
        });
        let fixture = &place.fixture;
        let wrong = fixture.folder.path().join("wrong");
        write(&wrong, "mistyped");
        let wrong = wrong.to_str().unwrap();
        let given = ["--client-id", "by-hand", "--client-secret-file", wrong];
        let ended = fixture.login(&given).await;
        assert_ne!(ended.code, 0);
        let another = |ended: &Output| {
            let hints = hints(ended);
            let secret = "--client-secret-file FILE";
            assert!(
                hints.iter().any(|it| it.contains(secret)),
                "{}",
                said(ended)
            );
            let blame = "the client's secret is wrong, or its id";
            assert!(hints.iter().any(|it| it == blame), "{}", said(ended));
            let is_way =
                |it: &&String| it.contains("--token-endpoint-auth-method") && it.contains(wrong);
            hints.iter().find(is_way).cloned()
        };
        // One other way to send the same secret, and no more.
        let line = another(&ended).unwrap();
        let words = words_of(&line);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let ended = fixture.sign_in(fixture.command(&words)).await;
        assert_ne!(ended.code, 0);
        assert_eq!(another(&ended), None, "{}", said(&ended));
        // Nor after a third login in the first way.
        let ended = fixture.login(&given).await;
        assert_eq!(another(&ended), None, "{}", said(&ended));
    }
}

#[tokio::test]
async fn doctor_names_the_refused_client_secret_and_what_changes_something() {
    let place = Place::new(&Row {
        issuer: |it| {
            it.clients = vec![rows::by_hand("client_secret_post")];
            it.behaviour.any_loopback_port = true;
        },
        ..ROW
    })
    .await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    let wrong = fixture.folder.path().join("wrong");
    write(&wrong, "mistyped");
    let wrong = wrong.to_str().unwrap();
    let given = ["--client-id", "by-hand", "--client-secret-file", wrong];
    let given = [&KEPT[2..], &given].concat();
    fixture.login(&given).await.expect(2);
    let doctor = async || {
        let ended = fixture.run(&["doctor", &url]).await.expect(2);
        let begin = "error: `client-secret-refused`: ";
        assert!(ended.stderr.contains(begin), "{}", said(&ended));
        assert!(!said(&ended).contains("mistyped"), "{}", said(&ended));
        let line = ended.stderr.lines().find(|it| it.contains("hint: "));
        line.unwrap().trim().replace("hint: ", "")
    };
    let line = doctor().await;
    let kept = format!(
        "hallpass login {url} --client-id by-hand --client-secret-file {wrong} --client-name 'My Host' \
         --header 'X-Team: tools'"
    );
    let other = format!("{kept} --token-endpoint-auth-method client_secret_post");
    assert_eq!(line, other);
    let words = words_of(&line);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    fixture.sign_in(fixture.command(&words)).await.expect(2);

    // The server refuses the secret there as well: it is another one that is needed.
    let line = doctor().await;
    for option in [
        "--client-secret-file FILE",
        "--token-endpoint-auth-method client_secret_post",
    ] {
        assert!(line.contains(option), "{line}");
    }
    let right = place.text("{folder}/secret");
    let words = words_of(&line.replace("FILE", &right));
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    fixture.sign_in(fixture.command(&words)).await.expect(0);
    fixture.run(&["doctor", &url]).await.expect(0);

    // A failed login with another client says nothing about this one.
    fixture.login(&given).await.expect(2);
    let options = ["--client-id", "by-hand", "--client-secret-file", &right];
    let ended = fixture
        .run(&[&["doctor", &url], &options[..]].concat())
        .await;
    assert!(
        !said(&ended).contains("client-secret-refused"),
        "{}",
        said(&ended)
    );
}

#[tokio::test]
async fn damaged_store_names_the_reset_with_the_options_given() {
    let place = Place::new(&ROW).await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    fixture.login(&[]).await.expect(0);
    let folder = fixture.store();
    for text in ["{", "", "[]"] {
        write(&folder.join("store.json"), text);
        for command in [
            &["tools", &url][..],
            &["status"],
            &["login", &url],
            &["doctor", &url],
        ] {
            let ended = fixture.run(command).await;
            assert_ne!(ended.code, 0);
            let reset = "if it is lost, `hallpass store reset";
            let hints = hints(&ended);
            let is_named = hints.iter().any(|it| it.starts_with(reset));
            assert!(is_named, "{text} {command:?}: {}", said(&ended));
        }
    }
    let words = ["status", "--store", folder.to_str().unwrap()];
    let ended = fixture.run(&words).await;
    let line = format!("`hallpass store reset --store {}`", folder.display());
    assert!(said(&ended).contains(&line), "{}", said(&ended));
    fixture.run(&["store", "reset", "--yes"]).await.expect(0);
    fixture.login(&[]).await.expect(0);
}

#[tokio::test]
async fn wait_that_the_server_wants_is_shown() {
    let place = Place::new(&ROW).await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    fixture.login(&[]).await.expect(0);
    let busy = |endpoint, status| PlannedFault {
        endpoint,
        when: When::Always,
        fault: Fault::Answer {
            status,
            headers: vec![("Retry-After".to_owned(), "30".to_owned())],
            body: String::new(),
        },
    };
    for status in [429, 503] {
        fixture.server.plan(vec![busy(Endpoint::Mcp, status)]);
        for command in [
            &["tools", &url][..],
            &["call", &url, "ping"],
            &["doctor", &url],
        ] {
            let ended = fixture.run(command).await.expect(5);
            let says = said(&ended).contains("try again in 30 s");
            assert!(says, "{status} {command:?}: {}", said(&ended));
        }
        fixture.server.plan(Vec::new());
        fixture
            .issuer
            .plan(vec![busy(Endpoint::CodeExchange, status)]);
        let ended = fixture.login(&[]).await.expect(5);
        assert!(
            said(&ended).contains("try again in 30 s"),
            "{}",
            said(&ended)
        );
        fixture.issuer.plan(Vec::new());
    }
}
