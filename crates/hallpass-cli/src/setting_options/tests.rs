use clap::Parser as _;

use super::*;
use crate::{arguments::Arguments, config};

#[test]
fn option_of_each_setting_is_a_config_key_and_parses() {
    let keys = config::keys();
    let given = OptionWords::default();
    for setting in Hint::SETTINGS {
        let value = match *setting {
            "client.auth_method" => "none",
            _ => "1",
        };
        let hint = Hint::setting(setting, Some(value));
        let options = options_of(&hint, &given);
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
