use hallpass_core::block_on;

use super::*;
use crate::KeyLocation;

/// A source with one key, whatever the id.
#[derive(Debug)]
struct OneKey(u8);

impl KeySource for OneKey {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Host
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        self.load(id)
    }

    fn load(&self, _: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        let key = SealingKey::from_bytes([self.0; 32]);
        Box::pin(async { Ok(key) })
    }

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}

#[test]
fn data_key_opens_with_its_wrapping_key_and_context_only() {
    let (id, other) = (KeyId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
    let wrapping = LocalKeyEncryption::new(OneKey(7), id);
    let data_key = SealingKey::from_bytes([42; 32]);
    let wrapped = block_on(wrapping.wrap(&data_key, b"tenant-a")).unwrap();
    let opened = block_on(wrapping.unwrap(&wrapped, b"tenant-a")).unwrap();
    assert_eq!(opened.expose(), data_key.expose());

    let wrong_key = LocalKeyEncryption::new(OneKey(8), id);
    for result in [
        block_on(wrapping.unwrap(&wrapped, b"tenant-b")),
        block_on(wrapping.unwrap(b"short", b"tenant-a")),
        block_on(wrong_key.unwrap(&wrapped, b"tenant-a")),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Unusable);
        assert!(error.to_string().contains(&id.to_string()), "{error}");
        assert_eq!(error.hints().len(), 1);
    }
    assert_ne!(
        wrapping.key_name(),
        LocalKeyEncryption::new(OneKey(7), other).key_name()
    );
}

#[test]
fn created_wrapping_key_opens_by_its_id_again() {
    let created = block_on(LocalKeyEncryption::create(OneKey(3))).unwrap();
    let wrapped = block_on(created.wrap(&SealingKey::from_bytes([1; 32]), b"t")).unwrap();
    let again = LocalKeyEncryption::new(OneKey(3), created.key_id());
    assert_eq!(again.key_name(), created.key_name());
    assert!(block_on(again.unwrap(&wrapped, b"t")).is_ok());
}

#[test]
fn debug_of_a_wrapping_key_shows_no_key() {
    let wrapping = LocalKeyEncryption::new(OneKey(0xab), KeyId::from_bytes([1; 16]));
    block_on(wrapping.wrap(&SealingKey::from_bytes([1; 32]), b"t")).unwrap();
    let shown = format!("{wrapping:?}");
    assert!(shown.contains("SealingKey(redacted)"), "{shown}");
}
