use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use super::*;
use crate::{
    BoxFuture, CredentialKey, Issuer, ServerMetadata, ServerUrl, SettingsFingerprint, Timestamp,
    block_on,
};

/// A clock on which each sleep ends at once.
#[derive(Debug, Clone, Default)]
struct Sleeps(Arc<Mutex<Vec<Duration>>>);

impl Clock for Sleeps {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().iter().sum()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.lock().unwrap().push(duration);
        Box::pin(async {})
    }
}

#[derive(Debug)]
struct Always(u8);

impl Entropy for Always {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn record(generation: u64) -> Record {
    let key = CredentialKey::new(ServerUrl::parse("https://mcp.example").unwrap());
    let metadata = ServerMetadata::new(Issuer::parse("https://as.example").unwrap());
    let mut record = Record::new(key, metadata, SettingsFingerprint::default());
    record.generation = Generation::new(generation);
    record
}

/// The pauses in milliseconds until a record of generation 2 is there, at the given read.
fn pauses(chance: u8, reads: usize, wait: u64) -> (Vec<u128>, Option<u64>) {
    let clock = Sleeps::default();
    let mut loads: VecDeque<_> = (1..reads).map(|_| Some(record(1))).collect();
    loads.push_back(Some(record(2)));
    let loads = Mutex::new(loads);
    let load = || -> StoreFuture<'_, _> {
        let next = loads.lock().unwrap().pop_front().flatten();
        Box::pin(async move { Ok(next) })
    };
    let than = Some(Generation::new(1));
    let wait = Duration::from_millis(wait);
    let found = block_on(newer(load, than, wait, &clock, &Always(chance))).unwrap();
    let slept = clock
        .0
        .lock()
        .unwrap()
        .iter()
        .map(Duration::as_millis)
        .collect();
    (slept, found.map(|record| record.generation.get()))
}

#[test]
fn pauses_double_up_to_the_maximum_and_vary_by_a_quarter() {
    let (slept, found) = pauses(0, 6, 10_000);
    assert_eq!((slept, found), (vec![18, 37, 75, 150, 187, 187], Some(2)));
    let (slept, found) = pauses(255, 6, 10_000);
    assert_eq!((slept, found), (vec![31, 62, 125, 250, 312, 312], Some(2)));
}

#[test]
fn wait_ends_at_its_limit_without_a_record() {
    let (slept, found) = pauses(255, 100, 300);
    assert_eq!((slept, found), (vec![31, 62, 125, 81], None));
    assert_eq!(pauses(0, 1, 0), (vec![0], Some(2)));
    assert_eq!(pauses(0, 2, 0), (vec![0], None));
}

#[test]
fn any_record_is_newer_than_none() {
    let load = || -> StoreFuture<'_, _> { Box::pin(async { Ok(Some(record(0))) }) };
    let (clock, wait) = (Sleeps::default(), Duration::from_secs(1));
    let found = block_on(newer(load, None, wait, &clock, &Always(7))).unwrap();
    assert!(found.is_some());
}
