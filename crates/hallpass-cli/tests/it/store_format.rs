//! What the first version wrote is read by every later one.

use std::{fs, path::Path};

use serde_json::json;

use crate::program::Fixture;

const URL: &str = "http://127.0.0.1:37441/mcp";

/// A copy of the store that `tests/first-store` holds: two accounts, options that a login saved, and a
/// configuration file.
async fn first_store() -> Fixture {
    let fixture = Fixture::new().await;
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first-store");
    for folder in ["", "slots", "options"] {
        fs::create_dir_all(fixture.store().join(folder)).unwrap();
        make_private(&fixture.store().join(folder), 0o700);
        for entry in fs::read_dir(from.join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                let to = fixture.store().join(folder).join(entry.file_name());
                fs::copy(entry.path(), &to).unwrap();
                make_private(&to, 0o600);
            }
        }
    }
    fixture
}

fn make_private(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
}

#[tokio::test]
async fn first_store_is_read() {
    let fixture = first_store().await;
    let status = fixture.run(&["status", "--json"]).await.expect(0).json();
    let result = &status["result"];
    assert_eq!(result["problems"], json!([]));
    let accounts = result["accounts"].as_array().unwrap();
    let of = |member: &str| -> Vec<_> { accounts.iter().map(|it| it[member].clone()).collect() };
    assert_eq!(of("account"), ["default", "work"]);
    assert_eq!(of("server"), [URL, URL]);
    assert_eq!(of("resource"), [URL, URL]);
    assert_eq!(of("scopes"), [json!([]), json!(["tools"])]);
    assert_eq!(of("has_refresh_token"), [true, true]);
}

#[tokio::test]
async fn first_config_and_saved_options_are_read() {
    let fixture = first_store().await;
    let list = fixture.run(&["list", "--json"]).await.expect(0);
    let servers = &list.json()["result"]["servers"];
    assert_eq!(servers[0]["name"], "demo");
    assert_eq!(servers[1]["account"], "work");
    // The scope of the login to `work` was saved. The configuration sets another one for `demo`.
    for (name, changed) in [("work", false), ("demo", true)] {
        let report = fixture.run(&["doctor", name, "--json"]).await.stdout;
        assert_eq!(report.contains("settings-changed"), changed, "{report}");
    }
}

#[tokio::test]
async fn first_store_is_signed_out() {
    let fixture = first_store().await;
    fixture.run(&["logout", URL, "--account", "work"]).await;
    let status = fixture.run(&["status", "--json"]).await.expect(0).json();
    assert_eq!(status["result"]["accounts"][0]["state"], "signed-in");
    assert_ne!(status["result"]["accounts"][1]["state"], "signed-in");
}
