//! `hallpass store list`

use hallpass::{CredentialKey, Record, record::State};
use serde_json::{Value, json};

use crate::{exit::CommandError, output::Tone, program::Program, store::Store, text};

pub(super) async fn run(program: &Program) -> Result<(), CommandError> {
    let look = Store::open_read_only(program)
        .await??
        .inventory(None)
        .await?;
    let (mut lines, mut accounts) = (Vec::new(), Vec::new());
    for (key, records) in look.kept() {
        lines.push(describe(key, records));
        accounts.push(as_data(key, records));
    }
    if look.kept().is_empty() {
        lines.push("no accounts".to_owned());
    }
    let output = &program.output;
    for problem in look.describe_problems(output) {
        lines.push(format!("can't be read: {problem}"));
    }
    let store = text::table(&look.rows(), output.width(), output.paint());
    lines.push(format!(
        "{}\n{store}",
        output.paint().tone(Tone::Name, "store")
    ));
    let data = json!({
        "accounts": accounts,
        "problems": look.problems(),
        "store": look.as_data(),
    });
    program.output.result(&lines.join("\n"), &data);
    Ok(())
}

/// The account, and a line for each authorization server; the active one comes first.
fn describe(key: &CredentialKey, records: &[Record]) -> String {
    let lines = records.iter().map(|record| {
        let what = match &record.state {
            State::Registered => "a client, and no grant",
            _ if record.grant.is_some() => "a grant",
            _ => "a client, and a grant that has ended",
        };
        format!("\n  {what} of {}", record.issuer)
    });
    format!("{key}{}", lines.collect::<String>())
}

fn as_data(key: &CredentialKey, records: &[Record]) -> Value {
    json!({
        "server": key.server.as_str(),
        "account": key.account.as_str(),
        "issuers": records.iter().map(|record| record.issuer.as_str()).collect::<Vec<_>>(),
        "has_grant": records.first().is_some_and(|record| record.grant.is_some()),
    })
}
