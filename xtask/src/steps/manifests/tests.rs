use super::*;

const ROOT: &str = r#"
[workspace]
members = ["crates/*"]
[workspace.package]
version = "1.2.3"
[workspace.dependencies]
inner = { path = "crates/inner", version = "1.2.3" }
serde = { version = "1", features = ["derive"] }
"#;

const OUTER: &str = r#"
[package]
name = "outer"
description = "d"
keywords = ["k"]
categories = ["c"]
readme = "README.md"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
repository.workspace = true
authors.workspace = true
[lints]
workspace = true
[dependencies]
inner.workspace = true
[target.'cfg(unix)'.dev-dependencies]
serde.workspace = true
"#;

/// The rules broken when `from` is replaced by `to` in one of the two good manifests.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(
        ROOT.contains(from) ^ OUTER.contains(from),
        !from.is_empty(),
        "`{from}` is ambiguous"
    );
    let root: Table = ROOT.replacen(from, to, 1).parse().unwrap();
    let outer: Table = OUTER.replacen(from, to, 1).parse().unwrap();
    let inner = OUTER
        .replace("\"outer\"", "\"inner\"")
        .replace("inner.workspace = true", "");
    let example =
        "[package]\nname = \"x\"\npublish = false\n[workspace]\n[dependencies]\nserde = \"1\"";
    let manifests = [
        Manifest {
            folder: "examples/x".to_owned(),
            table: example.parse().unwrap(),
        },
        Manifest {
            folder: "crates/inner".to_owned(),
            table: inner.parse().unwrap(),
        },
        Manifest {
            folder: "crates/outer".to_owned(),
            table: outer,
        },
    ];
    let rules: Vec<&str> = rules::check(&root, &manifests)
        .iter()
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(rules, expected, "`{from}` → `{to}`");
}

#[test]
fn good_manifests_have_no_finding() {
    check("", "", &[]);
}

#[test]
fn each_breakage_is_found() {
    check(
        "version.workspace = true\nedition",
        "version = \"1.2.3\"\nedition",
        &["inherit"],
    );
    check(
        "edition.workspace = true",
        "edition = \"2021\"",
        &["inherit"],
    );
    check("rust-version.workspace = true", "", &["inherit"]);
    check(
        "license.workspace = true",
        "license = \"GPL-3.0\"",
        &["inherit"],
    );
    check("repository.workspace = true", "", &["inherit"]);
    check(
        "[lints]\nworkspace = true",
        "[lints.rust]\nunsafe_code = \"allow\"",
        &["inherit-lints"],
    );
    check("name = \"outer\"", "name = \"other\"", &["name-is-folder"]);
    check(
        "inner.workspace = true",
        "inner = { path = \"../inner\" }",
        &["inherit-dependency"],
    );
    check(
        "serde.workspace = true",
        "serde = \"1\"",
        &["inherit-dependency"],
    );
    check(
        "serde.workspace = true",
        "serde = { workspace = true, optional = true }",
        &["optional"],
    );
    check(
        "serde.workspace = true",
        "serde = { workspace = true, features = [\"rc\"] }",
        &["features-in-root"],
    );
    check(
        "inner.workspace = true",
        "inner = { workspace = true, default-features = false }",
        &["internal-features"],
    );
    check("[lints]\n", "[features]\nx = []\n[lints]\n", &["features"]);
    check("description = \"d\"\n", "", &["published"]);
    check("keywords = [\"k\"]\n", "", &["published"]);
    check("categories = [\"c\"]\n", "", &["published"]);
    check("readme = \"README.md\"\n", "", &["published"]);
    check("[\"crates/*\"]", "[\"crates/outer\"]", &["members"]);
    check(
        "[workspace.package]",
        "[package]\nname = \"x\"\n[workspace.package]",
        &["virtual-root"],
    );
    check(
        "[workspace.package]",
        "[dependencies]\n[workspace.package]",
        &["virtual-root"],
    );
    check(
        "serde = {",
        "unused = \"1\"\nserde = {",
        &["unused-dependency"],
    );
    check(
        "\"crates/inner\"",
        "\"crates/elsewhere\"",
        &["internal-path"],
    );
    check(
        "version = \"1.2.3\" }",
        "version = \"1.2.4\" }",
        &["internal-version"],
    );
    check(
        "version = \"1.2.3\" }",
        "version = \"1.2.3\", features = [] }",
        &["internal-features"],
    );
    check("features = [\"derive\"]", "optional = true", &["optional"]);
    check(
        "serde = {",
        "serde_json = { path = \"../elsewhere\" }\nserde = {",
        &["internal-path", "unused-dependency"],
    );
}

#[test]
fn a_workspace_of_its_own_inherits_nothing() {
    let root = "[workspace]\n[workspace.package]\nedition = \"2024\"\nversion = \"1.0.0\"";
    let rules = |package: &str| {
        let text = format!("[package]\nname = \"x\"\n{package}\n[workspace]\n");
        let manifest = Manifest {
            folder: "examples/x".to_owned(),
            table: text.parse().unwrap(),
        };
        let findings = rules::check(&root.parse().unwrap(), &[manifest]);
        findings.iter().map(|it| it.rule).collect::<Vec<_>>()
    };
    let own = "own-workspace";
    assert_eq!(rules("edition = \"2024\"\npublish = false"), [""; 0]);
    assert_eq!(rules("edition = \"2024\""), [own]);
    assert_eq!(rules("edition = \"2021\"\npublish = false"), [own]);
    assert_eq!(rules(""), [own, own]);
}
