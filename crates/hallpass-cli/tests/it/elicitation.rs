//! A server asks a user something while it works, and what a terminal shows meanwhile.

use hallpass_testkit::{Endpoint, Lifecycle};
use serde_json::{Value, json};

use crate::{
    call::{everything, everything_by},
    program::Fixture,
    terminal::Terminal,
};

/// Servers ask in the middle of a call, or where there is no handshake, in the place of an answer.
const LIFECYCLES: [Lifecycle; 2] = [Lifecycle::Any, Lifecycle::WithoutHandshake];

/// Has the server ask, answers with these lines, and gives what the server got and what was shown.
async fn answers(fixture: &Fixture, words: &[&str], typed: &[(&str, &str)]) -> (Value, String) {
    let url = fixture.url();
    let arguments = [&["call", &url, "question"], words].concat();
    let mut terminal = Terminal::start(fixture, &arguments, &[]);
    let mut shown = String::new();
    for (question, answer) in typed {
        shown += terminal.until(question).await;
        terminal.forgets();
        terminal.types(answer).await;
    }
    let (code, written) = terminal.end().await;
    shown += &written;
    assert_eq!(code, 0, "{shown}");
    let answer = written.lines().rev().find(|line| line.starts_with('{'));
    (serde_json::from_str(answer.unwrap()).unwrap(), shown)
}

#[tokio::test]
async fn form_elicitation_is_filled_and_sent() {
    for lifecycle in LIFECYCLES {
        let fixture = everything_by(lifecycle).await;
        let typed = [
            ("Name (text from 2 characters): ", "A"),
            ("is \"A\", not text from 2 characters", "Ada"),
            ("age (whole number from 0 to 150): ", "old"),
            ("is \"old\", not whole number", "36"),
            ("plan (free or paid) [free]: ", ""),
            ("news (true or false, may be left out): ", ""),
            ("send this? ", ""),
        ];
        let (answer, _) = answers(&fixture, &[], &typed).await;
        let content = json!({"name": "Ada", "age": 36, "plan": "free"});
        assert_eq!(answer, json!({"action": "accept", "content": content}));
    }
}

#[tokio::test]
async fn form_elicitation_can_be_declined_or_cancelled() {
    for lifecycle in LIFECYCLES {
        let fixture = everything_by(lifecycle).await;
        let asks = format!("{} asks: Who are[31m you?", fixture.url());
        let ways: [(&[(&str, &str)], &str); 3] = [
            (
                &[("Name (text from 2 characters): ", "!decline")],
                "decline",
            ),
            (
                &[("2 characters): ", "Ada"), ("to 150): ", "!cancel")],
                "cancel",
            ),
            (
                &[
                    ("2 characters): ", "Ada"),
                    ("to 150): ", "1"),
                    ("[free]: ", ""),
                    ("left out): ", "true"),
                    ("send this? ", "no"),
                ],
                "decline",
            ),
        ];
        for (typed, action) in ways {
            // What is typed before the question is there stands in front of it, on its line.
            let (answer, shown) = answers(&fixture, &[], typed).await;
            assert_eq!(answer, json!({ "action": action }));
            assert!(shown.contains(&asks), "{shown}");
        }
    }
}

#[tokio::test]
async fn url_elicitation_is_shown_and_not_opened() {
    for lifecycle in LIFECYCLES {
        let fixture = everything_by(lifecycle).await;
        let page = "url=https://sign.example/form?id=1";
        for (word, action) in [("yes", "accept"), ("", "decline")] {
            let typed = [("go on? yes or no [no]: ", word)];
            let (answer, shown) = answers(&fixture, &[page], &typed).await;
            assert_eq!(answer, json!({ "action": action }));
            assert!(shown.contains("https://sign.example/form?id=1"), "{shown}");
        }
        let (answer, written) = answers(&fixture, &["url=file:///etc/passwd"], &[]).await;
        assert_eq!(answer, json!({"action": "decline"}));
        assert!(written.contains("no web page"), "{written}");
        assert!(!written.contains("no terminal"), "{written}");
        for page in [
            "https://github.com%2Flogin@evil.example/",
            "https://192.168.0.1/form",
            "https://metadata.google.internal/",
        ] {
            let word = format!("url={page}");
            let (answer, written) = answers(&fixture, &[&word], &[]).await;
            assert_eq!(answer, json!({"action": "decline"}), "{page}");
            assert!(written.contains("declined, because "), "{written}");
            assert!(!written.contains("go on?"), "{written}");
        }
    }
}

#[tokio::test]
async fn elicitation_without_terminal_is_declined() {
    for lifecycle in LIFECYCLES {
        let fixture = everything_by(lifecycle).await;
        let url = fixture.url();
        let page = "url=https://sign.example/form";
        for (words, says) in [
            (&[][..], "Who are[31m you?"),
            (&[page], "https://sign.example/form"),
        ] {
            let arguments = [&["call", &url, "question"], words].concat();
            let ended = fixture.run(&arguments).await.expect(0);
            assert_eq!(ended.stdout, "{\"action\":\"decline\"}\n");
            assert!(ended.stderr.contains(says), "{}", ended.stderr);
            assert!(
                ended.stderr.contains("there is no terminal to answer at"),
                "{}",
                ended.stderr
            );

            let arguments = [&["--non-interactive"], &arguments[..]].concat();
            let terminal = Terminal::start(&fixture, &arguments, &[]);
            let (code, written) = terminal.end().await;
            assert_eq!(code, 0, "{written}");
            assert!(written.contains("{\"action\":\"decline\"}"), "{written}");
        }
    }
}

#[tokio::test]
async fn concurrent_elicitations_are_asked_in_turn() {
    for lifecycle in LIFECYCLES {
        let fixture = everything_by(lifecycle).await;
        let url = fixture.url();
        let mut terminal = Terminal::start(&fixture, &["call", &url, "question", "way=twice"], &[]);
        let shown = terminal.until("Name (").await;
        let (first, second) = if shown.contains("Who are you?") {
            ("Who are you?", "And who else?")
        } else {
            ("And who else?", "Who are you?")
        };
        assert!(!shown.contains(second), "{shown}");
        for (question, answer) in [
            ("Name (", "Ada"),
            ("age (", "36"),
            ("plan (", ""),
            ("news (", ""),
        ] {
            assert!(!terminal.until(question).await.contains(second));
            terminal.types(answer).await;
        }
        terminal.until("send this? ").await;
        terminal.forgets();
        terminal.types("yes").await;
        terminal.until(second).await;
        terminal.until("Name (").await;
        terminal.types("!decline").await;
        let (code, written) = terminal.end().await;
        assert_eq!(code, 0, "{written}");
        let mut answers: Vec<Value> = written
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        if first != "Who are you?" {
            answers.reverse();
        }
        let content = json!({"name": "Ada", "age": 36, "plan": "free"});
        let accepted = json!({"action": "accept", "content": content});
        assert_eq!(answers, [accepted, json!({"action": "decline"})]);
    }
}

#[tokio::test]
async fn input_required_call_is_repeated() {
    let fixture = everything_by(Lifecycle::WithoutHandshake).await;
    let url = fixture.url();
    let ended = fixture.run(&["call", &url, "question", "way=later"]).await;
    assert_eq!(ended.expect(0).stdout, "");
    let ended = fixture
        .run(&["call", &url, "question", "way=endless"])
        .await;
    let stderr = ended.expect(4).stderr;
    assert!(stderr.contains("asked for input 10 times"), "{stderr}");
    let calls = fixture.server.requests_to(Endpoint::Mcp);
    let calls = calls.iter().filter_map(|request| request.body.json());
    let calls = calls.filter(|message| message["params"]["arguments"]["way"] == "endless");
    assert_eq!(calls.count(), 10);
    let ended = fixture.run(&["call", &url, "question", "way=model"]).await;
    let stderr = ended.expect(4).stderr;
    assert!(stderr.contains("`sampling/createMessage`"), "{stderr}");
    assert!(stderr.contains("hint: "), "{stderr}");
}

#[tokio::test]
async fn interrupt_during_elicitation_ends_call() {
    for lifecycle in LIFECYCLES {
        let fixture = everything_by(lifecycle).await;
        let url = fixture.url();
        let mut terminal = Terminal::start(&fixture, &["call", &url, "question"], &[]);
        terminal.until("Name (").await;
        terminal.interrupts().await;
        let (code, written) = terminal.end().await;
        assert_eq!(code, 130, "{written}");
        assert!(written.contains("stopped by an interrupt"), "{written}");
    }
}

#[tokio::test]
async fn status_line_is_sanitized() {
    let fixture = everything().await;
    let url = fixture.url();
    let mut terminal = Terminal::start(&fixture, &["call", &url, "wait"], &[("TERM", "xterm")]);
    terminal
        .until(&format!("waiting for `wait` at {url}"))
        .await;
    terminal.interrupts().await;
    let (code, written) = terminal.end().await;
    assert_eq!(code, 130);
    let at = written.rfind("waiting for").unwrap();
    assert!(
        written[at..].contains("\r\u{1b}[K"),
        "the line is gone at the end: {written:?}"
    );

    // Where the server tells how far it is, that takes the place of the waiting.
    let steps = ["call", &url, "steps", "steps=2", "stay=true"];
    let mut terminal = Terminal::start(&fixture, &steps, &[("TERM", "xterm")]);
    let shown = terminal.until("2 of 2, walking").await;
    assert!(
        shown.contains(&format!("{url}: 2 of 2, walking[2J 2")),
        "{shown:?}"
    );
    terminal.interrupts().await;
    let (code, written) = terminal.end().await;
    assert_eq!(code, 130);
    assert!(!written.contains("\u{1b}[2J"), "{written:?}");

    let terminal = Terminal::start(&fixture, &["call", &url, "rude"], &[]);
    let (_, written) = terminal.end().await;
    assert_eq!(written, "red [31malert\r\nand back\r\n");
}

#[tokio::test]
async fn colour_and_width_follow_terminal() {
    let fixture = everything().await;
    let url = fixture.url();
    for (environment, colour) in [
        (&[("TERM", "xterm")][..], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "1")], false),
        (&[("TERM", "dumb")], false),
        (&[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
    ] {
        let arguments = ["tools", &url, "search"];
        let (_, written) = Terminal::start(&fixture, &arguments, environment)
            .end()
            .await;
        assert_eq!(
            written.contains("\u{1b}[1m"),
            colour,
            "{environment:?}: {written:?}"
        );
    }
    let narrow = [("COLUMNS", "40")];
    let (_, written) = Terminal::start(&fixture, &["tools", &url, "steps"], &narrow)
        .end()
        .await;
    let wide = written
        .lines()
        .filter(|line| !line.contains("hallpass call"));
    assert!(
        wide.clone().all(|line| line.chars().count() <= 40),
        "{written}"
    );
    assert!(wide.count() > 4, "{written}");
}
