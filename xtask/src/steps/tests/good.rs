//! A small workspace that breaks no rule, and what the steps say of a tree like it.

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use serde_json::{Value, json};

use crate::{
    finding::{Exception, Finding},
    steps::{
        bazel::{
            self,
            build_files::{self, BuildFile},
            index, lock,
        },
        codegen, manifests, tidy,
    },
    tree::Tree,
};

const ROOT: &str = r#"
[workspace]
members = ["crates/*", "xtask"]
[workspace.package]
version = "1.2.3"
edition = "2024"
license = "MIT"
[workspace.dependencies]
hallpass-core = { path = "crates/hallpass-core", version = "1.2.3" }
rmcp = "3"
serde = { version = "1", features = ["derive"] }
tokio = "1"
"#;

const PACKAGE: &str = r#"
[package]
name = "NAME"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
repository.workspace = true
authors.workspace = true
description = "What it is"
keywords = ["oauth"]
categories = ["authentication"]
readme = "README.md"
[lints]
workspace = true
"#;

const OAUTH: &str = "[dependencies]\nhallpass-core.workspace = true\n\
    [target.'cfg(unix)'.dependencies]\nserde.workspace = true\n\
    [dev-dependencies]\ntokio.workspace = true\n";

const RMCP: &str = "[dependencies]\nrmcp.workspace = true\n";

const HOST: &str = "[workspace]\n[package]\nname = \"host\"\nedition = \"2024\"\nlicense = \"MIT\"\n\
    publish = false\n[dependencies]\nserde = { version = \"1\", optional = true }\n\
    hallpass-core = { path = \"../../crates/hallpass-core\" }\n";

const PARTS: &str = "//! Docs.\n\nuse serde::{de::Error, Serialize};\n\npub struct Part(Serialize);\n\n\
    pub fn open(url: &url::Url) -> Part {\n    let _: Error;\n}\n\n#[cfg(test)]\nmod tests;\n";

const CARGO_LOCK: &str = r#"
version = 4
[[package]]
name = "hallpass-core"
version = "1.2.3"
[[package]]
name = "hallpass-oauth"
version = "1.2.3"
dependencies = ["hallpass-core", "serde", "tokio"]
[[package]]
name = "hallpass-rmcp"
version = "1.2.3"
dependencies = ["rmcp"]
[[package]]
name = "hallpass-testkit"
version = "1.2.3"
dependencies = ["rmcp"]
[[package]]
name = "rmcp"
version = "3.0.0"
source = "registry"
checksum = "c3"
[[package]]
name = "serde"
version = "1.0.0"
source = "registry"
checksum = "c1"
dependencies = ["itoa 1.0.0"]
[[package]]
name = "tokio"
version = "1.1.0+more"
source = "registry"
checksum = "c2"
"#;

const MODULE: &str = "module(\n    name = \"hallpass\",\n    version = \"1.2.3\",\n)\n\
    bazel_dep(name = \"rules_rs\", version = \"0.0.102\")\n\
    bazel_dep(\n    name = \"platforms\",\n    version = \"1.1.0\",\n)\n";

const DEFS: &str =
    "load(\"@crates//:defs.bzl\", \"aliases\")\nload(\"@rules_rust//rust:defs.bzl\", \"x\")\n";

/// The workspace.
pub(super) fn tree() -> Tree {
    static TREE: LazyLock<Tree> = LazyLock::new(make);
    TREE.clone()
}

fn make() -> Tree {
    let package = |name: &str, more: &str| PACKAGE.replace("NAME", name) + more;
    let readme = |name: &str| format!("# {name}\n\n## Who takes it alone\n\nA host.\n");
    let place = |what: &str| {
        format!(
            "Text.\n\n<!-- {what}, written by `cargo xtask codegen --write`. -->\n\
             <!-- The end of what is written. -->\n\nMore text.\n"
        )
    };
    let files = [
        ("Cargo.toml", ROOT.to_owned()),
        ("Cargo.lock", CARGO_LOCK.to_owned()),
        ("ARCHITECTURE.md", place("The crates")),
        (
            "README.md",
            place("The host") + &place("The recording") + &place("The crates"),
        ),
        ("CONTRIBUTING.md", place("The steps")),
        (
            "crates/hallpass-core/Cargo.toml",
            package("hallpass-core", ""),
        ),
        ("crates/hallpass-core/README.md", readme("hallpass-core")),
        (
            "crates/hallpass-core/src/lib.rs",
            "//! Docs.\n\nfn open() { secret.expose() }\n".to_owned(),
        ),
        (
            "crates/hallpass-oauth/Cargo.toml",
            package("hallpass-oauth", OAUTH),
        ),
        ("crates/hallpass-oauth/README.md", readme("hallpass-oauth")),
        (
            "crates/hallpass-oauth/src/lib.rs",
            "//! Docs.\n\nmod parts;\n\npub use hallpass_core::Url;\npub use parts::Part;\n"
                .to_owned(),
        ),
        ("crates/hallpass-oauth/src/parts.rs", PARTS.to_owned()),
        (
            "crates/hallpass-oauth/src/parts/tests.rs",
            "use super::*;\n\n#[test]\nfn works() { secret.expose(); }\n".to_owned(),
        ),
        (
            "crates/hallpass-oauth/tests/it/main.rs",
            "//! Tests.\n\nmod cases;\n".to_owned(),
        ),
        (
            "crates/hallpass-oauth/tests/it/cases.rs",
            "#[tokio::test]\nfn works() {}\n\n#[ignore]\nfn excepted() {}\n".to_owned(),
        ),
        (
            "crates/hallpass-rmcp/Cargo.toml",
            package("hallpass-rmcp", RMCP),
        ),
        ("crates/hallpass-rmcp/README.md", readme("hallpass-rmcp")),
        (
            "crates/hallpass-rmcp/src/lib.rs",
            "//! Docs.\n\npub fn client() -> rmcp::Client {}\n".to_owned(),
        ),
        (
            "crates/hallpass-testkit/Cargo.toml",
            package("hallpass-testkit", RMCP),
        ),
        (
            "crates/hallpass-testkit/README.md",
            readme("hallpass-testkit"),
        ),
        (
            "crates/hallpass-testkit/src/lib.rs",
            "//! Docs.\n\nuse rmcp::Server;\n\npub fn start() {\n    Server\n}\n".to_owned(),
        ),
        (
            "xtask/Cargo.toml",
            package("xtask", "").replace("readme = \"README.md\"", "publish = false"),
        ),
        ("xtask/src/main.rs", "//! Docs.\n".to_owned()),
        ("examples/host/Cargo.toml", HOST.to_owned()),
        (
            "layers.toml",
            "{ crate = \"hallpass-core\", wrappers = [\"hallpass-oauth\"] }\n".to_owned(),
        ),
        (".bazelversion", "9.0.0\n".to_owned()),
        ("MODULE.bazel", MODULE.to_owned()),
        ("defs.bzl", DEFS.to_owned()),
    ];
    let mut tree = Tree {
        files: files.map(|(path, text)| (path.to_owned(), text)).into(),
    };
    tree.files.append(&mut codegen::documents(&tree).0);
    for file in rendered(&tree) {
        tree.files.insert(file.path, file.text);
    }
    let lock = lock::render(None, &facts(&tree).0, &lock::Inputs::of(&tree));
    tree.files.insert("MODULE.bazel.lock".to_owned(), lock);
    tree
}

/// What the steps say of a tree: the step, and its line.
pub(super) fn said_of(tree: &Tree) -> Vec<String> {
    let (facts, missing) = facts(tree);
    let bazel = if missing.is_empty() {
        bazel::check(tree, &rendered(tree), &facts)
    } else {
        missing
    };
    let steps = [
        ("manifests", manifests::check(tree, EXCEPTED)),
        ("tidy", tidy::check(tree, &rules())),
        ("bazel", bazel),
        ("codegen", codegen::check(tree)),
    ];
    let lines = |(step, findings): (&str, Vec<Finding>)| {
        let lines = findings
            .into_iter()
            .map(|finding| format!("{step}: {finding}"));
        lines.collect::<Vec<_>>()
    };
    steps.into_iter().flat_map(lines).collect()
}

/// What the manifests may break.
const EXCEPTED: &[Exception] = &[Exception {
    place: "host",
    rule: "optional",
    reason: "a host shows how",
}];

fn rules() -> tidy::Rules {
    tidy::Rules {
        adapters: &[("hallpass-rmcp", "rmcp")],
        single_places: &[tidy::SinglePlace {
            does: "opens a secret",
            code: &[".expose()", ".expose_secret()"],
            files: &["crates/hallpass-core/src/lib.rs"],
        }],
        language: tidy::Language {
            retired: &["Door"],
            leaving: &[("Part", 1)],
            unnamed: 0,
            people: &["anybody can send one"],
        },
        exceptions: &[Exception {
            place: "crates/hallpass-oauth/tests/it/cases.rs",
            rule: "ignore",
            reason: "another test runs it",
        }],
    }
}

/// The `BUILD.bazel` files, from what cargo would say of the tree.
fn rendered(tree: &Tree) -> Vec<BuildFile> {
    let packages: Vec<Value> = tree
        .packages()
        .map(|(folder, manifest)| {
            let name = &manifest["package"]["name"];
            let target = |path: &str| -> Option<Value> {
                let (kind, name) = match path.strip_prefix(&format!("{folder}/"))? {
                    "src/lib.rs" => ("lib", name.as_str()?),
                    "src/main.rs" => ("bin", name.as_str()?),
                    other => match other.strip_prefix("tests/")?.split('/').collect::<Vec<_>>()[..]
                    {
                        [name, "main.rs"] => ("test", name),
                        [file] => ("test", file.strip_suffix(".rs")?),
                        _ => return None,
                    },
                };
                Some(json!({"kind": [kind], "name": name, "src_path": format!("/{path}")}))
            };
            let targets: Vec<Value> = tree.files.keys().filter_map(|path| target(path)).collect();
            json!({
                "name": name.as_str(), "version": "1.2.3", "targets": targets,
                "manifest_path": format!("/{folder}/Cargo.toml"),
            })
        })
        .collect();
    build_files::render_all(&json!({ "packages": packages }), Path::new("/")).unwrap()
}

/// The facts of the tree's `Cargo.lock`, from an index of two packages.
fn facts(tree: &Tree) -> (BTreeMap<String, String>, Vec<Finding>) {
    let cache = |version: &str, checksum: &str| {
        let dependency = json!({"name": "itoa", "req": "^1", "kind": "normal", "features": []});
        let entry =
            json!({"vers": version, "cksum": checksum, "features": {}, "deps": [dependency]});
        let mut bytes = vec![3, 2, 0, 0, 0];
        bytes.extend(format!("etag: x\0{version}\0{entry}\0").bytes());
        bytes
    };
    index::facts(tree.text("Cargo.lock"), |package| {
        let cache = match &*package.name {
            "rmcp" => cache("3.0.0", "c3"),
            "serde" => cache("1.0.0", "c1"),
            "tokio" => cache("1.1.0+more", "c2"),
            _ => return Err("cargo's index has no entry of it".to_owned()),
        };
        index::entry(&cache, package)
    })
    .unwrap()
}
