use super::*;

const TABLES: Tables = Tables {
    may_use: &[("inner", &[]), ("hallpass-outer", &["inner"])],
    only_in: &[("reqwest", &["inner"]), ("rmcp", &["dev:hallpass-outer"])],
};

const OUTER: &str = "crates/hallpass-outer/Cargo.toml";
const LIB: &str = "crates/hallpass-outer/src/lib.rs";
const PARTS: &str = "crates/hallpass-outer/src/parts.rs";
const TESTS: &str = "crates/hallpass-outer/src/parts/tests.rs";
const IT: &str = "crates/hallpass-outer/tests/it/main.rs";
const CASES: &str = "crates/hallpass-outer/tests/it/cases.rs";
const INNER: &str = "crates/inner/Cargo.toml";
const MAP: &str = "ARCHITECTURE.md";

/// A tree that breaks no rule.
fn good() -> Tree {
    let files = [
        (
            OUTER,
            "[dependencies]\ninner.workspace = true\nserde.workspace = true\n[dev-dependencies]\nrmcp.workspace = true\n",
        ),
        (LIB, "//! Docs.\n\nmod parts;\n\npub use parts::Part;\n"),
        (
            PARTS,
            "//! Docs.\n\nuse serde::{de::Error, Serialize};\n\npub struct Part(Serialize);\n\npub fn open(url: &url::Url) -> Part {\n    let _: Error;\n}\n\n#[cfg(test)]\nmod tests;\n",
        ),
        (
            TESTS,
            "use super::*;\n\n#[test]\nfn works() { secret.expose(); }\n",
        ),
        (IT, "//! Tests.\n\nmod cases;\n"),
        (CASES, "#[test]\nfn works() {}\n"),
        (
            INNER,
            "[target.'cfg(unix)'.dependencies]\nreqwest.workspace = true\n",
        ),
        (
            "crates/inner/src/lib.rs",
            "//! Docs.\n\nfn open() { secret.expose() }\n",
        ),
        (
            MAP,
            "| crate |\n| `inner` | x |\n| `hallpass-outer` | y |\n",
        ),
    ];
    Tree {
        files: files
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into(),
    }
}

fn found(tree: &Tree, tables: Tables, may_expose: &'static [&'static str]) -> Vec<String> {
    let machine = Machine {
        words: vec!["/srv/checkout".to_owned(), "buildhost7".to_owned()],
    };
    let rules = Rules {
        tables,
        may_expose,
        machine,
    };
    let findings = check(tree, &rules);
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.rule, finding.place))
        .collect()
}

const MAY_EXPOSE: &[&str] = &["crates/inner/src/lib.rs"];

/// What is found when `from` is replaced by `to` in one file of a good tree: each as the rule and
/// the place.
#[track_caller]
fn breaks(path: &str, from: &str, to: &str, expected: &[&str]) {
    let mut tree = good();
    let text = tree.files.entry(path.to_owned()).or_default();
    assert!(text.contains(from), "`{from}` is not in {path}");
    *text = text.replacen(from, to, 1);
    assert_eq!(
        found(&tree, TABLES, MAY_EXPOSE),
        expected,
        "`{from}` → `{to}`"
    );
}

#[test]
fn a_good_tree_breaks_no_rule() {
    breaks(LIB, "", "", &[]);
}

#[test]
fn who_depends_on_whom() {
    let may_use = "may-use hallpass-outer";
    let only_in = "only-in hallpass-outer";
    breaks(OUTER, "inner.", "hallpass-other.", &[may_use, may_use]);
    breaks(OUTER, "inner.workspace = true", "", &[may_use]);
    breaks(OUTER, "rmcp.workspace = true", "", &[only_in]);
    breaks(OUTER, "serde.", "rmcp.", &[only_in]);
    breaks(OUTER, "serde.", "reqwest.", &[only_in]);
    breaks(
        OUTER,
        "[dev-dep",
        "[build-dependencies]\nreqwest.workspace = true\n[dev-dep",
        &[only_in],
    );
    breaks(OUTER, "rmcp.", "reqwest.", &[only_in, only_in]);
    breaks(
        INNER,
        "[target",
        "[dependencies]\nhallpass.workspace = true\n[target",
        &["may-use inner"],
    );
    breaks(
        INNER,
        "reqwest",
        "rmcp",
        &["only-in inner", "only-in inner"],
    );
    breaks(
        "crates/new/Cargo.toml",
        "",
        "",
        &["crate-map ARCHITECTURE.md", "may-use new"],
    );
    breaks(MAP, "| `inner` | x |\n", "", &["crate-map ARCHITECTURE.md"]);
    breaks(
        MAP,
        "`inner`",
        "`gone`",
        &["crate-map ARCHITECTURE.md", "crate-map ARCHITECTURE.md"],
    );
    let mut tree = good();
    tree.files.remove(INNER);
    tree.files.remove("crates/inner/src/lib.rs");
    let expected = [
        "crate-map ARCHITECTURE.md",
        "expose crates/inner/src/lib.rs",
        "may-use inner",
    ];
    assert_eq!(found(&tree, TABLES, MAY_EXPOSE), expected);
}

#[test]
fn what_comes_with_a_crate() {
    let found = |name: &'static str, tree: &[&str]| {
        let tree = tree.iter().map(|name| (*name).to_owned()).collect();
        let findings = trees::check(&[(name, tree)].into());
        findings
            .iter()
            .map(|it| it.what.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found(
            "hallpass-oauth",
            &["hallpass-oauth", "http", "tokio-macros"]
        ),
        [""; 0]
    );
    assert_eq!(
        found("hallpass-oauth", &["http", "tokio"]),
        ["tokio comes with it"]
    );
    assert_eq!(found("hallpass-http", &["reqwest", "tokio"]), [""; 0]);
    let both = found("hallpass-store", &["reqwest", "hyper"]);
    assert_eq!(both, ["hyper comes with it", "reqwest comes with it"]);
}

#[test]
fn length_and_documentation() {
    let lines = |count: usize| "//\n".repeat(count);
    breaks(
        LIB,
        "//! Docs.\n",
        &format!("//! Docs.\n{}", lines(395)),
        &[],
    );
    breaks(
        LIB,
        "//! Docs.\n",
        &format!("//! Docs.\n{}", lines(396)),
        &[&format!("length {LIB}")],
    );
    breaks(CASES, "", &lines(598), &[]);
    breaks(CASES, "", &lines(599), &[&format!("length {CASES}")]);
    breaks(
        LIB,
        "//! Docs.\n",
        "// Docs.\n",
        &[&format!("module-docs {LIB}")],
    );
    breaks(PARTS, "//! Docs.\n", "", &[&format!("module-docs {PARTS}")]);
}

#[test]
fn tests_that_do_not_run_or_wait() {
    breaks(
        CASES,
        "#[test]",
        "#[test]\n#[ignore = \"slow\"]",
        &[&format!("ignore {CASES}")],
    );
    breaks(
        TESTS,
        "#[test]",
        "#[ignore]\n#[test]",
        &[&format!("ignore {TESTS}")],
    );
    breaks(
        CASES,
        "{}",
        "{\nstd::thread::sleep(SHORT);\n}",
        &[&format!("sleep {CASES}")],
    );
    breaks(
        TESTS,
        "{ ",
        "{\ntokio::time::sleep(SHORT).await;\n",
        &[&format!("sleep {TESTS}")],
    );
    breaks(
        PARTS,
        "{\n",
        "{\nsleep(SHORT).await;\n",
        &[&format!("sleep {PARTS}")],
    );
    breaks(PARTS, "{\n", "{\n// thread::sleep(SHORT)\n", &[]);
    breaks(PARTS, "{\n", "{\nclock.sleep(SHORT).await;\n", &[]);
}

#[test]
fn where_secrets_are_opened() {
    breaks(
        PARTS,
        "{\n",
        "{\nsecret.expose();\n",
        &[&format!("expose {PARTS}")],
    );
    breaks(
        PARTS,
        "{\n",
        "{\nsecret.expose_secret();\n",
        &[&format!("expose {PARTS}")],
    );
    breaks(CASES, "{}", "{ secret.expose(); }", &[]);
    let inner = "crates/inner/src/lib.rs";
    breaks(inner, ".expose()", "", &[&format!("expose {inner}")]);
    breaks(
        inner,
        "fn open",
        "// .expose()\n#[cfg(test)]\nfn open",
        &[&format!("expose {inner}")],
    );
    let gone = found(
        &good(),
        TABLES,
        &["crates/inner/src/lib.rs", "crates/gone.rs"],
    );
    assert_eq!(gone, ["expose crates/gone.rs"]);
}

#[test]
fn every_file_is_reached() {
    breaks(IT, "mod cases;", "", &[&format!("reached {CASES}")]);
    breaks(
        IT,
        "mod cases;",
        "// mod cases;",
        &[&format!("reached {CASES}")],
    );
    breaks(
        LIB,
        "mod parts;",
        "",
        &[&format!("reached {PARTS}"), &format!("reached {TESTS}")],
    );
    breaks(
        PARTS,
        "mod tests;",
        "mod test;",
        &[&format!("reached {TESTS}")],
    );
    breaks(LIB, "mod parts;", "pub(crate) mod parts;", &[]);
    let docs = "//! Docs.\n";
    breaks(
        "crates/inner/src/lost.rs",
        "",
        docs,
        &["reached crates/inner/src/lost.rs"],
    );
    breaks("crates/inner/tests/more.rs", "", docs, &[]);
    breaks(
        "crates/inner/tests/more/lost.rs",
        "",
        docs,
        &["reached crates/inner/tests/more/lost.rs"],
    );
}

#[test]
fn the_public_api_is_ours() {
    let api = &[&*format!("public-api {PARTS}")];
    breaks(PARTS, "-> Part", "-> Error", api);
    breaks(PARTS, "url: &url::Url", "it: impl serde::Serialize", api);
    breaks(PARTS, "url: &url::Url", "it: u8,\n    more: &Error,\n", api);
    breaks(PARTS, "Part(", "Part(pub ", api);
    breaks(
        PARTS,
        "pub fn",
        "pub enum Part {\n    Bad(Error),\n}\n\npub fn",
        api,
    );
    breaks(
        PARTS,
        "pub fn",
        "pub trait Part {\n    fn bad(error: Error);\n}\n\npub fn",
        api,
    );
    breaks(
        PARTS,
        "pub fn",
        "impl From<Error> for Part {\n}\n\npub fn",
        api,
    );
    breaks(PARTS, "pub fn", "pub use serde::Serialize;\n\npub fn", api);
    breaks(
        PARTS,
        "pub fn",
        "pub(crate) fn bad(_: Error) {}\n\npub fn",
        &[],
    );
    breaks(
        PARTS,
        "pub fn",
        "struct Bad {\n    error: Error,\n}\n\npub fn",
        &[],
    );
    breaks(
        PARTS,
        "pub fn",
        "pub struct Good {\n    error: Error,\n}\n\npub fn",
        &[],
    );
    breaks(
        PARTS,
        "pub fn",
        "pub struct Bad {\n    pub error: Error,\n}\n\npub fn",
        api,
    );
}

#[test]
fn no_machine_is_named() {
    let machine = &[&*format!("machine {MAP}")];
    for planted in [
        "see /srv/checkout/x",
        "built on buildhost7",
        "/home/jane/src",
        "/Users/jane/src",
        "/root/.cargo",
        "C:\\Users\\jane",
        "https://crates.corp.lan/index",
        "sparse+http://mirror.internal:8080/",
    ] {
        breaks(MAP, "", &format!("{planted}\n"), machine);
    }
    for fine in [
        "/home/me/x",
        "/Users/you/x",
        "http://metadata.google.internal/",
        "https://a.example/",
    ] {
        breaks(MAP, "", &format!("{fine}\n"), &[]);
    }
}
