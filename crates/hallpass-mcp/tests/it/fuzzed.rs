//! What has to hold for whatever bytes a server sends as an event stream: the entry of the fuzz target
//! in `fuzz/`, which includes this file. `corpus.rs` runs it over the inputs that were kept.

use bytes::Bytes;
use hallpass_mcp::{Event, EventParser, EventTooLarge};

/// How much an event may be.
const CAP: usize = 64;

/// Where the stream is cut makes no difference, no event is larger than the cap, and an event that is
/// written down reads back as it was.
pub(crate) fn events(data: &[u8]) {
    let whole = read(data, data.len().max(1), CAP);
    for size in [1, 2, 7] {
        assert_eq!(read(data, size, CAP), whole, "cut every {size} bytes");
    }
    let without_cap = read(data, data.len().max(1), usize::MAX);
    for (position, one) in whole.iter().enumerate() {
        match one {
            Ok(event) => {
                assert_eq!(without_cap.get(position), Some(one));
                // An invalid byte becomes three; no field is more than was read of the event.
                assert!(size(event) <= CAP * 3, "{event:?}");
            }
            Err(error) => {
                assert_eq!(error.cap(), CAP);
                assert_eq!(
                    position + 1,
                    whole.len(),
                    "nothing follows what is too large"
                );
            }
        }
    }
    for event in without_cap.iter().flatten() {
        let again = read(written(event).as_bytes(), usize::MAX, usize::MAX);
        assert_eq!(again, [Ok(event.clone())]);
        if let Some(data) = event.data.as_ref().filter(|data| data.len() > 8) {
            assert!(!format!("{event:?}").contains(&**data) || names(event).contains(&**data));
        }
    }
}

/// The events of a stream that comes in pieces of one size.
fn read(data: &[u8], size: usize, cap: usize) -> Vec<Result<Event, EventTooLarge>> {
    let mut parser = EventParser::new(cap);
    let mut events = Vec::new();
    for piece in data.chunks(size) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(event) = parser.next(&mut piece) {
            events.push(event);
        }
        assert!(piece.is_empty(), "the parser left bytes behind");
    }
    events.extend(parser.finish().map(Ok));
    events
}

/// An event as a server would send it.
fn written(event: &Event) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| text.extend([name, ": ", value, "\n"]);
    if let Some(name) = &event.event {
        line("event", name);
    }
    for part in event.data.iter().flat_map(|data| data.split('\n')) {
        line("data", part);
    }
    if let Some(id) = &event.id {
        line("id", id);
    }
    if let Some(retry) = event.retry {
        line("retry", &retry.as_millis().to_string());
    }
    text + "\n"
}

/// What `Debug` may show.
fn names(event: &Event) -> String {
    [&event.event, &event.id]
        .map(|name| name.clone().unwrap_or_default())
        .join(" ")
}

fn size(event: &Event) -> usize {
    let data = event.data.as_ref().map_or(0, String::len);
    names(event).len() + data
}
