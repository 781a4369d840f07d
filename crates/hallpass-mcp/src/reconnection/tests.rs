use super::*;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn id(id: &str) -> Event {
    Event {
        id: Some(id.to_owned()),
        ..Event::default()
    }
}

fn message() -> Event {
    Event {
        data: Some("{}".to_owned()),
        ..Event::default()
    }
}

/// What is waited, in seconds, before each of the next requests when the stream says `event` and ends
/// at once.
fn delays(stream: &mut Reconnection, event: Option<&Event>, requests: usize) -> Vec<Option<u64>> {
    let mut now = stream.opened;
    let mut next = || {
        if let Some(event) = event {
            stream.received(event);
        }
        stream.ended(now);
        let delay = stream.delay(now)?;
        now += delay;
        stream.opened(now);
        Some(delay.as_secs())
    };
    (0..requests).map(|_| next()).collect()
}

#[test]
fn stream_without_messages_is_opened_less_and_less_often() {
    let expected = [1, 2, 4, 8, 16, 30, 30].map(Some);
    let comment = None;
    for event in [Some(&id("1")), comment] {
        let mut own = Reconnection::for_server_stream(seconds(7));
        assert_eq!(delays(&mut own, event, 7), expected);
        assert!(delays(&mut own, event, 1000).iter().all(Option::is_some));
    }
}

#[test]
fn message_begins_the_delays_again() {
    let mut own = Reconnection::for_server_stream(seconds(7));
    delays(&mut own, Some(&id("1")), 7);
    assert_eq!(delays(&mut own, Some(&message()), 3), [Some(1); 3]);
    assert_eq!(delays(&mut own, None, 2), [2, 4].map(Some));
}

#[test]
fn message_that_came_before_does_not_begin_the_delays_again() {
    let mut own = Reconnection::for_server_stream(seconds(7));
    let replayed = Event {
        data: Some("{}".to_owned()),
        ..id("1")
    };
    let expected = [1, 2, 4, 8].map(Some);
    assert_eq!(delays(&mut own, Some(&replayed), 4), expected);
}

#[test]
fn request_whose_stream_says_nothing_ends() {
    let mut stream = Reconnection::for_request(seconds(7));
    let told = delays(&mut stream, Some(&id("1")), 26);
    assert_eq!(told.iter().flatten().count(), 24);
    assert!(told.iter().flatten().sum::<u64>() >= 600, "{told:?}");
    assert!(stream.had_no_message());
    // Without any event it ends sooner.
    let mut stream = Reconnection::for_request(seconds(7));
    let expected = [Some(1), Some(2), Some(4), Some(8), Some(16), None];
    assert_eq!(delays(&mut stream, None, 6), expected);
    assert!(!stream.had_no_message());
}

#[test]
fn long_lived_stream_is_opened_again_at_once() {
    let mut own = Reconnection::for_server_stream(seconds(0));
    for minute in 1..100 {
        let now = seconds(60 * minute);
        own.ended(now);
        assert_eq!(own.delay(now), Some(Duration::ZERO));
        own.opened(now);
    }
}

#[test]
fn retry_makes_the_delay_longer_and_never_shorter() {
    let retry = |milliseconds| Event {
        retry: Some(Duration::from_millis(milliseconds)),
        ..Event::default()
    };
    let mut own = Reconnection::for_server_stream(seconds(0));
    assert_eq!(delays(&mut own, Some(&retry(0)), 3), [1, 2, 4].map(Some));
    let mut own = Reconnection::for_server_stream(seconds(0));
    assert_eq!(
        delays(&mut own, Some(&retry(3000)), 4),
        [3, 3, 4, 8].map(Some)
    );
    // It counts from the end, and stands until there is another.
    let mut own = Reconnection::for_server_stream(seconds(0));
    own.received(&retry(5000));
    own.received(&message());
    own.ended(seconds(100));
    assert_eq!(own.delay(seconds(101)), Some(seconds(4)));
}

#[test]
fn retry_is_five_minutes_at_most() {
    let mut stream = Reconnection::for_request(seconds(0));
    stream.received(&Event {
        retry: Some(Duration::from_millis(u64::MAX)),
        ..id("1")
    });
    stream.ended(seconds(0));
    assert_eq!(stream.delay(seconds(0)), Some(Reconnection::MAX_RETRY));
}

#[test]
fn stream_that_is_given_up_is_not_opened_again() {
    let mut own = Reconnection::for_server_stream(seconds(0));
    own.give_up();
    assert_eq!(own.delay(seconds(0)), None);
}

#[test]
fn challenges_of_a_stream_count_together_for_ten_minutes() {
    let mut own = Reconnection::for_server_stream(seconds(0));
    let mut answered = 0;
    for second in 0..600 {
        own.opened(seconds(second));
        answered += u32::from(own.budget().try_consume(false));
    }
    assert_eq!(answered, 5);
    own.opened(seconds(600));
    assert!(own.budget().try_consume(false));
}

#[test]
fn event_without_data_or_of_another_type_is_no_message() {
    let mut stream = Reconnection::for_request(seconds(0));
    let with = |event: Option<&str>, data: Option<&str>| Event {
        event: event.map(str::to_owned),
        data: data.map(str::to_owned),
        ..Event::default()
    };
    assert!(stream.received(&with(None, Some("{}"))));
    assert!(stream.received(&with(Some("message"), Some("{}"))));
    assert!(!stream.received(&with(Some("ping"), Some("{}"))));
    assert!(!stream.received(&with(None, Some(""))));
    assert!(!stream.received(&with(None, None)));
}

#[test]
fn empty_event_id_unsets_the_last_event_id() {
    let mut stream = Reconnection::for_request(seconds(0));
    let mut after = |event: &Event| {
        stream.received(event);
        stream.last_event_id().map(str::to_owned)
    };
    assert_eq!(after(&id("1")).as_deref(), Some("1"));
    assert_eq!(after(&message()).as_deref(), Some("1"));
    assert_eq!(after(&id("")), None);
}
