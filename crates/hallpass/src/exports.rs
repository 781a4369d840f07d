//! What the crate exports, and what a host may rely on for the handles.

use std::collections::BTreeMap;

use crate::{Hallpass, HallpassBuilder, Session, Token, Transport, mcp::AuthorizedEndpoint};

const SOURCE: &str = include_str!("lib.rs");

/// A host's author reads this many names before the first line of code.
const MAX_ROOT_NAMES: usize = 60;

/// The exported names, by the module that they are in; the root is the empty one.
fn exports() -> BTreeMap<String, Vec<String>> {
    let mut exports = BTreeMap::<String, Vec<String>>::new();
    let mut module = String::new();
    let mut statement = String::new();
    for line in SOURCE.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("pub mod ") {
            module = name.trim_end_matches([' ', '{', ';']).to_owned();
            exports
                .entry(String::new())
                .or_default()
                .push(module.clone());
        } else if line == "}" && statement.is_empty() {
            module.clear();
        } else if line.starts_with("pub use ") || !statement.is_empty() {
            statement.push_str(line);
            if line.ends_with(';') {
                let names = statement.split(['{', '}', ',', ';', ' ']);
                let names = names.filter(|name| !name.is_empty() && !name.ends_with("::"));
                let names = names.filter(|name| !["pub", "use"].contains(name));
                let mut names: Vec<_> = names.map(last).collect();
                while let Some(at) = names.iter().position(|name| name == "as") {
                    names.drain(at - 1..=at);
                }
                exports.entry(module.clone()).or_default().extend(names);
                statement.clear();
            }
        }
    }
    exports
}

fn last(path: &str) -> String {
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

#[test]
fn root_has_few_names_and_no_glob() {
    let exports = exports();
    let root = &exports[""];
    assert!(root.len() <= MAX_ROOT_NAMES, "{}: {root:?}", root.len());
    assert!(root.contains(&"TransportError".to_owned()), "{root:?}");
    assert!(root.contains(&"Hallpass".to_owned()), "{root:?}");
    for (module, names) in exports {
        assert!(!names.contains(&"*".to_owned()), "{module}");
    }
}

#[test]
fn type_has_one_name() {
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for (module, names) in exports() {
        for name in names {
            places.entry(name).or_default().push(module.clone());
        }
    }
    // Two types of this name: the facade's own, and that of a request to the endpoint.
    places.remove("Error");
    places.retain(|_, modules| modules.len() > 1);
    assert!(places.is_empty(), "{places:?}");
}

#[test]
fn handles_are_send_and_sync() {
    check_shared::<Hallpass>();
    check_shared::<HallpassBuilder>();
    check_shared::<Session>();
    check_shared::<Token>();
    check_shared::<AuthorizedEndpoint>();
    check_sent::<Transport>();
}

fn check_shared<T: Send + Sync + 'static>() {}

fn check_sent<T: Send + 'static>() {}
