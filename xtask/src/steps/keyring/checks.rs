//! The checks.

use std::os::unix::net::UnixListener;

use super::{fixture::Fixture, service::Bus};
use crate::{report::Failure, steps::harness::check};

type Check = fn(&Fixture) -> Result<(), Failure>;

/// Every check, with its name.
pub(super) const ALL: &[(&str, Check)] = &[
    ("unlocked: the key is in the keyring", unlocked),
    ("locked: an error, and never another key", locked),
    ("no service on the bus: as no keyring at all", no_service),
    ("no bus: a new store takes a file and stays there", no_bus),
    (
        "a service that hangs: an error in time, then success",
        hanging_service,
    ),
    ("a bus that hangs: an error in time", hanging_bus),
    (
        "stopped between two opens, and started again",
        stopped_and_started,
    ),
    ("a lost key: unreadable, reported once, and back", lost),
];

fn unlocked(fixture: &Fixture) -> Result<(), Failure> {
    let bus = Bus::start(&fixture.folder)?;
    let _secrets = bus.secrets()?;
    fixture.probe("works")?;
    fixture.live("store")?;
    let status = fixture.policy("store", "keyring")?;
    check(
        "the locations that were not used",
        &status["ignored"],
        Vec::<String>::new(),
    )
}

fn locked(fixture: &Fixture) -> Result<(), Failure> {
    let bus = Bus::start(&fixture.folder)?;
    let secrets = bus.secrets()?;
    fixture.live("store")?;
    secrets.lock()?;
    fixture.probe("locked")?;
    fixture.refused("store", &["`keyring`", "is locked", "unlock"])?;
    // A store that begins now can't begin there, and says so.
    fixture.live("other")?;
    ignored(fixture, "other", "locked")
}

fn no_service(fixture: &Fixture) -> Result<(), Failure> {
    let _bus = Bus::start(&fixture.folder)?;
    fixture.probe("unavailable")?;
    fixture.live("store")?;
    ignored(fixture, "store", "can't be reached")
}

fn no_bus(fixture: &Fixture) -> Result<(), Failure> {
    fixture.probe("unavailable")?;
    fixture.live("store")?;
    ignored(fixture, "store", "can't be reached")?;
    // A keyring that appears changes nothing for a store that is there.
    let bus = Bus::start(&fixture.folder)?;
    let _secrets = bus.secrets()?;
    fixture.call("store")?;
    ignored(fixture, "store", "can't be reached")
}

fn hanging_service(fixture: &Fixture) -> Result<(), Failure> {
    let bus = Bus::start(&fixture.folder)?;
    let mut secrets = bus.secrets()?;
    fixture.live("store")?;
    secrets.hang()?;
    fixture.probe("timed-out")?;
    fixture.refused("store", &["`keyring`", "did not answer"])?;
    fixture.live("other")?;
    ignored(fixture, "other", "did not answer")?;
    secrets.wake()?;
    fixture.call("store")?;
    fixture.policy("store", "keyring").map(drop)
}

fn hanging_bus(fixture: &Fixture) -> Result<(), Failure> {
    let bus = Bus::start(&fixture.folder)?;
    let secrets = bus.secrets()?;
    fixture.live("store")?;
    drop(secrets);
    drop(bus);
    // Takes connections, as the system does for it, and says nothing.
    let socket = fixture.folder.join("bus");
    if socket.exists() {
        std::fs::remove_file(&socket)?;
    }
    let _silent = UnixListener::bind(socket)?;
    fixture.probe("timed-out")?;
    fixture.refused("store", &["`keyring`", "did not answer"])?;
    fixture.live("other")?;
    ignored(fixture, "other", "did not answer")
}

fn stopped_and_started(fixture: &Fixture) -> Result<(), Failure> {
    let bus = Bus::start(&fixture.folder)?;
    let secrets = bus.secrets()?;
    fixture.live("store")?;
    drop(secrets);
    fixture.refused("store", &["`keyring`", "can't be reached"])?;
    drop(bus);
    fixture.refused("store", &["`keyring`", "can't be reached"])?;
    let bus = Bus::start(&fixture.folder)?;
    let _secrets = bus.secrets()?;
    fixture.call("store")?;
    fixture.policy("store", "keyring").map(drop)
}

fn lost(fixture: &Fixture) -> Result<(), Failure> {
    let bus = Bus::start(&fixture.folder)?;
    let secrets = bus.secrets()?;
    fixture.live("store")?;
    // The first entry is put where the store does not look, so that it can come back.
    let first = secrets.entries()?;
    let [first] = first.as_slice() else {
        return Err(Failure::new(format!("not one entry: {first:?}")));
    };
    let attributes = secrets.attributes(first)?;
    secrets.set_attributes(first, "<{'service': 'elsewhere'}>")?;
    fixture.lost("store")?;
    fixture.live("store")?;
    unreadable(fixture, &[1])?;
    secrets.set_attributes(first, &attributes)?;
    fixture.call("store")?;
    unreadable(fixture, &[])?;
    // Deleted, and the second one as well.
    for entry in secrets.entries()? {
        secrets.delete(&entry)?;
    }
    fixture.lost("store")?;
    fixture.live("store")?;
    unreadable(fixture, &[1, 1])?;
    // What is locked is not lost.
    secrets.lock()?;
    fixture.refused("store", &["`keyring`", "is locked", "unlock"])
}

/// The store says how many accounts each key that is not here has.
fn unreadable(fixture: &Fixture, accounts: &[u64]) -> Result<(), Failure> {
    let status = fixture.policy("store", "keyring")?;
    let aside = status["unreadable"].as_array().into_iter().flatten();
    let found: Vec<_> = aside.filter_map(|it| it["accounts"].as_u64()).collect();
    check(
        "the numbers of unreadable accounts",
        &found.into(),
        accounts,
    )
}

/// The key is in a file, and the store gives the reason that the keyring was not used.
fn ignored(fixture: &Fixture, store: &str, reason: &str) -> Result<(), Failure> {
    let status = fixture.policy(store, "key-file")?;
    let text = status["ignored"][0].as_str().unwrap_or_default();
    if text.starts_with("keyring: ") && text.contains(reason) {
        Ok(())
    } else {
        Err(Failure::new(format!("the reason is missing: {status}")))
    }
}
