//! `hallpass list`: the servers that have names. Shows no value that may be a secret.

use serde_json::{Value, json};

use crate::{
    config::{Config, Entry},
    exit::CommandError,
    output::Tone,
    program::Program,
    server_options::header_name,
};

pub(super) fn run(program: &Program) -> Result<(), CommandError> {
    let config = Config::read(program)?;
    program.warn_of_config(config.warnings());
    let width = config.servers().keys().map(String::len).max().unwrap_or(0);
    let mut servers = Vec::new();
    for (name, entry) in config.servers() {
        let options = shown(entry)?;
        let shown_name = format!("{name:width$}");
        let shown_name = program.output.paint().tone(Tone::Name, &shown_name);
        let set = match &options {
            Value::Object(set) if !set.is_empty() => {
                let names: Vec<&str> = set.keys().map(String::as_str).collect();
                format!("  ({})", names.join(", "))
            }
            _ => String::new(),
        };
        let line = format!("{shown_name}  {}{set}", entry.key);
        program.output.line(&line);
        servers.push(json!({
            "name": name,
            "server": entry.key.server.as_str(),
            "account": entry.key.account.as_str(),
            "options": options,
        }));
    }
    if servers.is_empty() {
        program
            .output
            .line("no server is configured; `hallpass add NAME URL` adds one");
    }
    let path = config.path().map(|path| path.display().to_string());
    let data = json!({
        "config": path,
        "servers": servers,
        "problems": config.warnings().collect::<Vec<_>>(),
    });
    program.output.data_only(&data);
    Ok(())
}

/// The options without what may be a secret: of headers the names, of a proxy nothing.
fn shown(entry: &Entry) -> Result<Value, CommandError> {
    let mut options = entry.options.to_map().map_err(CommandError::new)?;
    if options.contains_key("header") {
        let names = entry
            .options
            .header
            .iter()
            .map(|header| header_name(header));
        options.insert("header".to_owned(), names.collect());
    }
    for secret in ["proxy", "token-command"] {
        if let Some(value) = options.get_mut(secret) {
            *value = json!("set");
        }
    }
    Ok(Value::Object(options))
}
