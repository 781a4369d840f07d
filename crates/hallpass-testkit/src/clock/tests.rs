use super::*;

#[tokio::test]
async fn sleep_ends_at_its_deadline() {
    let clock = FakeClock::default();
    let sleep = tokio::spawn(clock.sleep(Duration::from_secs(60)));
    clock.until_asleep(1).await;
    clock.advance(Duration::from_secs(59));
    tokio::task::yield_now().await;
    assert!(!sleep.is_finished());
    clock.advance(Duration::from_secs(1));
    sleep.await.unwrap();
    assert_eq!(clock.sleepers(), 0);
}

#[tokio::test]
async fn instant_sleep_advances_the_clock_and_longer_one_waits() {
    let clock = FakeClock::default().with_instant_sleeps(Duration::from_secs(60));
    let long = tokio::spawn(clock.sleep(Duration::from_secs(61)));
    clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(clock.monotonic(), Duration::from_secs(60));
    assert!(!long.is_finished());
    clock.sleep(Duration::from_secs(1)).await;
    long.await.unwrap();
}

#[tokio::test]
async fn dropped_sleep_is_not_counted() {
    let clock = FakeClock::default();
    let sleep = clock.sleep(Duration::from_secs(60));
    assert_eq!(clock.sleepers(), 1);
    drop(sleep);
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn fractions_of_a_second_add_up() {
    let clock = FakeClock::new(Timestamp::from_unix_seconds(100));
    for _ in 0..4 {
        clock.advance(Duration::from_millis(300));
    }
    assert_eq!(clock.now(), Timestamp::from_unix_seconds(101));
    assert_eq!(clock.monotonic(), Duration::from_millis(1200));
}

#[test]
fn wall_clock_jump_keeps_monotonic_time() {
    let clock = FakeClock::new(Timestamp::from_unix_seconds(100));
    clock.jump_to(Timestamp::from_unix_seconds(40));
    assert_eq!(clock.now(), Timestamp::from_unix_seconds(40));
    assert_eq!(clock.monotonic(), Duration::ZERO);
}
