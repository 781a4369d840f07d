//! Tools, resources and prompts, as people and scripts see them.

use std::fs;

use crate::{call::everything, program::Fixture};

#[tokio::test]
async fn tools_list_shows_parameters() {
    let fixture = everything().await;
    let ended = fixture.run(&["tools", &fixture.url()]).await.expect(0);
    let listed = "\
search
    Gives back what it was asked to look for
    query   text, required                   What to look for.
    hidden  true or false                    Whether hidden ones count too.
    kinds   list of file, folder or link     Only these kinds.
    limit   whole number from 1 to 100 [10]  How many to give.
    order   object                           In which order.
";
    let shown = &ended.stdout;
    let start = shown.find("search\n").unwrap_or_else(|| panic!("{shown}"));
    let lines: Vec<_> = shown[start..].lines().collect();
    for line in listed.lines() {
        assert!(lines.contains(&line), "{line}\n{shown}");
    }
    assert!(
        !shown.contains("like to watch"),
        "the first line only: {shown}"
    );
}

#[tokio::test]
async fn named_tool_is_shown_in_full() {
    let fixture = everything().await;
    let url = fixture.url();
    let ended = fixture.run(&["tools", &url, "steps"]).await.expect(0);
    assert!(
        ended.stdout.contains("For those who like to watch."),
        "{}",
        ended.stdout
    );
    let call = format!("hallpass call {url} steps steps=NUMBER");
    assert!(ended.stdout.contains(&call), "{}", ended.stdout);
    let ended = fixture.run(&["tools", &url, "search"]).await.expect(0);
    for line in [
        "        by          text, required",
        "  The field to go by.",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    let json = fixture
        .run(&["--json", "tools", &url, "steps"])
        .await
        .expect(0)
        .json();
    assert_eq!(json["result"]["tool"]["name"], "steps");
    let ended = fixture.run(&["tools", &url, "stesp"]).await.expect(2);
    assert!(
        ended.stderr.contains("did you mean `steps`?"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn resources_are_listed_page_by_page_and_read() {
    let fixture = everything().await;
    let url = fixture.url();
    let ended = fixture.run(&["resources", &url]).await.expect(0);
    let expected = "test://files/a.txt  a.txt, text/plain\n    A text\n\
        test://files/pixel.png  pixel.png, image/png\ntest://files/c.txt  c.txt\n\n\
        Templates: put values in place of what is in braces\ntest://files/{name}  a file\n";
    assert_eq!(ended.stdout, expected);
    let json = fixture
        .run(&["--json", "resources", &url])
        .await
        .expect(0)
        .json();
    assert_eq!(json["result"]["resources"].as_array().unwrap().len(), 3);
    assert_eq!(
        json["result"]["templates"][0]["uriTemplate"],
        "test://files/{name}"
    );

    let ended = fixture
        .run(&["resources", &url, "test://files/a.txt"])
        .await
        .expect(0);
    assert_eq!(ended.stdout, "the text of a\n");
    let folder = fixture.folder.path().display().to_string();
    let pixel = ["resources", &url, "test://files/pixel.png", "-o", &folder];
    fixture.run(&pixel).await.expect(0);
    let written = fs::read(fixture.folder.path().join("pixel.png")).unwrap();
    assert!(written.starts_with(b"\x89PNG"));
    let ended = fixture.run(&["resources", &url, "test://nowhere"]).await;
    assert!(
        ended.code != 0 && ended.stderr.contains("no such resource"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn prompts_are_listed_page_by_page_and_got() {
    let fixture = everything().await;
    let url = fixture.url();
    let ended = fixture.run(&["prompts", &url]).await.expect(0);
    let expected = "greet\n    Greets somebody\n    name  required  Whom to greet\n    \
        tone  may be left out\nplain\nlast\n";
    assert_eq!(ended.stdout, expected);
    let ended = fixture
        .run(&["prompts", &url, "greet", "name=Ada"])
        .await
        .expect(0);
    assert_eq!(ended.stdout, "user:\nGreet Ada.\nassistant:\nGladly.\n");
    let json = fixture
        .run(&["--json", "prompts", &url, "greet", "name=Ada"])
        .await;
    let json = json.expect(0).json();
    assert_eq!(
        json["result"]["messages"][0]["content"]["text"],
        "Greet Ada."
    );
    for (words, says) in [
        (&["greet"][..], "add name=TEXT"),
        (&["greet", "name=Ada", "tome=x"], "did you mean `tone`?"),
        (&["gret"], "did you mean `greet`?"),
        (&["plain", "a=b"], "it takes nothing"),
        (&["greet", "Ada"], "key=value"),
    ] {
        let ended = fixture
            .run(&[&["prompts", &url], words].concat())
            .await
            .expect(2);
        assert!(ended.stderr.contains(says), "{words:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn server_without_capability_has_empty_lists() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    for what in ["resources", "prompts"] {
        let ended = fixture.run(&[what, &url]).await.expect(0);
        assert_eq!(ended.stdout, "");
        assert_eq!(ended.stderr, format!("the server has no {what}\n"));
        let json = fixture.run(&["--json", what, &url]).await.expect(0).json();
        assert_eq!(json["result"][what].as_array().unwrap().len(), 0);
    }
}
