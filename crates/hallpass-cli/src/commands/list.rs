//! `hallpass list`: the servers that have names, and their states. Contacts no server, and shows no value
//! that may be a secret.

use serde_json::{Value, json};

use super::status::{self, Account};
use crate::{
    config::{Config, Entry},
    exit::CommandError,
    output::Tone,
    program::Program,
    server_options::header_name,
    setup,
    store::{Inventory, Store},
};

pub(super) async fn run(program: &Program) -> Result<(), CommandError> {
    let config = Config::read(program)?;
    // Each server has its row.
    program.warn_of_config(config.other_warnings());
    let inventory = match inventory(program).await {
        Ok(inventory) => Some(inventory),
        Err(failed) => {
            program.output.status(&format!(
                "warning: the states of the servers can't be read\n{failed}"
            ));
            None
        }
    };
    let mut rows = Vec::new();
    let mut servers = Vec::new();
    for (name, entry) in config.servers() {
        let options = shown(entry)?;
        let saved = setup::options_of(program, &entry.key);
        let settings = saved
            .as_ref()
            .ok()
            .and_then(|saved| status::known_settings(saved, program));
        let saved = saved.unwrap_or_else(|_| entry.options.clone());
        let account = inventory
            .as_ref()
            .map(|inventory| Account::new(&entry.key, inventory, &saved, settings.as_ref()));
        let set = match &options {
            Value::Object(set) if !set.is_empty() => {
                let names: Vec<&str> = set.keys().map(String::as_str).collect();
                format!("({})", names.join(", "))
            }
            _ => String::new(),
        };
        let state = account.as_ref().map(Account::describe_state);
        rows.push([
            name.clone(),
            entry.key.to_string(),
            state.unwrap_or_default(),
            set,
        ]);
        servers.push(json!({
            "name": name,
            "server": entry.key.server.as_str(),
            "account": entry.key.account.as_str(),
            "state": account.map(|account| account.state_name()),
            "options": options,
            "problem": null,
        }));
    }
    for (name, key, what) in config.unreadable() {
        rows.push([
            name.to_owned(),
            key.map(ToString::to_string).unwrap_or_default(),
            "can't be read".to_owned(),
            what.to_owned(),
        ]);
        servers.push(json!({
            "name": name,
            "server": key.map(|key| key.server.as_str()),
            "account": key.map(|key| key.account.as_str()),
            "state": null,
            "options": null,
            "problem": what,
        }));
    }
    print(&rows, program);
    if servers.is_empty() && config.warnings().next().is_none() {
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

/// The store's content, read without a change to it.
async fn inventory(program: &Program) -> Result<Inventory, CommandError> {
    let store = Store::open_read_only(program).await??;
    Ok(store.inventory(None).await?)
}

/// Prints rows in aligned columns.
fn print(rows: &[[String; 4]], program: &Program) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), 0];
    for row in rows {
        let cells = row.iter().zip(widths);
        let cells = cells.enumerate().map(|(column, (cell, width))| {
            let cell = format!("{cell:width$}");
            match column {
                0 => program.output.paint().tone(Tone::Name, &cell),
                _ => cell,
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        program.output.line(line.trim_end());
    }
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
