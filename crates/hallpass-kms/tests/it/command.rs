//! A program that wraps and unwraps.

use std::{os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use hallpass_core::Remedy;
use hallpass_kms::CommandKeyEncryption;
use hallpass_seal::{KeyEncryption as _, KeyErrorKind, SealingKey};
use tempfile::TempDir;

/// Stands for a service: it keeps what it wraps in a file of its own, by the context.
const PROGRAM: &str = r#"#!/bin/sh
read line
case "$2" in
  wrap) echo "$line" > "$1/$3"; echo "wrapped-$3";;
  unwrap) [ "$line" = "wrapped-$3" ] || exit 3; cat "$1/$3";;
esac
"#;

fn program(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("kms");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[tokio::test]
async fn wrapped_key_opens_with_its_context_only() {
    let folder = TempDir::new().unwrap();
    let folder_name = folder.path().to_str().unwrap();
    let command = CommandKeyEncryption::new("one", program(&folder, PROGRAM), [folder_name]);
    let key = SealingKey::generate().unwrap();
    let wrapped = command.wrap(&key, b"acme").await.unwrap();
    let opened = command.unwrap(&wrapped, b"acme").await.unwrap();
    assert_eq!(opened.expose(), key.expose());
    let error = command.unwrap(&wrapped, b"evil").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.remedy()),
        (KeyErrorKind::Unavailable, Remedy::Retry)
    );
    assert!(error.to_string().contains("exit status: 3"), "{error}");
}

#[tokio::test]
async fn program_that_fails_is_an_error_without_its_output_and_arguments() {
    let folder = TempDir::new().unwrap();
    let key = SealingKey::from_bytes([0xab; 32]);
    let wrapped = b"wrapped-canary";
    for (text, kind) in [
        (
            "#!/bin/sh\necho canary; echo canary >&2; exit 1\n",
            KeyErrorKind::Unavailable,
        ),
        ("#!/bin/sh\n", KeyErrorKind::Unusable),
        ("#!/bin/sh\necho canary canary\n", KeyErrorKind::Unusable),
        (
            "#!/bin/sh\nhead -c 70000 /dev/zero | tr '\\0' a\n",
            KeyErrorKind::Unusable,
        ),
        (
            "#!/bin/sh\nexec tail -f /dev/null\n",
            KeyErrorKind::TimedOut,
        ),
    ] {
        let command = CommandKeyEncryption::new("one", program(&folder, text), ["--secret=canary"])
            .with_timeout(Duration::from_secs(if kind == KeyErrorKind::TimedOut {
                1
            } else {
                60
            }));
        let errors = [
            command.wrap(&key, b"acme").await,
            command.unwrap(wrapped, b"acme").await.map(|_| Vec::new()),
        ];
        for error in errors.map(Result::unwrap_err) {
            assert_eq!(error.kind(), kind, "{text}: {error}");
            let shown = format!("{error} {error:?} {command:?} {}", command.describe());
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
    let absent = CommandKeyEncryption::new("one", folder.path().join("absent"), [""; 0]);
    let error = absent.wrap(&key, b"acme").await.unwrap_err();
    assert_eq!(error.remedy(), Remedy::Configure);
    let no_key =
        CommandKeyEncryption::new("one", program(&folder, "#!/bin/sh\necho abc\n"), [""; 0]);
    let error = no_key.unwrap(wrapped, b"acme").await.unwrap_err();
    assert!(
        error.to_string().contains("64 hexadecimal digits"),
        "{error}"
    );
}
