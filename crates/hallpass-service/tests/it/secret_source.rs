//! Tokens from a file and from a command.

use std::{error::Error as _, path::PathBuf};
#[cfg(unix)]
use std::{path::Path, time::Duration};

use hallpass_core::{Remedy, TokenSource, TokenSourceError};
use hallpass_service::TokenFile;
#[cfg(unix)]
use hallpass_service::{AssertionSource, CommandSource};
use tempfile::TempDir;

async fn read(source: &impl TokenSource) -> Result<String, TokenSourceError> {
    let token = source.read().await?;
    Ok(token.expose().to_owned())
}

fn write(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("token");
    std::fs::File::create(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .unwrap();
    path
}

/// All texts of an error.
fn shown(error: &TokenSourceError) -> String {
    format!("{error} {error:?} {:?} {:?}", error.hints(), error.source())
}

#[tokio::test]
async fn token_file_is_read_each_time() {
    let folder = TempDir::new().unwrap();
    let file = TokenFile::new(folder.path().join("token"));
    let error = read(&file).await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure);
    assert!(shown(&error).contains("NotFound"), "{}", shown(&error));
    for text in ["first\n", "  second", "third\r\n"] {
        write(&folder, text);
        assert_eq!(read(&file).await.unwrap(), text.trim());
    }
    for (text, what) in [
        ("", "gave nothing"),
        (" \n", "gave nothing"),
        ("canary one\n", "more than one word"),
        ("canary\ncanary\n", "more than one word"),
        ("can\0ary", "more than one word"),
        (&"canary".repeat(20_000), "more than 65536 bytes"),
    ] {
        write(&folder, text);
        let error = read(&file).await.unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(!shown(&error).contains("canary"), "{}", shown(&error));
    }
    assert!(!format!("{file:?} {}", file.describe()).contains("canary"));
}

#[cfg(unix)]
fn sh(script: &str) -> CommandSource {
    CommandSource::new("sh", ["-c", script])
}

#[cfg(unix)]
#[tokio::test]
async fn command_output_is_the_token() {
    assert_eq!(read(&sh("echo token-1")).await.unwrap(), "token-1");
    let command = sh("printf token-2; echo canary >&2");
    assert_eq!(read(&command).await.unwrap(), "token-2");
    let assertion = AssertionSource::read(&command).await.unwrap();
    assert_eq!(assertion.expose(), "token-2");
    // No shell expands the arguments.
    let command = CommandSource::new("printf", ["%s", "$HOME;*"]);
    assert_eq!(read(&command).await.unwrap(), "$HOME;*");
    // It inherits the environment, without what is withheld.
    let command = sh("command -p env | command -p grep -c '^PATH='; true");
    assert_eq!(read(&command).await.unwrap(), "1");
    let command = command.without_variables(["PATH"]);
    assert_eq!(read(&command).await.unwrap(), "0");
    // There is nothing to read from.
    assert_eq!(read(&sh("cat; echo end")).await.unwrap(), "end");
}

#[cfg(unix)]
#[tokio::test]
async fn command_error_has_remedy_and_no_output() {
    let limit = Duration::from_millis(200);
    let no_program = Path::new("/nonexistent/program");
    for (command, remedy, what) in [
        (
            CommandSource::new(no_program, ["canary"]),
            Remedy::Configure,
            "could not be run",
        ),
        (
            sh("echo canary; exit 3"),
            Remedy::Configure,
            "exit status: 3",
        ),
        (
            sh("echo canary >&2; exit 1"),
            Remedy::Configure,
            "exit status: 1",
        ),
        (sh("kill -9 $$ # canary"), Remedy::Configure, "signal: 9"),
        (sh(": canary"), Remedy::Configure, "gave nothing"),
        (
            sh("echo canary canary"),
            Remedy::Configure,
            "more than one word",
        ),
        (
            sh("printf '\\377canary'"),
            Remedy::Configure,
            "gave no text",
        ),
        (sh("yes canary"), Remedy::Configure, "more than 65536 bytes"),
        (
            sh("echo canary; exec cat /dev/zero >/dev/null").with_timeout(limit),
            Remedy::Retry,
            "did not end within 0.2 s",
        ),
    ] {
        let error = read(&command).await.unwrap_err();
        assert_eq!(error.remedy(), remedy, "{error}");
        assert!(error.to_string().contains(what), "{error}");
        let of_assertion = AssertionSource::read(&command).await.unwrap_err();
        assert_eq!(of_assertion.to_string(), error.to_string());
        assert_eq!(of_assertion.hints(), error.hints());
        let shown = format!("{} {command:?} {}", shown(&error), command.describe());
        assert!(!shown.contains("canary"), "{shown}");
    }
}
