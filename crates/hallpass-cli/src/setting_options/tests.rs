use clap::Parser as _;

use super::*;
use crate::{arguments::Arguments, config};

#[test]
fn option_of_each_setting_is_a_config_key_and_parses() {
    let keys = config::keys();
    for setting in Hint::SETTINGS {
        let option = option_of(setting, Some("1")).unwrap();
        let name = option.split(' ').next().unwrap();
        let key = name.strip_prefix("--").unwrap();
        assert!(keys.iter().any(|known| known == key), "{setting}: {key}");
        let line = format!("hallpass login https://a.example/mcp --account work {option}");
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
