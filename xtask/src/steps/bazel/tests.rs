use std::path::Path;

use serde_json::json;

use super::*;
use index::Package;
use lock::Inputs;

const CARGO_LOCK: &str = r#"
version = 4

[[package]]
name = "cfg-if"
version = "1.0.0"
source = "registry"
checksum = "c1"

[[package]]
name = "ours"
version = "0.1.0"

[[package]]
name = "wasi"
version = "0.11.1+snapshot"
source = "registry"
checksum = "c2"
"#;

const MODULE: &str = r#"
bazel_dep(name = "rules_rs", version = "0.0.102")
bazel_dep(
    name = "platforms",
    version = "1.1.0",
)
"#;

fn known() -> BTreeMap<String, String> {
    let fact = |name: &str| format!("{{\"dependencies\":[],\"features\":{{\"{name}\":[]}}}}");
    ["cfg-if_1.0.0", "wasi_0.11.1+snapshot"]
        .map(|key| (key.to_owned(), fact(key)))
        .into()
}

fn inputs(bazel: &str, foreign: &[&str]) -> Inputs {
    Inputs {
        bazel: bazel.to_owned(),
        module: MODULE.to_owned(),
        foreign: foreign.iter().map(|key| (*key).to_owned()).collect(),
    }
}

#[test]
fn the_lock_version_follows_bazel() {
    let text = lock::render(None, &known(), &inputs("8.6.1", &[]));
    assert!(text.contains("\"lockFileVersion\": 24"));
    assert_eq!(lock::check(&text, &known(), &inputs("8.6.1", &[])), []);
    for bazel in ["9.0.0", "8.4.2", "10.0.0"] {
        let findings = lock::check(&text, &known(), &inputs(bazel, &[]));
        assert_eq!(findings[0].rule, "lock-version", "{bazel}");
    }
}

#[test]
fn writing_exchanges_the_facts_and_keeps_the_rest() {
    let inputs = inputs("9.0.0", &["theirs_2.0.0"]);
    let mut facts = known();
    let completed = lock::render(None, &facts, &inputs)
        .replace(
            "\"registryFileHashes\": {}",
            "\"registryFileHashes\": {\"kept\": \"h\"}",
        )
        .replace(
            "\"cfg-if_1.0.0\"",
            "\"theirs_2.0.0\": \"{}\",\n      \"cfg-if_1.0.0\"",
        );
    facts.remove("cfg-if_1.0.0");
    facts.insert("new_3.0.0".to_owned(), "{}".to_owned());
    let written = lock::render(Some(&completed), &facts, &inputs);
    let keys: Vec<_> = lock::facts(&written).into_keys().collect();
    assert_eq!(keys, ["new_3.0.0", "theirs_2.0.0", "wasi_0.11.1+snapshot"]);
    assert!(written.contains("{\"kept\": \"h\"}"));
    assert_eq!(lock::render(Some(&written), &facts, &inputs), written);
    let emptied = lock::render(
        Some(&written),
        &BTreeMap::new(),
        &super::tests::inputs("9.0.0", &[]),
    );
    assert!(lock::facts(&emptied).is_empty());
    assert_eq!(
        lock::render(Some(&emptied), &facts, &inputs)
            .matches("new_3.0.0")
            .count(),
        1
    );
    let gone = lock::check(&emptied, &BTreeMap::new(), &inputs);
    assert_eq!(gone[0].rule, "foreign-facts");
}

#[test]
fn a_lock_of_another_bazel_is_written_anew() {
    let old = lock::render(None, &known(), &inputs("8.6.1", &[])).replace(
        "\"registryFileHashes\": {}",
        "\"registryFileHashes\": {\"kept\": \"h\"}",
    );
    let new = lock::render(Some(&old), &known(), &inputs("9.0.0", &[]));
    assert!(!new.contains("kept"));
    assert_eq!(lock::check(&new, &known(), &inputs("9.0.0", &[])), []);
}

#[test]
fn the_packages_are_those_with_a_checksum() {
    let keys: Vec<_> = index::packages(CARGO_LOCK)
        .unwrap()
        .iter()
        .map(Package::key)
        .collect();
    assert_eq!(keys, ["cfg-if_1.0.0", "wasi_0.11.1+snapshot"]);
}

#[test]
fn an_entry_is_found_by_version_and_must_have_the_checksum() {
    let cache = |format: u8| {
        let mut bytes = vec![format, 2, 0, 0, 0];
        bytes.extend(b"etag: x\0");
        bytes.extend(b"1.0.0\0{\"cksum\":\"c1\",\"vers\":\"1.0.0\"}\0");
        bytes.extend(b"1.0.1\0{\"cksum\":\"c2\",\"vers\":\"1.0.1\"}\0");
        bytes.extend(b"1.0.2\0{\"cksum\"\0");
        bytes
    };
    let package = |version: &str, checksum: &str| Package {
        name: "cfg-if".to_owned(),
        version: version.to_owned(),
        checksum: checksum.to_owned(),
    };
    let found = index::entry(&cache(3), &package("1.0.1", "c2")).unwrap();
    assert_eq!(found["vers"], "1.0.1");
    for (format, version, checksum, said) in [
        (3, "1.0.1", "c1", "another checksum"),
        (3, "2.0.0", "c1", "does not have this version"),
        (3, "1.0.2", "c1", "no JSON"),
        (4, "1.0.1", "c2", "another format"),
    ] {
        let error = index::entry(&cache(format), &package(version, checksum)).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_fact_is_sorted_and_leaves_out_what_is_usual() {
    let entry = json!({
        "name": "x", "cksum": "c", "yanked": false,
        "features": {"std": ["alloc"], "default": ["std"]},
        "features2": {"b": ["dep:b"]},
        "deps": [
            {"name": "b", "req": "^1", "features": [], "optional": true, "default_features": true,
             "target": null, "kind": "normal"},
            {"name": "a", "req": "^2", "features": ["f"], "optional": false, "package": "other",
             "default_features": false, "target": "cfg(unix)", "kind": "dev"},
        ],
    });
    let expected = "{\"dependencies\":[{\"name\":\"b\",\"optional\":true,\"req\":\"^1\"},\
        {\"default_features\":false,\"features\":[\"f\"],\"kind\":\"dev\",\"name\":\"a\",\
        \"package\":\"other\",\"req\":\"^2\",\"target\":\"cfg(unix)\"}],\
        \"features\":{\"b\":[\"dep:b\"],\"default\":[\"std\"],\"std\":[\"alloc\"]}}";
    assert_eq!(index::fact(&entry), expected);
}

#[test]
fn the_order_of_dependencies_says_nothing() {
    let fact =
        |dependencies: &str| format!("{{\"dependencies\":[{dependencies}],\"features\":{{}}}}");
    let (a, b) = ("{\"name\":\"a\"}", "{\"name\":\"b\"}");
    let one = fact(&format!("{a},{b}"));
    for (other, same) in [
        (one.clone(), true),
        (fact(&format!("{b},{a}")), true),
        (fact(&format!("{b}, {a}")), false),
        (fact(&format!("{b},{b}")), false),
        (fact(b), false),
        (String::new(), false),
    ] {
        assert_eq!(index::same(&one, &other), same, "{other}");
    }
    let other = fact(&format!("{b},{a}"));
    let facts = |fact: &str| BTreeMap::from([("x_1.0.0".to_owned(), fact.to_owned())]);
    let written = lock::render(None, &facts(&one), &inputs("9.0.0", &[]));
    let again = lock::render(Some(&written), &facts(&other), &inputs("9.0.0", &[]));
    assert_eq!(again, written);
}

#[test]
fn the_index_keeps_a_package_by_its_name() {
    for (name, place) in [
        ("a", "1/a"),
        ("ab", "2/ab"),
        ("Url", "3/u/url"),
        ("Inflector", "in/fl/inflector"),
    ] {
        assert_eq!(index::place(name), Path::new(place));
    }
}
