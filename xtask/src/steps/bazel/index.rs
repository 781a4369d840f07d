//! What cargo's own index says of the packages that `Cargo.lock` names.
//!
//! Cargo keeps a file for each package it ever looked up below
//! `$CARGO_HOME/registry/index/*/.cache`: a byte for the file's format (3), four bytes for the
//! index's format (2, little-endian), the response's revision and a NUL, then for each version its
//! number, a NUL, the index's JSON and a NUL.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::{Map, Value, json};
use toml::Table;

use crate::{
    finding::{self, Finding},
    report::Failure,
    workspace::Workspace,
};

/// Facts of packages, as `rules_rs` keeps them, by their keys.
pub(super) type Facts = BTreeMap<String, String>;

/// The five bytes before the revision: the formats that this reads.
const FORMAT: [u8; 5] = [3, 2, 0, 0, 0];

/// The fact of each package that `Cargo.lock` takes from a registry.
pub(super) fn facts(workspace: &Workspace) -> Result<Facts, Failure> {
    let text = fs::read_to_string(workspace.root().join("Cargo.lock"))?;
    let lock: Table = text
        .parse()
        .map_err(|error| Failure::new(format!("Cargo.lock: {error}")))?;
    let mut folders = Vec::new();
    if let Some(home) = cargo_home() {
        for entry in fs::read_dir(home.join("registry").join("index"))
            .into_iter()
            .flatten()
        {
            folders.push(entry?.path().join(".cache"));
        }
    }
    let (mut facts, mut missing) = (Facts::new(), Vec::new());
    for package in lock
        .get("package")
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |key: &str| package.get(key).and_then(toml::Value::as_str);
        let (Some(name), Some(version), Some(checksum)) =
            (text("name"), text("version"), text("checksum"))
        else {
            continue;
        };
        let key = format!("{name}_{version}");
        let caches = folders
            .iter()
            .filter_map(|folder| fs::read(folder.join(path(name))).ok());
        let mut found = Err("cargo's index has no entry of it");
        for cache in caches {
            found = entry(&cache, version, checksum);
            if found.is_ok() {
                break;
            }
        }
        match found {
            Ok(entry) => _ = facts.insert(key, fact(&entry)),
            Err(what) => missing.push(Finding::new(key, "index", what)),
        }
    }
    finding::report(&missing, "cargo fetch --locked")?;
    Ok(facts)
}

/// A version's entry in a cache file, whose checksum must be the one in `Cargo.lock`.
fn entry(cache: &[u8], version: &str, checksum: &str) -> Result<Value, &'static str> {
    let Some(rest) = cache.strip_prefix(&FORMAT) else {
        return Err("cargo keeps its index in another format than this reads");
    };
    let mut parts = rest.split(|byte| *byte == 0).skip(1);
    while let (Some(found), Some(json)) = (parts.next(), parts.next()) {
        if found != version.as_bytes() {
            continue;
        }
        let entry: Value = serde_json::from_slice(json)
            .map_err(|_| "cargo's index has an entry that is no JSON")?;
        if entry["cksum"] != checksum {
            return Err("the index has another checksum than Cargo.lock");
        }
        return Ok(entry);
    }
    Err("cargo's index does not have this version")
}

/// An entry's features and dependencies, without default values. Keys are sorted at every depth:
/// `serde_json`'s map is a B-tree.
fn fact(entry: &Value) -> String {
    let mut features = Map::new();
    for key in ["features", "features2"] {
        features.extend(entry[key].as_object().cloned().unwrap_or_default());
    }
    let mut dependencies = entry["deps"].as_array().cloned().unwrap_or_default();
    let defaults = json!({"default_features": true, "features": [], "kind": "normal",
        "optional": false, "target": null});
    for dependency in dependencies.iter_mut().filter_map(Value::as_object_mut) {
        dependency.retain(|key, value| defaults.get(key) != Some(value));
    }
    json!({"dependencies": dependencies, "features": features}).to_string()
}

/// Whether two facts say the same. The order of dependencies is not the same in every copy of the
/// index; everything else has to be written as `fact` does.
pub(super) fn same(one: &str, other: &str) -> bool {
    let sorted = |fact: &str| {
        let mut value: Value = serde_json::from_str(fact).ok()?;
        let minimal = value.to_string();
        let dependencies = value["dependencies"].as_array_mut()?;
        dependencies.sort_by_key(Value::to_string);
        (minimal == fact).then_some(value)
    };
    one == other || sorted(one).is_some_and(|one| Some(one) == sorted(other))
}

/// Where the index keeps a package.
fn path(name: &str) -> String {
    let name = name.to_lowercase();
    match name.len() {
        0..=2 => format!("{}/{name}", name.len()),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo itself is found through it"
)]
fn cargo_home() -> Option<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".cargo"));
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_of_other_version_checksum_or_format_is_error() {
        let cache = |format: u8| {
            let mut bytes = vec![format, 2, 0, 0, 0];
            bytes.extend(
                b"etag: x\x001.0.0\0{\"cksum\":\"c1\"}\x001.0.1\0{\"cksum\":\"c2\"}\x001.0.2\0{\0",
            );
            bytes
        };
        assert_eq!(entry(&cache(3), "1.0.1", "c2"), Ok(json!({"cksum": "c2"})));
        for (format, version, checksum, error) in [
            (3, "1.0.1", "c1", "another checksum"),
            (3, "2.0.0", "c1", "does not have this version"),
            (3, "1.0.2", "c1", "no JSON"),
            (4, "1.0.1", "c2", "another format"),
        ] {
            let found = entry(&cache(format), version, checksum);
            assert!(found.is_err_and(|it| it.contains(error)), "{error}");
        }
    }

    #[test]
    fn fact_is_sorted_without_defaults() {
        let entry = json!({
            "name": "x", "features": {"std": [], "default": ["std"]}, "features2": {"b": ["dep:b"]},
            "deps": [
                {"name": "b", "req": "^1", "features": [], "optional": true, "default_features": true,
                 "target": null, "kind": "normal"},
                {"name": "a", "features": ["f"], "default_features": false, "kind": "dev"},
            ],
        });
        let expected = "{\"dependencies\":[{\"name\":\"b\",\"optional\":true,\"req\":\"^1\"},\
            {\"default_features\":false,\"features\":[\"f\"],\"kind\":\"dev\",\"name\":\"a\"}],\
            \"features\":{\"b\":[\"dep:b\"],\"default\":[\"std\"],\"std\":[]}}";
        assert_eq!(fact(&entry), expected);
    }

    #[test]
    fn facts_that_differ_in_order_alone_are_same() {
        let fact = |list: &str| format!("{{\"dependencies\":[{list}],\"features\":{{}}}}");
        let one = fact("{\"name\":\"a\"},{\"name\":\"b\"}");
        assert!(same(&one, &fact("{\"name\":\"b\"},{\"name\":\"a\"}")));
        assert!(!same(&one, &fact("{\"name\":\"a\"}, {\"name\":\"b\"}")));
        assert!(!same(&one, &fact("{\"name\":\"b\"}")));
    }

    #[test]
    fn package_path_follows_its_name() {
        let names = ["a", "ab", "Url", "Inflector"];
        assert_eq!(
            names.map(path),
            ["1/a", "2/ab", "3/u/url", "in/fl/inflector"]
        );
    }
}
