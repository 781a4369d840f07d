//! `hallpass store list`

use hallpass::{Record, Slot, State};
use serde_json::{Value, json};

use crate::{exit::Failed, output::Tone, program::Program, store::Store, words};

pub(super) async fn run(program: &Program) -> Result<(), Failed> {
    let look = Store::examine(program).await??.look(None).await?;
    let (mut lines, mut accounts) = (Vec::new(), Vec::new());
    for (slot, records) in look.kept() {
        lines.push(in_words(slot, records));
        accounts.push(as_data(slot, records));
    }
    if look.kept().is_empty() {
        lines.push("no account is kept".to_owned());
    }
    let output = &program.output;
    for problem in look.problems_in_words(output) {
        lines.push(format!("can't be opened: {problem}"));
    }
    let store = words::table(&look.rows(), output.width(), output.paint());
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
fn in_words(slot: &Slot, records: &[Record]) -> String {
    let lines = records.iter().map(|record| {
        let what = match &record.state {
            State::Registered => "a client, and no grant",
            _ if record.grant.is_some() => "a grant",
            _ => "a client, and a grant that has ended",
        };
        format!("\n  {what} of {}", record.issuer)
    });
    format!("{slot}{}", lines.collect::<String>())
}

fn as_data(slot: &Slot, records: &[Record]) -> Value {
    json!({
        "server": slot.server.as_str(),
        "account": slot.profile.as_str(),
        "issuers": records.iter().map(|record| record.issuer.as_str()).collect::<Vec<_>>(),
        "has_grant": records.first().is_some_and(|record| record.grant.is_some()),
    })
}
