use super::*;

#[track_caller]
fn check(tag: u8, text: &str, expected: Option<i64>) {
    let element = Element {
        tag,
        content: text.as_bytes(),
    };
    let found = element.time().map(Timestamp::as_unix_seconds);
    assert_eq!(found, expected, "{text}");
}

#[test]
fn certificate_time_is_read() {
    check(0x17, "700101000000Z", Some(0));
    check(0x17, "000229235959Z", Some(951_868_799));
    check(0x17, "000301000000Z", Some(951_868_800));
    check(0x17, "491231235959Z", Some(2_524_607_999));
    check(0x17, "500101000000Z", Some(-631_152_000));
    check(0x18, "20500101000000Z", Some(2_524_608_000));
    check(0x18, "21000301000000Z", Some(4_107_542_400));
}

#[test]
fn invalid_certificate_time_is_none() {
    for text in [
        "",
        "Z",
        "7001010000Z",
        "700101000000",
        "701301000000Z",
        "700100000000Z",
        "+00101000000Z",
        "7001010000000Z",
        "70010100000éZ",
    ] {
        check(0x17, text, None);
    }
    check(0x0c, "700101000000Z", None);
}

#[test]
fn der_element_ends_at_its_length() {
    assert_eq!(first_element_length(&[0x04, 1, 7, 0x30, 0]), Some(3));
    assert_eq!(first_element_length(&[0x30, 0x81]), None);
    assert_eq!(first_element_length(&[]), None);
}
