//! Whoever imports is asked, where somebody is there.

use serde_json::json;

use crate::import::Home;

#[tokio::test]
async fn import_without_terminal_names_options() {
    let home = Home::new().await;
    home.cursor(&json!({ "one": { "url": "https://one.example/mcp" } }));
    for arguments in [
        &["import", "--non-interactive"][..],
        &["import"],
        // It says nothing of the servers.
        &["import", "--credentials"],
    ] {
        let ended = home.run(arguments).await.expect(2);
        assert!(
            ended.stderr.contains("`--yes` imports them"),
            "{}",
            ended.stderr
        );
        assert!(ended.stdout.contains("https://one.example/mcp"));
        assert!(!home.file().exists(), "{arguments:?}");
    }
    home.run(&["import", "--dry-run", "--yes"]).await.expect(2);
}

#[cfg(unix)]
#[tokio::test]
async fn import_at_terminal_asks() {
    use crate::terminal::Terminal;

    let home = Home::new().await;
    let project = home.path("project").display().to_string();
    home.cursor(&json!({ "one": { "url": "https://one.example/mcp" } }));
    let (root, file) = (home.path(""), home.file());
    let environment = [
        ("HOME", root.to_str().unwrap()),
        ("HALLPASS_CONFIG", file.to_str().unwrap()),
        ("PWD", project.as_str()),
    ];
    for (answer, written) in [("", false), ("n", false), ("y", true)] {
        let mut terminal = Terminal::start(&home.fixture, &["import"], &environment);
        terminal.until("[y/N]").await;
        terminal.types(answer).await;
        let (code, shown) = terminal.end().await;
        assert_eq!(code, 0, "{shown}");
        assert_eq!(home.file().exists(), written, "{shown}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn entry_added_during_question_stays() {
    use crate::terminal::Terminal;

    let home = Home::new().await;
    home.cursor(&json!({ "one": { "url": "https://one.example/mcp" } }));
    let (root, file) = (home.path(""), home.file());
    let environment = [
        ("HOME", root.to_str().unwrap()),
        ("HALLPASS_CONFIG", file.to_str().unwrap()),
    ];
    for (name, url, said) in [
        (
            "one",
            "https://mine.example/mcp",
            "a server `one` exists already",
        ),
        (
            "mine",
            "https://one.example/mcp",
            "is in the file already: `mine`",
        ),
    ] {
        let mut terminal = Terminal::start(&home.fixture, &["import"], &environment);
        terminal.until("[y/N]").await;
        home.run(&["add", name, url]).await.expect(0);
        let before = home.text();
        terminal.types("y").await;
        let (code, shown) = terminal.end().await;
        assert_eq!(code, 2, "{shown}");
        assert!(shown.contains(said), "{shown}");
        assert_eq!(home.text(), before);
        home.run(&["remove", name]).await.expect(0);
    }
}
