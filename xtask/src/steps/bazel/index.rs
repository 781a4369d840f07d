//! What cargo's own index says of the packages that `Cargo.lock` names.
//!
//! Cargo keeps a file for each package it ever looked up below
//! `$CARGO_HOME/registry/index/*/.cache`: a byte for the file's format (3), four bytes for the
//! index's format (2, little-endian), the answer's revision and a NUL, then for each version its
//! number, a NUL, the index's JSON and a NUL.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use toml::Table;

use crate::{finding::Finding, report::Failure};

/// The five bytes before the revision: the formats that this reads.
const FORMAT: [u8; 5] = [3, 2, 0, 0, 0];

/// A package that `Cargo.lock` takes from a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) checksum: String,
}

impl Package {
    /// Its key among the facts.
    pub(crate) fn key(&self) -> String {
        format!("{}_{}", self.name, self.version)
    }
}

/// The registry packages of a `Cargo.lock`.
pub(super) fn packages(cargo_lock: &str) -> Result<Vec<Package>, Failure> {
    let lock: Table = cargo_lock
        .parse()
        .map_err(|error| Failure::new(format!("Cargo.lock: {error}")))?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    Ok(packages
        .into_iter()
        .flatten()
        .filter_map(|package| {
            Some(Package {
                name: text(package, "name")?,
                version: text(package, "version")?,
                checksum: text(package, "checksum")?,
            })
        })
        .collect())
}

/// The fact of each registry package of a `Cargo.lock`, and the packages that have no entry.
pub(crate) fn facts(
    cargo_lock: &str,
    entry: impl Fn(&Package) -> Result<Value, String>,
) -> Result<(BTreeMap<String, String>, Vec<Finding>), Failure> {
    let mut facts = BTreeMap::new();
    let mut missing = Vec::new();
    for package in packages(cargo_lock)? {
        match entry(&package) {
            Ok(entry) => {
                facts.insert(package.key(), fact(&entry));
            }
            Err(what) => missing.push(Finding::new(package.key(), "index", what)),
        }
    }
    Ok((facts, missing))
}

/// The caches of every registry that cargo has asked.
#[derive(Debug)]
pub(super) struct Index(Vec<PathBuf>);

impl Index {
    pub(super) fn of_cargo() -> Result<Self, Failure> {
        let home = cargo_home()
            .ok_or_else(|| Failure::new("neither CARGO_HOME nor a home folder is known"))?;
        let registries = home.join("registry").join("index");
        let mut folders = Vec::new();
        for entry in fs::read_dir(&registries).into_iter().flatten() {
            folders.push(entry?.path().join(".cache"));
        }
        if folders.is_empty() {
            let what = format!("cargo keeps no index in {}", registries.display());
            return Err(Failure::new(what).mend("cargo fetch --locked"));
        }
        Ok(Self(folders))
    }

    /// The index's entry of a package, whose checksum must be the one in `Cargo.lock`.
    pub(super) fn entry(&self, package: &Package) -> Result<Value, String> {
        let place = place(&package.name);
        let caches = self
            .0
            .iter()
            .filter_map(|folder| fs::read(folder.join(&place)).ok());
        let mut said = "cargo's index has no entry of it".to_owned();
        for cache in caches {
            match entry(&cache, package) {
                Ok(entry) => return Ok(entry),
                Err(what) => said = what,
            }
        }
        Err(said)
    }
}

/// A package's entry in the bytes of its cache file.
pub(crate) fn entry(cache: &[u8], package: &Package) -> Result<Value, String> {
    let Some(rest) = cache.strip_prefix(&FORMAT) else {
        return Err("cargo keeps its index in another format than this reads".to_owned());
    };
    let mut parts = rest.split(|byte| *byte == 0).skip(1);
    while let (Some(version), Some(json)) = (parts.next(), parts.next()) {
        if version != package.version.as_bytes() {
            continue;
        }
        let entry: Value = serde_json::from_slice(json)
            .map_err(|error| format!("cargo's index has an entry that is no JSON: {error}"))?;
        if entry["cksum"].as_str() != Some(&package.checksum) {
            return Err("the index has another checksum than Cargo.lock".to_owned());
        }
        return Ok(entry);
    }
    Err("cargo's index does not have this version".to_owned())
}

/// The fact that `rules_rs` keeps of an entry: its features and dependencies, without what is usual.
pub(super) fn fact(entry: &Value) -> String {
    let mut features = Map::new();
    for key in ["features", "features2"] {
        features.extend(entry[key].as_object().cloned().unwrap_or_default());
    }
    let dependencies = entry["deps"].as_array().into_iter().flatten();
    let dependencies: Vec<Value> = dependencies
        .map(|dependency| {
            let mut dependency = dependency.as_object().cloned().unwrap_or_default();
            let usual = [
                ("default_features", Value::Bool(true)),
                ("features", Value::Array(Vec::new())),
                ("kind", Value::from("normal")),
                ("optional", Value::Bool(false)),
                ("target", Value::Null),
            ];
            for (key, value) in usual {
                if dependency.get(key) == Some(&value) {
                    dependency.remove(key);
                }
            }
            Value::Object(dependency)
        })
        .collect();
    // Keys are sorted at every depth: `serde_json`'s map is a B-tree, and so is this one.
    let fact = BTreeMap::from([
        ("dependencies", Value::Array(dependencies)),
        ("features", Value::Object(features)),
    ]);
    let fields: Vec<String> = fact
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// Whether two facts say the same. The order of dependencies says nothing, and is not the same in
/// every copy of the index.
pub(super) fn same(one: &str, other: &str) -> bool {
    let sorted = |fact: &str| {
        let mut value: Value = serde_json::from_str(fact).ok()?;
        // What is not written as it must be is something else.
        let minimal = value.to_string();
        if minimal != fact {
            return None;
        }
        value["dependencies"]
            .as_array_mut()?
            .sort_by_key(Value::to_string);
        Some(value)
    };
    one == other || sorted(one).is_some_and(|one| Some(one) == sorted(other))
}

/// Where the index keeps a package.
pub(super) fn place(name: &str) -> PathBuf {
    let name = name.to_lowercase();
    let part = |from: usize, to: usize| name.get(from..to).unwrap_or_default().to_owned();
    let folder = match name.len() {
        0..=3 if name.len() < 3 => name.len().to_string(),
        3 => format!("3/{}", part(0, 1)),
        _ => format!("{}/{}", part(0, 2), part(2, 4)),
    };
    Path::new(&folder).join(name)
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
