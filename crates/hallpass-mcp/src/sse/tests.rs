use proptest::prelude::*;

use super::*;

/// The events of a stream, one line for each.
fn read<'a>(cap: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut parser = EventParser::new(cap);
    let mut events = Vec::new();
    for chunk in chunks {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(read) = parser.next(&mut chunk) {
            events.push(match read {
                Ok(event) => shown(&event),
                Err(error) => format!("error: {error}"),
            });
        }
        assert!(chunk.is_empty(), "the parser left bytes behind");
    }
    events.extend(parser.finish().as_ref().map(shown));
    events
}

fn shown(event: &Event) -> String {
    let mut parts = Vec::new();
    parts.extend(event.event.as_ref().map(|name| format!("event={name}")));
    parts.extend(event.data.as_ref().map(|data| format!("data={data:?}")));
    parts.extend(event.id.as_ref().map(|id| format!("id={id}")));
    parts.extend(event.retry.map(|retry| format!("retry={retry:?}")));
    parts.join(" ")
}

#[track_caller]
fn check(stream: impl AsRef<[u8]>, expected: &[&str]) {
    let stream = stream.as_ref();
    assert_eq!(read(64, [stream]), expected);
    assert_eq!(
        read(64, stream.chunks(1)),
        expected,
        "when each byte comes alone"
    );
}

#[test]
fn event_fields_are_read() {
    check("data: {}\n\n", &[r#"data="{}""#]);
    check("data:{}\n\n", &[r#"data="{}""#]);
    check("data:  {}\n\n", &[r#"data=" {}""#]);
    check("data\n\n", &[r#"data="""#]);
    check("data: a\ndata: b\ndata\n\n", &[r#"data="a\nb\n""#]);
    check("event: ping\ndata: x\n\n", &[r#"event=ping data="x""#]);
    check("event:\ndata: x\n\n", &[r#"data="x""#]);
    check("Data: x\ndat: y\n data: z\n\n", &[]);
    check("data: x: y\n\n", &[r#"data="x: y""#]);
    check("data: \u{e9}\n\n", &["data=\"\u{e9}\""]);
    check(b"data: \xff\n\n", &["data=\"\u{fffd}\""]);
}

#[test]
fn invalid_utf8_makes_no_text_larger_than_what_came() {
    check(b"data: {\xff\xff}\n\n", &["data=\"{\u{fffd}\""]);
    check(b"data: a\ndata: \xff{}\n\n", &["data=\"a\\n\u{fffd}\""]);
    for size in [1000, 200_000] {
        let line = [b"data: {", &vec![0xff; size][..], b"}\n\n"].concat();
        for chunks in [line.chunks(line.len()), line.chunks(1000)] {
            assert_eq!(read(300_000, chunks), ["data=\"{\u{fffd}\""], "{size}");
        }
    }
}

#[test]
fn id_and_retry_are_read() {
    check("id: 7\ndata: x\n\n", &[r#"data="x" id=7"#]);
    check("id: 7\ndata:\n\n", &[r#"data="" id=7"#]);
    check("id: 7\n\n", &["id=7"]);
    check("id\ndata: x\n\n", &[r#"data="x" id="#]);
    check("id: 7\0\ndata: x\n\n", &[r#"data="x""#]);
    check("id: 7\nid: 8\0\ndata: x\n\n", &[r#"data="x" id=7"#]);
    check("retry: 1500\n\n", &["retry=1.5s"]);
    check("retry: 1500\n", &["retry=1.5s"]);
    check("retry:\n\n", &[]);
    check("retry: 1s\n\n", &[]);
    check("retry: +1\n\n", &[]);
    check("retry: 99999999999999999999\n\n", &[]);
    check("event: ping\n\n", &[]);
    check("event: ping\nid: 1\n\n", &["id=1"]);
}

#[test]
fn id_that_is_too_long_unsets_the_last_event_id() {
    let ids = |length: usize| {
        let stream = format!("id: {}\ndata: x\n\n", "7".repeat(length));
        read(100_000, [stream.as_bytes()])
    };
    let longest = format!("data=\"x\" id={}", "7".repeat(MAX_ID_BYTES));
    assert_eq!(ids(MAX_ID_BYTES), [longest]);
    assert_eq!(ids(MAX_ID_BYTES + 1), [r#"data="x" id="#]);
}

#[test]
fn lines_end_in_cr_lf_or_both() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = ["data: a", "data: b", "", "data: c", "", ""].join(end);
        check(stream, &[r#"data="a\nb""#, r#"data="c""#]);
    }
    check("data: a\n\rdata: b\r\n\n", &[r#"data="a""#, r#"data="b""#]);
    check("\n\n\r\n\r\rdata: a\n\n", &[r#"data="a""#]);
    check(": ping\n:\ndata: a\n: more\n\n", &[r#"data="a""#]);
}

#[test]
fn byte_order_mark_is_skipped_at_the_start() {
    check("\u{feff}data: a\n\n", &[r#"data="a""#]);
    check("\u{feff}: ping\ndata: a\n\n", &[r#"data="a""#]);
    check("\u{feff}\u{feff}data: a\n\n", &[]);
    check("data: a\n\n\u{feff}data: b\n\n", &[r#"data="a""#]);
    check(b"\xef\xbbdata: a\n\ndata: b\n\n", &[r#"data="b""#]);
}

#[test]
fn unfinished_event_is_dropped() {
    check("data: a\n\ndata: b", &[r#"data="a""#]);
    check("data: a\n\ndata: b\n", &[r#"data="a""#]);
    check("id: 7\ndata: b\n", &[]);
    check("", &[]);
}

#[test]
fn cap_holds_for_each_event() {
    let too_large = "error: an event of the server's stream is larger than 9 bytes";
    let check = |stream: &str, expected: &[&str]| {
        assert_eq!(read(9, [stream.as_bytes()]), expected, "{stream:?}");
        assert_eq!(read(9, stream.as_bytes().chunks(1)), expected, "{stream:?}");
    };
    check("data: ab\n\n", &[r#"data="ab""#]);
    check("data: abc\n\n", &[too_large]);
    check("data: abcd\n\n", &[too_large]);
    check("data: a\ndata: b\n\n", &[too_large]);
    check("x: 45\nx: 4\n\ndata: a\n\n", &[too_large]);
    check(
        "data: a\n\ndata: abcd\n\ndata: a\n\n",
        &[r#"data="a""#, too_large],
    );
    check("data: a\n\ndata: b\n\n", &[r#"data="a""#, r#"data="b""#]);
    check(": a long comment\ndata: a\n\n", &[r#"data="a""#]);
    check(&"x".repeat(100), &[too_large]);
}

#[test]
fn line_without_an_end_is_not_buffered_beyond_the_cap() {
    let mut parser = EventParser::new(1000);
    for byte in [b':', b'x'] {
        for _ in 0..1000 {
            let mut chunk = Bytes::from(vec![byte; 1000]);
            let _ = parser.next(&mut chunk);
        }
        assert!(parser.line.capacity() <= 2000, "{}", parser.line.capacity());
        parser = EventParser::new(1000);
    }
}

#[test]
fn debug_shows_no_data() {
    let mut parser = EventParser::new(100);
    let mut input = Bytes::from_static(b"data: canary\n\ndata: canary\nx: canary");
    let event = parser.next(&mut input).unwrap().unwrap();
    assert!(parser.next(&mut input).is_none());
    let text = format!("{event:?} {parser:?}");
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("data_len: Some(6)"), "{text}");
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"data: abc"[..]),
        Just(&b"data"[..]),
        Just(&b"event: e"[..]),
        Just(&b"id: 1"[..]),
        Just(&b"id: \0"[..]),
        Just(&b"retry: 10"[..]),
        Just(&b": comment"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\n\n"[..]),
        Just(&b"\xef\xbb\xbf"[..]),
        Just(&b"\xef"[..]),
        Just(&b"\xc3\xa9"[..]),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn events_are_the_same_however_they_are_cut(
        stream in stream(),
        cuts in prop::collection::vec(0_usize..300, 0..12),
        cap in prop_oneof![Just(0), 1_usize..40, Just(10_000)],
    ) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]);
        prop_assert_eq!(read(cap, [&stream[..]]), read(cap, chunks));
    }
}
