use hallpass_core::{BoxFuture, ServerUrl, Timestamp};

use super::*;

fn account(number: usize) -> CredentialKey {
    CredentialKey::new(ServerUrl::parse(&format!("https://mcp.example.com/{number}")).unwrap())
}

/// A clock that does not advance.
#[derive(Debug)]
struct Stopped(Duration);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(0)
    }

    fn monotonic(&self) -> Duration {
        self.0
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn endpoint() -> Url {
    Url::parse("https://as.example.com/token").unwrap()
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn acquire(breakers: &CircuitBreakers, seconds: u64) -> Result<Permit, Duration> {
    breakers.acquire(&endpoint(), &Stopped(at(seconds))).await
}

async fn lose(breakers: &CircuitBreakers, number: usize, seconds: u64) {
    let permit = acquire(breakers, seconds).await.unwrap();
    permit.lost(&account(number), at(seconds));
}

#[tokio::test]
async fn three_lost_answers_open_the_breaker_and_a_grant_closes_it() {
    let breakers = CircuitBreakers::default();
    for number in 0..3 {
        lose(&breakers, number, 0).await;
    }
    assert_eq!(acquire(&breakers, 4).await.unwrap_err(), at(6));
    // One account tries, and the others still wait.
    let trial = acquire(&breakers, 10).await.unwrap();
    assert_eq!(acquire(&breakers, 10).await.unwrap_err(), at(10));
    trial.lost(&account(3), at(10));
    assert_eq!(acquire(&breakers, 11).await.unwrap_err(), at(19));
    acquire(&breakers, 30).await.unwrap().renewed();
    for _ in 0..4 {
        acquire(&breakers, 30).await.unwrap().renewed();
    }
}

#[tokio::test]
async fn pause_doubles_up_to_two_minutes() {
    let breakers = CircuitBreakers::default();
    for number in 0..3 {
        lose(&breakers, number, 0).await;
    }
    let mut now = 0;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let pause = acquire(&breakers, now).await.unwrap_err().as_secs();
        pauses.push(pause);
        now += pause;
        lose(&breakers, 9, now).await;
    }
    assert_eq!(pauses, [10, 20, 40, 80, 120, 120]);
}

#[tokio::test]
async fn lost_answers_of_one_account_do_not_open_the_breaker() {
    let breakers = CircuitBreakers::default();
    for _ in 0..10 {
        lose(&breakers, 1, 0).await;
    }
    lose(&breakers, 2, 0).await;
    acquire(&breakers, 0).await.unwrap().renewed();
    lose(&breakers, 3, 0).await;
    acquire(&breakers, 0).await.unwrap();
}

#[tokio::test]
async fn abandoned_trial_lets_the_next_account_try() {
    let breakers = CircuitBreakers::default();
    for number in 0..3 {
        lose(&breakers, number, 0).await;
    }
    drop(acquire(&breakers, 10).await.unwrap());
    acquire(&breakers, 10).await.unwrap();
}

#[tokio::test]
async fn ninth_concurrent_request_is_paused() {
    let breakers = CircuitBreakers::default();
    let mut permits = Vec::new();
    for _ in 0..MAX_CONCURRENT_REQUESTS {
        permits.push(acquire(&breakers, 0).await.unwrap());
    }
    assert_eq!(acquire(&breakers, 0).await.unwrap_err(), PERMIT_TIMEOUT);
    permits.pop();
    acquire(&breakers, 0).await.unwrap();
}
