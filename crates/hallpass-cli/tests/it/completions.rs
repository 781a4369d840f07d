//! Completions and manual pages.

use std::fs;

use crate::program::Fixture;

#[tokio::test]
async fn completions_list_commands_and_options() {
    let fixture = Fixture::new().await;
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = fixture.run(&["completions", shell]).await.expect(0).stdout;
        for word in ["login", "exec", "no-validate", "key-store"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
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

/// What bash itself makes of them.
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
    let ask = "source \"$1\"; COMP_WORDS=(hallpass reso); COMP_CWORD=1; \
        _hallpass hallpass reso hallpass; echo \"${COMPREPLY[@]}\"";
    let output = tokio::process::Command::new("/bin/bash")
        .args(["-c", ask, "bash"])
        .arg(&file)
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
