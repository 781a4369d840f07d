use clap::Parser as _;

use super::*;
use crate::{arguments::Arguments, config};

#[test]
fn option_of_each_setting_is_a_config_key_and_parses() {
    let keys = config::keys();
    for setting in Hint::SETTINGS {
        let value = match *setting {
            "client.auth_method" => "none",
            _ => "1",
        };
        let hint = Hint::setting(setting, Some(value));
        let options = options_of(&hint, |_| false);
        let mut words = OptionWords::default();
        for (key, value) in options {
            assert!(keys.iter().any(|known| known == key), "{setting}: {key}");
            words.set(key, value);
        }
        assert_ne!(words.to_string(), "", "{setting}");
        let line = format!("hallpass login https://a.example/mcp --account work{words}");
        if let Err(error) = Arguments::try_parse_from(line.split(' ')) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn table_has_each_setting_once() {
    let known: Vec<_> = OPTIONS.iter().map(|(setting, _)| *setting).collect();
    assert_eq!(known, Hint::SETTINGS);
}

#[test]
fn connection_settings_are_known() {
    assert!(CONNECTION.iter().all(|it| Hint::SETTINGS.contains(it)));
}

#[test]
fn endpoints_are_named_together() {
    for (hint, expected) in [
        (
            Hint::setting("endpoints", None),
            "set `--authorization-endpoint URL --token-endpoint URL --registration-endpoint URL`",
        ),
        (
            Hint::setting("endpoints.authorization", None),
            "set `--authorization-endpoint URL --token-endpoint URL`",
        ),
        (
            Hint::settings([
                ("endpoints.token", Some("https://a.example/t")),
                ("endpoints.authorization", Some("https://a.example/a")),
            ]),
            "set `--authorization-endpoint https://a.example/a --token-endpoint https://a.example/t`",
        ),
        (
            Hint::setting("pkce", Some("assume-s256")),
            "set `--assume-s256`",
        ),
        (Hint::text("look"), "look"),
    ] {
        assert_eq!(describe(&hint), expected);
    }
}

#[test]
fn registration_is_left_out_where_a_client_is_set() {
    let names = |hint: &Hint, set: &[&str]| {
        let options = options_of(hint, |name| set.contains(&name));
        options
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let endpoints = Hint::setting("endpoints", None);
    let (authorization, token) = ("authorization-endpoint", "token-endpoint");
    let all = [authorization, token, "registration-endpoint"];
    assert_eq!(names(&endpoints, &[]), all);
    assert_eq!(names(&endpoints, &["client-id"]), [authorization, token]);
    let by_hand = Hint::settings([("client", None), ("endpoints.authorization", None)]);
    assert_eq!(
        names(&by_hand, &["client-id", "token-endpoint"]),
        [authorization]
    );
    assert_eq!(
        names(&by_hand, &["token-endpoint"]),
        ["client-id", authorization]
    );
    // Alone, it names another client than the one that is set.
    assert_eq!(
        names(&Hint::setting("client", None), &["client-id"]),
        ["client-id"]
    );
}
