//! What is tried.

use std::os::unix::net::UnixListener;

use super::{place::Place, service::Bus};
use crate::report::Failure;

type Check = fn(&Place) -> Result<(), Failure>;

/// Every check, with its name.
pub(super) const ALL: &[(&str, Check)] = &[
    ("unlocked: the key is in the keyring", unlocked),
    ("locked: an error, and never another key", locked),
    ("no service on the bus: as no keyring at all", no_service),
    ("no bus: a new store takes a file and stays there", no_bus),
    (
        "a service that hangs: an error in time, then well again",
        hanging_service,
    ),
    ("a bus that hangs: an error in time", hanging_bus),
    ("gone between two opens, and back", gone_and_back),
    ("a lost key: set aside, said once, and back", lost),
];

fn unlocked(place: &Place) -> Result<(), Failure> {
    let bus = Bus::start(&place.folder)?;
    let _secrets = bus.secrets()?;
    place.probe("works")?;
    place.live("store")?;
    let status = place.policy("store", "keyring")?;
    if status["passed_over"].as_array().is_some_and(Vec::is_empty) {
        Ok(())
    } else {
        Err(Failure::new(format!("something was passed over: {status}")))
    }
}

fn locked(place: &Place) -> Result<(), Failure> {
    let bus = Bus::start(&place.folder)?;
    let secrets = bus.secrets()?;
    place.live("store")?;
    secrets.lock()?;
    place.probe("locked")?;
    place.refused("store", &["`keyring`", "is locked", "unlock"])?;
    // A store that begins now can't begin there, and says so.
    place.live("other")?;
    ignored(place, "other", "locked")
}

fn no_service(place: &Place) -> Result<(), Failure> {
    let _bus = Bus::start(&place.folder)?;
    place.probe("unavailable")?;
    place.live("store")?;
    ignored(place, "store", "can't be reached")
}

fn no_bus(place: &Place) -> Result<(), Failure> {
    place.probe("unavailable")?;
    place.live("store")?;
    ignored(place, "store", "can't be reached")?;
    // A keyring that appears changes nothing for a store that is there.
    let bus = Bus::start(&place.folder)?;
    let _secrets = bus.secrets()?;
    place.call("store")?;
    ignored(place, "store", "can't be reached")
}

fn hanging_service(place: &Place) -> Result<(), Failure> {
    let bus = Bus::start(&place.folder)?;
    let mut secrets = bus.secrets()?;
    place.live("store")?;
    secrets.hang()?;
    place.probe("timed-out")?;
    place.refused("store", &["`keyring`", "did not answer"])?;
    place.live("other")?;
    ignored(place, "other", "did not answer")?;
    secrets.wake()?;
    place.call("store")?;
    place.policy("store", "keyring").map(drop)
}

fn hanging_bus(place: &Place) -> Result<(), Failure> {
    let bus = Bus::start(&place.folder)?;
    let secrets = bus.secrets()?;
    place.live("store")?;
    drop(secrets);
    drop(bus);
    // Takes connections, as the system does for it, and says nothing.
    let socket = place.folder.join("bus");
    if socket.exists() {
        std::fs::remove_file(&socket)?;
    }
    let _silent = UnixListener::bind(socket)?;
    place.probe("timed-out")?;
    place.refused("store", &["`keyring`", "did not answer"])?;
    place.live("other")?;
    ignored(place, "other", "did not answer")
}

fn gone_and_back(place: &Place) -> Result<(), Failure> {
    let bus = Bus::start(&place.folder)?;
    let secrets = bus.secrets()?;
    place.live("store")?;
    drop(secrets);
    place.refused("store", &["`keyring`", "can't be reached"])?;
    drop(bus);
    place.refused("store", &["`keyring`", "can't be reached"])?;
    let bus = Bus::start(&place.folder)?;
    let _secrets = bus.secrets()?;
    place.call("store")?;
    place.policy("store", "keyring").map(drop)
}

fn lost(place: &Place) -> Result<(), Failure> {
    let bus = Bus::start(&place.folder)?;
    let secrets = bus.secrets()?;
    place.live("store")?;
    // The first entry is put where nobody looks for it, so that it can come back.
    let first = secrets.entries()?;
    let [first] = first.as_slice() else {
        return Err(Failure::new(format!("not one entry: {first:?}")));
    };
    let attributes = secrets.attributes(first)?;
    secrets.set_attributes(first, "<{'service': 'elsewhere'}>")?;
    place.lost("store")?;
    place.live("store")?;
    set_aside(place, &[1])?;
    secrets.set_attributes(first, &attributes)?;
    place.call("store")?;
    set_aside(place, &[])?;
    // Deleted, and the second one as well.
    for entry in secrets.entries()? {
        secrets.delete(&entry)?;
    }
    place.lost("store")?;
    place.live("store")?;
    set_aside(place, &[1, 1])?;
    // What is locked is not lost.
    secrets.lock()?;
    place.refused("store", &["`keyring`", "is locked", "unlock"])
}

/// The store says how many accounts each key that is not here has.
fn set_aside(place: &Place, accounts: &[u64]) -> Result<(), Failure> {
    let status = place.policy("store", "keyring")?;
    let aside = status["set_aside"].as_array().into_iter().flatten();
    let found: Vec<_> = aside.filter_map(|it| it["accounts"].as_u64()).collect();
    if found == accounts {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "set aside is something else: {status}"
        )))
    }
}

/// The key is in a file, and the store says that the keyring was passed over and why.
fn ignored(place: &Place, store: &str, why: &str) -> Result<(), Failure> {
    let status = place.policy(store, "key-file")?;
    let said = status["passed_over"][0].as_str().unwrap_or_default();
    if said.starts_with("keyring: ") && said.contains(why) {
        Ok(())
    } else {
        Err(Failure::new(format!("it does not say why: {status}")))
    }
}
