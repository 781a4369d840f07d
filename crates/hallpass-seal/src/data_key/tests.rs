use std::sync::atomic::AtomicUsize;

use hallpass_core::{BoxFuture, Timestamp, block_on};
use hallpass_testkit::FakeClock;
use tokio::sync::Semaphore;

use super::*;

/// A key management service that counts its calls. It answers as often as it has permits, and fails where it is down.
#[derive(Debug)]
struct Service {
    name: &'static str,
    calls: AtomicUsize,
    answers: Semaphore,
    is_down: Mutex<bool>,
}

impl Service {
    fn new(name: &'static str, answers: usize) -> Arc<Self> {
        Arc::new(Self {
            name,
            calls: AtomicUsize::new(0),
            answers: Semaphore::new(answers),
            is_down: Mutex::new(false),
        })
    }

    fn set_down(&self, down: bool) {
        *self.is_down.lock().unwrap() = down;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// What stands for the wrapping key: the name and the context are in front of the data key.
    fn prefix(&self, context: &[u8]) -> Vec<u8> {
        [self.name.as_bytes(), b"|", context, b"|"].concat()
    }

    async fn answer(&self) -> Result<(), KeyError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.answers.acquire().await.unwrap().forget();
        if *self.is_down.lock().unwrap() {
            let error = KeyError::new(KeyErrorKind::Unavailable, "the service is down");
            return Err(error.with_remedy(Remedy::Retry));
        }
        Ok(())
    }
}

impl KeyEncryption for Service {
    fn key_name(&self) -> &str {
        self.name
    }

    fn wrap<'a>(
        &'a self,
        key: &'a SealingKey,
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KeyError>> {
        let wrapped = [&self.prefix(context)[..], key.expose()].concat();
        Box::pin(async { Ok(wrapped) })
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a [u8],
        context: &'a [u8],
    ) -> BoxFuture<'a, Result<SealingKey, KeyError>> {
        Box::pin(async {
            self.answer().await?;
            let key = wrapped.strip_prefix(&self.prefix(context)[..]);
            let key = key.and_then(|key| key.try_into().ok());
            let error = || KeyError::new(KeyErrorKind::Unusable, "another key or context");
            key.map(SealingKey::from_bytes).ok_or_else(error)
        })
    }

    fn describe(&self) -> String {
        self.name.to_owned()
    }
}

fn clock() -> FakeClock {
    FakeClock::new(Timestamp::from_unix_seconds(1_000))
}

fn data_keys(service: &Arc<Service>, clock: &FakeClock) -> DataKeys {
    DataKeys::new(service.clone(), Arc::new(clock.clone()))
}

#[test]
fn data_key_is_unwrapped_once_in_the_cache_time() {
    let (service, clock) = (Service::new("kms/1", 9), clock());
    let keys = data_keys(&service, &clock).with_cache_time(Duration::from_secs(60));
    let wrapped = block_on(keys.generate(b"a")).unwrap();
    let first = block_on(keys.open(&wrapped, b"a")).unwrap();
    clock.advance(Duration::from_secs(59));
    let again = block_on(keys.open(&wrapped, b"a")).unwrap();
    assert_eq!((first.expose(), service.calls()), (again.expose(), 1));
    clock.advance(Duration::from_secs(1));
    block_on(keys.open(&wrapped, b"a")).unwrap();
    assert_eq!(service.calls(), 2);
}

#[test]
fn data_key_of_another_tenant_does_not_open_also_from_memory() {
    let (service, clock) = (Service::new("kms/1", 9), clock());
    let keys = data_keys(&service, &clock);
    let wrapped = block_on(keys.generate(b"a")).unwrap();
    block_on(keys.open(&wrapped, b"a")).unwrap();
    let error = block_on(keys.open(&wrapped, b"b")).unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Unusable);
}

#[test]
fn cached_key_opens_while_the_service_is_down_and_another_is_an_error_to_retry() {
    let (service, clock) = (Service::new("kms/1", 9), clock());
    let keys = data_keys(&service, &clock).with_cache_time(Duration::from_secs(60));
    let warm = block_on(keys.generate(b"a")).unwrap();
    let cold = block_on(keys.generate(b"b")).unwrap();
    block_on(keys.open(&warm, b"a")).unwrap();
    service.set_down(true);
    block_on(keys.open(&warm, b"a")).unwrap();
    let error = block_on(keys.open(&cold, b"b")).unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Unavailable);
    assert_eq!(error.remedy(), Remedy::Retry);
    clock.advance(Duration::from_secs(60));
    assert!(block_on(keys.open(&warm, b"a")).is_err());
    // An error is not kept.
    service.set_down(false);
    block_on(keys.open(&cold, b"b")).unwrap();
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_unwrapping() {
    for down in [false, true] {
        let (service, clock) = (Service::new("kms/1", 0), clock());
        let keys = Arc::new(data_keys(&service, &clock));
        let wrapped = keys.generate(b"a").await.unwrap();
        let callers: Vec<_> = (0..64)
            .map(|_| {
                let (keys, wrapped) = (keys.clone(), wrapped.clone());
                tokio::spawn(async move { keys.open(&wrapped, b"a").await.map(drop) })
            })
            .collect();
        // Each caller runs until it waits, in this order.
        while service.calls() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        service.set_down(down);
        service.answers.add_permits(64);
        for caller in callers {
            assert_eq!(caller.await.unwrap().is_err(), down);
        }
        assert_eq!(service.calls(), 1, "down: {down}");
    }
}

#[test]
fn rewrapped_key_is_the_same_key_and_needs_no_previous_wrapping_key() {
    let (old, new, clock) = (Service::new("kms/1", 9), Service::new("kms/2", 9), clock());
    let wrapped = block_on(data_keys(&old, &clock).generate(b"a")).unwrap();
    let key = block_on(data_keys(&old, &clock).open(&wrapped, b"a")).unwrap();

    let error = block_on(data_keys(&new, &clock).open(&wrapped, b"a")).unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Absent);
    assert!(error.to_string().contains("`kms/1`"), "{error}");

    let both = data_keys(&new, &clock).with_previous(old);
    let rewrapped = block_on(both.rewrap(&wrapped, b"a")).unwrap();
    assert_eq!(rewrapped.wrapping_key, "kms/2");
    let again = block_on(data_keys(&new, &clock).open(&rewrapped, b"a")).unwrap();
    assert_eq!(again.expose(), key.expose());
}

#[test]
fn forgotten_tenant_s_keys_leave_the_memory() {
    let (service, clock) = (Service::new("kms/1", 9), clock());
    let keys = data_keys(&service, &clock);
    let (gone, other) = (
        block_on(keys.generate(b"a")).unwrap(),
        block_on(keys.generate(b"b")).unwrap(),
    );
    block_on(keys.open(&gone, b"a")).unwrap();
    block_on(keys.open(&other, b"b")).unwrap();
    keys.forget(b"a");
    service.set_down(true);
    block_on(keys.open(&other, b"b")).unwrap();
    assert!(block_on(keys.open(&gone, b"a")).is_err());
}

#[test]
fn keys_in_memory_are_bounded_and_expired_ones_are_dropped() {
    let (service, clock) = (Service::new("kms/1", MAX_CACHED_KEYS + 9), clock());
    let keys = data_keys(&service, &clock).with_cache_time(Duration::from_secs(60));
    let wrapped = block_on(keys.generate(b"a")).unwrap();
    for number in 0..MAX_CACHED_KEYS {
        let id = KeyId::from_bytes(u128::try_from(number).unwrap().to_be_bytes());
        let wrapped = WrappedKey {
            id,
            ..wrapped.clone()
        };
        block_on(keys.open(&wrapped, b"a")).unwrap();
    }
    block_on(keys.open(&wrapped, b"a")).unwrap();
    assert_eq!(keys.entries().by_key.len(), MAX_CACHED_KEYS);
    clock.advance(Duration::from_secs(60));
    let one_more = block_on(keys.generate(b"b")).unwrap();
    block_on(keys.open(&one_more, b"b")).unwrap();
    assert_eq!(keys.entries().by_key.len(), 1);
}
