//! `hallpass store export` and `import`

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use hallpass::CredentialKey;
use serde_json::{Value, json};

use super::Passphrase;
use crate::{exit::CommandError, passphrase::Passphrases, program::Program, store};

/// How long to wait for another process that holds an account's lock.
const WAIT: Duration = Duration::from_secs(60);

/// Into a file.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to create.
    file: PathBuf,

    /// Export without the accounts that can't be read, instead of failing.
    #[arg(long)]
    leave_out_unreadable: bool,

    #[command(flatten)]
    passphrase: Passphrase,
}

/// From a file.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file that `hallpass store export` wrote.
    file: PathBuf,

    #[command(flatten)]
    passphrase: Passphrase,
}

pub(super) async fn export(export: &Export, program: &Program) -> Result<(), CommandError> {
    if export.file.exists() {
        return Err(already_exists(&export.file));
    }
    let store = store::files(program).await?;
    let look = store.inventory(None).await?;
    let away = look.unreadable.unwrap_or_default();
    if !export.leave_out_unreadable {
        let away = away
            .first()
            .map(|away| CommandError::usage(away.to_string()));
        let problem = look.problems.into_iter().next().map(CommandError::from);
        if let Some(failed) = problem.or(away) {
            return Err(failed.hint(
                "`--leave-out-unreadable` exports the rest, `hallpass store list` shows all",
            ));
        }
    }
    let with = Passphrases::new(program, export.passphrase.named(), "the export")?;
    let exported = store.export(&with).await?;
    write_new(&export.file, &exported.bytes).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => already_exists(&export.file),
        _ => CommandError::new(format!("can't write `{}`", export.file.display())).context(error),
    })?;
    let problems = exported.problems.iter().map(ToString::to_string);
    let away = away.iter().map(ToString::to_string);
    let problems: Vec<_> = problems.chain(away).collect();
    for problem in &problems {
        program.output.status(&format!("left out: {problem}"));
    }
    let text = format!(
        "exported {} to {}, encrypted with the passphrase",
        accounts(exported.credentials.len()),
        export.file.display()
    );
    let data = json!({
        "file": export.file,
        "accounts": names(&exported.credentials),
        "problems": problems,
    });
    program.output.result(&text, &data);
    Ok(())
}

pub(super) async fn import(import: &Import, program: &Program) -> Result<(), CommandError> {
    let bytes = fs::read(&import.file).map_err(|error| {
        CommandError::usage(format!("can't read `{}`", import.file.display())).context(error)
    })?;
    let store = store::create_files(program).await?;
    let with = Passphrases::new(program, import.passphrase.named(), "the export")?;
    let imported = store.import(&bytes, &with, WAIT).await?;
    for key in &imported.kept {
        program
            .output
            .status(&format!("skipped {key}: it exists already"));
    }
    let text = format!("imported {}", accounts(imported.saved.len()));
    let data = json!({
        "imported": names(&imported.saved),
        "skipped": names(&imported.kept),
    });
    program.output.result(&text, &data);
    Ok(())
}

fn accounts(count: usize) -> String {
    match count {
        1 => "1 account".to_owned(),
        count => format!("{count} accounts"),
    }
}

fn names(credentials: &[CredentialKey]) -> Vec<Value> {
    let name = |key: &CredentialKey| json!({ "server": key.server.as_str(), "account": key.account.as_str() });
    credentials.iter().map(name).collect()
}

fn already_exists(file: &Path) -> CommandError {
    CommandError::usage(format!("`{}` exists already", file.display()))
        .hint("choose another file: an export overwrites no file")
}

/// Writes a file that only its owner can read, as a whole or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}
