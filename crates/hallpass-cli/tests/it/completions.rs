//! Completions and manual pages.

use std::fs;

use crate::{call::everything, program::Fixture};

#[tokio::test]
async fn completions_are_a_script_for_each_shell() {
    let fixture = Fixture::new().await;
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = fixture.run(&["completions", shell]).await.expect(0).stdout;
        assert!(script.contains("HALLPASS_COMPLETE"), "{shell}: {script}");
        let json = fixture
            .run(&["--json", "completions", shell])
            .await
            .expect(0)
            .json();
        assert_eq!(json["result"]["shell"], shell);
        let script = script.trim_end();
        assert_eq!(
            json["result"]["script"].as_str().unwrap().trim_end(),
            script
        );
    }
    fixture.run(&["completions", "abacus"]).await.expect(2);
}

/// What fish's script asks for the last of these words, and is told, without the descriptions.
async fn candidates(fixture: &Fixture, words: &[&str]) -> Vec<String> {
    let mut command = fixture.command(&["--", "hallpass"]);
    command.args(words).env("HALLPASS_COMPLETE", "fish");
    let ended = fixture.wait(command.spawn().unwrap()).await.expect(0);
    assert_eq!(ended.stderr, "");
    let words = ended.stdout.lines().map(|line| line.split('\t').next());
    words.map(|word| word.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn completions_know_commands_servers_and_tools() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    assert_eq!(candidates(&fixture, &["reso"]).await, ["resources"]);
    assert_eq!(
        candidates(&fixture, &["call", "x", "y", "--no-v"]).await,
        ["--no-validate"]
    );
    assert_eq!(candidates(&fixture, &["tools", "m"]).await, [""; 0]);

    fixture.run(&["add", "mine", &url]).await.expect(0);
    let other = "https://other.example/mcp";
    fixture.run(&["add", "more", other]).await.expect(0);
    for command in ["tools", "call", "login", "logout", "status", "remove"] {
        assert_eq!(
            candidates(&fixture, &[command, "m"]).await,
            ["mine", "more"],
            "{command}"
        );
    }
    let forget = candidates(&fixture, &["store", "forget", "m"]).await;
    assert_eq!(forget, ["mine", "more"]);
    // The names are those that a command saw; nothing is asked for them.
    fixture.login(&[]).await.expect(0);
    assert_eq!(candidates(&fixture, &["call", "mine", "p"]).await, [""; 0]);
    fixture.run(&["call", "mine", "ping"]).await.expect(0);
    let requests = fixture.issuer.recorder().requests().len();
    assert_eq!(
        candidates(&fixture, &["call", "mine", "pi"]).await,
        ["ping"]
    );
    assert_eq!(candidates(&fixture, &["tools", &url, "pi"]).await, ["ping"]);
    assert_eq!(candidates(&fixture, &["call", "more", "p"]).await, [""; 0]);
    assert_eq!(fixture.issuer.recorder().requests().len(), requests);
}

#[tokio::test]
async fn completions_know_the_folders_and_the_account_after_an_equals_sign() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    let account = ["--account", "work"];
    fixture.login(&account).await.expect(0);
    let call = [&["call", &url, "ping"][..], &account].concat();
    fixture.run(&call).await.expect(0);
    let tools = ["call", "--account=work", &url, "pi"];
    assert_eq!(candidates(&fixture, &tools).await, ["ping"]);

    let elsewhere = fixture.folder.path().join("elsewhere");
    let store = format!("--store={}", elsewhere.display());
    let tools = [&[store.as_str()], &tools[..]].concat();
    assert_eq!(candidates(&fixture, &tools).await, [""; 0]);
    let store = format!("--store={}", fixture.store().display());
    let tools = [&[store.as_str()], &tools[1..]].concat();
    assert_eq!(candidates(&fixture, &tools).await, ["ping"]);
}

#[tokio::test]
async fn logout_that_forgets_the_client_forgets_the_names_of_the_tools() {
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    let files = || fs::read_dir(fixture.store().join("tools")).unwrap().count();
    assert_eq!(files(), 1);
    // What a login remembers is kept for the next one.
    fixture.run(&["logout", &url]).await.expect(0);
    assert_eq!(files(), 1);
    fixture
        .run(&["logout", &url, "--forget-client"])
        .await
        .expect(0);
    assert_eq!(files(), 0);
}

#[tokio::test]
async fn completions_know_the_arguments_of_a_tool() {
    let fixture = everything().await;
    let url = fixture.url();
    fixture.run(&["tools", &url]).await.expect(0);
    let tools = fixture.run(&["--json", "tools", &url]).await.expect(0);
    let tools = tools.json()["result"]["tools"].clone();
    let tools = tools.as_array().unwrap();
    let properties =
        |tool: &serde_json::Value| tool["inputSchema"]["properties"].as_object().cloned();
    let tool = tools
        .iter()
        .find(|tool| properties(tool).is_some_and(|them| !them.is_empty()));
    let tool = tool.unwrap();
    let (name, properties) = (tool["name"].as_str().unwrap(), properties(tool).unwrap());
    let mut names: Vec<_> = properties.keys().map(|name| format!("{name}=")).collect();
    names.sort();
    let mut told = candidates(&fixture, &["call", &url, name, ""]).await;
    told.retain(|word| !word.starts_with('-'));
    told.sort();
    assert_eq!(told, names);
    // One that is there already is not offered again.
    let given = format!("{}x", names[0]);
    let told = candidates(&fixture, &["call", &url, name, &given, ""]).await;
    assert!(!told.contains(&names[0]), "{told:?}");
}

#[tokio::test]
async fn completions_help_says_how_to_install_them() {
    let fixture = Fixture::new().await;
    let help = fixture.run(&["completions", "--help"]).await.expect(0);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let line = format!("hallpass completions {shell}");
        assert!(help.stdout.contains(&line), "{}", help.stdout);
    }
}

/// What bash itself makes of a line that is typed so far.
#[cfg(unix)]
async fn in_bash(fixture: &Fixture, line: &str) -> String {
    let script = fixture.run(&["completions", "bash"]).await.expect(0).stdout;
    let file = fixture.folder.path().join("completions");
    let mut written = fs::File::create(&file).unwrap();
    std::io::Write::write_all(&mut written, script.as_bytes()).unwrap();
    let program = std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap();
    // Readline splits the words so; only it sets these variables.
    let ask = "source \"$1\"; COMP_LINE=$2; COMP_WORDS=(); rest=$2; \
        while [[ $rest =~ ^[[:space:]]*([:=]|[^[:space:]:=]+)(.*)$ ]]; do \
        COMP_WORDS+=(\"${BASH_REMATCH[1]}\"); rest=${BASH_REMATCH[2]}; done; \
        [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=(''); \
        COMP_CWORD=$((${#COMP_WORDS[@]}-1)); typed=${COMP_WORDS[COMP_CWORD]}; \
        [[ $typed == [:=] ]] && typed=''; \
        _clap_complete_hallpass hallpass \"$typed\" x; echo \"${COMPREPLY[@]}\"";
    let output = tokio::process::Command::new("/bin/bash")
        .args(["-c", ask, "bash"])
        .arg(&file)
        .arg(line)
        .env("PATH", program.parent().unwrap())
        .env("HALLPASS_HOME", fixture.store())
        .output();
    let output = output.await.unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

#[cfg(unix)]
#[tokio::test]
async fn bash_completes_words_with_its_separators() {
    if !std::path::Path::new("/bin/bash").exists() {
        // The script was looked at above.
        return;
    }
    let fixture = Fixture::new().await;
    let url = fixture.url();
    fixture.login(&[]).await.expect(0);
    fixture.run(&["call", &url, "ping"]).await.expect(0);
    let (_, after) = url.split_once(':').unwrap();
    let (host, port) = after.split_once(':').unwrap();
    let account = "--account=default";
    for (line, expected) in [
        ("hallpass reso".to_owned(), "resources"),
        ("hallpass tools htt".to_owned(), url.as_str()),
        // Of a word with a separator bash replaces what follows the last one.
        ("hallpass tools http:".to_owned(), after),
        (format!("hallpass tools http:{host}:"), port),
        (format!("hallpass tools {}", &url[..url.len() - 1]), port),
        (format!("hallpass call {url} pi"), "ping"),
        (format!("hallpass call {account} {url} pi"), "ping"),
        (format!("hallpass call {url} ping --no-v"), "--no-validate"),
    ] {
        assert_eq!(in_bash(&fixture, &line).await, expected, "{line}");
    }
}

/// The script also works without the line itself.
#[cfg(unix)]
#[tokio::test]
async fn bash_completes_command() {
    if !std::path::Path::new("/bin/bash").exists() {
        // The script was looked at above.
        return;
    }
    let fixture = Fixture::new().await;
    let script = fixture.run(&["completions", "bash"]).await.expect(0).stdout;
    let file = fixture.folder.path().join("completions");
    let mut written = fs::File::create(&file).unwrap();
    std::io::Write::write_all(&mut written, script.as_bytes()).unwrap();
    let program = std::path::absolute(env!("CARGO_BIN_EXE_hallpass")).unwrap();
    let ask = "source \"$1\"; COMP_WORDS=(hallpass reso); COMP_CWORD=1; \
        _clap_complete_hallpass hallpass reso hallpass; echo \"${COMPREPLY[@]}\"";
    let output = tokio::process::Command::new("/bin/bash")
        .args(["-c", ask, "bash"])
        .arg(&file)
        .env("PATH", program.parent().unwrap())
        .env("HALLPASS_HOME", fixture.store())
        .output();
    let output = output.await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "resources\n",
        "{output:?}"
    );
}

#[tokio::test]
async fn each_command_has_manual_page() {
    let fixture = Fixture::new().await;
    let folder = fixture.folder.path().join("man");
    let place = folder.display().to_string();
    let json = fixture
        .run(&["--json", "man", &place])
        .await
        .expect(0)
        .json();
    let pages: Vec<_> = json["result"]["pages"].as_array().unwrap().iter().collect();
    for page in [
        "hallpass.1",
        "hallpass-login.1",
        "hallpass-call.1",
        "hallpass-exec.1",
    ] {
        assert!(pages.iter().any(|it| *it == page), "{page} of {pages:?}");
        let text = fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".TH hallpass"), "{text}");
    }
    let call = fs::read_to_string(folder.join("hallpass-call.1")).unwrap();
    assert!(call.contains("no\\-validate"), "{call}");
    let file = folder.join("hallpass.1").display().to_string();
    let ended = fixture.run(&["man", &file]).await.expect(1);
    assert!(
        ended.stderr.contains("writing the pages to"),
        "{}",
        ended.stderr
    );
}
