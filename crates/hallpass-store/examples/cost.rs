//! What loading and saving cost in a store with 10 accounts and in one with 10,000: medians of
//! interleaved rounds, in microseconds. With `--check` it exits with 1 when the larger store is more
//! than half as slow again.

#![expect(clippy::print_stdout, reason = "an example for the terminal")]

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use hallpass_core::{
    AccessToken, CredentialKey, CredentialStore as _, Generation, Grant, Issuer, Record,
    RefreshToken, ServerMetadata, ServerUrl, SettingsFingerprint, State, Timestamp,
    record::GrantKind,
    store::{LockKind, Saved},
};
use hallpass_store::{FileStore, KeyFile};
use tokio::time::Instant;

const FEW: usize = 10;
const MANY: usize = 10_000;
const ROUNDS: usize = 201;
const LIMIT: f64 = 1.5;
const WAIT: Duration = Duration::from_secs(60);

type Any = Box<dyn Error + Send + Sync>;

fn main() -> Result<ExitCode, Any> {
    let check = env::args().any(|argument| argument == "--check");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let worst = runtime.block_on(measure())?;
    println!("largest ratio {worst:.2}, limit {LIMIT}");
    if check && worst > LIMIT {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure() -> Result<f64, Any> {
    let folder = tempfile::tempdir()?;
    let few = filled(&folder.path().join("few"), FEW).await?;
    let many = filled(&folder.path().join("many"), MANY).await?;
    let stores = [&few, &many];
    let (mut loads, mut saves) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..ROUNDS {
        for (which, store) in stores.iter().enumerate() {
            let credential = record(round % FEW)?.key;
            let begun = Instant::now();
            let found = store.load(&credential).await?;
            loads[which].push(begun.elapsed());
            let expected = found.map(|record| record.generation);
            saves[which].push(save(store, &record(round % FEW)?, expected).await?);
        }
    }
    let mut worst: f64 = 0.0;
    for (what, times) in [("load", &mut loads), ("lock and save", &mut saves)] {
        let [few, many] = [median(&mut times[0]), median(&mut times[1])];
        let ratio = many / few;
        println!("{what}: {few:.0} µs of {FEW}, {many:.0} µs of {MANY}, ratio {ratio:.2}");
        worst = worst.max(ratio);
    }
    Ok(worst)
}

/// A store with some accounts, and so many files more as there were with `accounts` of them. (They
/// are copies: saving 10,000 records one by one would take a minute.)
async fn filled(folder: &Path, accounts: usize) -> Result<FileStore, Any> {
    let store = FileStore::open(folder, KeyFile::in_folder(folder)).await?;
    for number in 0..FEW {
        save(&store, &record(number)?, None).await?;
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.join("slots"))? {
        files.push(entry?.path());
    }
    for number in FEW..accounts {
        let name = format!("{number:064x}");
        for file in files.iter().filter(|file| is_of_first(file, &files)) {
            let copy = file.with_file_name(&name);
            let extension = file.extension().unwrap_or_default();
            fs::copy(file, copy.with_extension(extension))?;
        }
    }
    Ok(store)
}

/// Whether a file belongs to the same credential as the first one.
fn is_of_first(file: &Path, files: &[PathBuf]) -> bool {
    files.first().and_then(|first| first.file_stem()) == file.file_stem()
}

async fn save(
    store: &FileStore,
    record: &Record,
    expected: Option<Generation>,
) -> Result<Duration, Any> {
    let begun = Instant::now();
    let mut guard = store.lock(&record.key, LockKind::Credential, WAIT).await?;
    let saved = store.save(record, expected, &mut guard).await?;
    drop(guard);
    match saved {
        Saved::Written(_) => Ok(begun.elapsed()),
        Saved::Conflict { found } => Err(format!("a conflict with {found:?}").into()),
    }
}

fn record(number: usize) -> Result<Record, Any> {
    let server = ServerUrl::parse(&format!("https://server-{number}.example/mcp"))?;
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example")?);
    let mut record = Record::new(
        CredentialKey::new(server),
        metadata,
        SettingsFingerprint::default(),
    );
    let now = Timestamp::from_unix_seconds(1_000);
    // As long as a usual JWT.
    let token = AccessToken::new("x".repeat(1_200));
    let mut grant = Grant::new(GrantKind::AuthorizationCode, token, now);
    grant.refresh_token = Some(RefreshToken::new("y".repeat(64)));
    record.grant = Some(grant);
    record.state = State::SignedIn;
    Ok(record)
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}
