//! Callers and proxies on one account, tokens of one or two seconds, SIGKILL at random, and a server
//! that revokes a family when a refresh token comes back.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hallpass::{Clock, SystemClock};
use hallpass_testkit::{Behaviour, Endpoint, Fault, Gate};
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    judge::{self, Cause, Revocation},
    random::Random,
    servers::{Servers, in_seconds},
};

mod callers;
mod proxy;

/// How many of each run at a time.
const CALLERS: usize = 2;
const PROXIES: usize = 2;
const ACCOUNT: &str = "default";
/// How long the server honours a refresh token that it has replaced, where it has a grace.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) struct Options {
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
    pub(crate) has_grace: bool,
}

/// What all tasks share.
struct Storm {
    servers: Servers,
    until: Duration,
    has_grace: bool,
    /// When each sign-in ended; held by the one that is under way.
    sign_ins: tokio::sync::Mutex<Vec<Duration>>,
    calls: Mutex<BTreeMap<String, u32>>,
    broken: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Storm {
    fn goes_on(&self) -> bool {
        SystemClock.monotonic() < self.until && !self.is_over.load(Ordering::Relaxed)
    }

    /// Counts a call by how it ended.
    fn count(&self, how: &str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(how.to_owned()).or_default() += 1;
    }

    fn breaks(&self, promise: String) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.push(promise);
    }

    /// Signs in again, for a call that began at `asked_at`; once for all that ask together. A proxy
    /// may need a moment to find out that it is done.
    async fn sign_in(&self, asked_at: Duration) {
        let mut sign_ins = self.sign_ins.lock().await;
        if sign_ins.last().is_some_and(|last| *last > asked_at) {
            return;
        }
        if !sign_ins.is_empty() && self.servers.account(ACCOUNT).await["state"] == "signed-in" {
            return;
        }
        match self.servers.sign_in(ACCOUNT).await {
            Ok(()) => sign_ins.push(SystemClock.monotonic()),
            Err(why) => {
                self.breaks(why);
                self.is_over.store(true, Ordering::Relaxed);
            }
        }
    }
}

pub(crate) async fn run(program: &str, options: Options) -> bool {
    let grace = options.has_grace.then_some(GRACE);
    let behaviour = Behaviour {
        access_token_lifetime: Duration::from_secs(1),
        reuse_grace: grace,
        ..Behaviour::default()
    };
    let servers = Servers::start(program, behaviour).await;
    let storm = Arc::new(Storm {
        servers,
        until: SystemClock.monotonic() + options.duration,
        has_grace: options.has_grace,
        sign_ins: tokio::sync::Mutex::default(),
        calls: Mutex::default(),
        broken: Mutex::default(),
        is_over: AtomicBool::new(false),
    });
    println!(
        "storm: {CALLERS} callers, {PROXIES} proxies, {:.1} minutes, seed {}, grace {}",
        options.duration.as_secs_f64() / 60.0,
        options.seed,
        in_seconds(grace)
    );
    storm.sign_in(SystemClock.monotonic()).await;
    let mut seeds = (1000 * options.seed)..;
    let mut random = || Random::new(seeds.next().unwrap());
    let targets: Vec<Arc<Notify>> = (0..CALLERS + PROXIES).map(|_| Arc::default()).collect();
    let mut tasks = JoinSet::new();
    for (number, target) in targets.iter().cloned().enumerate() {
        if number < CALLERS {
            tasks.spawn(callers::run(storm.clone(), target, random()));
        } else {
            tasks.spawn(proxy::run(storm.clone(), target, random()));
        }
    }
    tasks.spawn(kill(storm.clone(), targets, random()));
    let delaying = tokio::spawn(delay_answers(storm.clone(), random()));
    tasks.join_all().await;
    delaying.abort();
    report(&storm, grace.unwrap_or_default()).await
}

/// Kills one of the processes again and again.
async fn kill(storm: Arc<Storm>, targets: Vec<Arc<Notify>>, random: Random) {
    let count = u64::try_from(targets.len()).unwrap_or(u64::MAX);
    while storm.goes_on() {
        SystemClock.sleep(random.milliseconds(100, 900)).await;
        let target = usize::try_from(random.below(count)).unwrap_or_default();
        targets[target].notify_waiters();
        if storm.has_grace {
            until_recovered(&storm).await;
        }
    }
}

/// A grace covers one lost answer, as the server means it to. Where a kill may have lost one, waits
/// until the next refresh token is in use, so that the second answer is not lost as well.
async fn until_recovered(storm: &Storm) {
    // A request that was on its way has arrived by then.
    SystemClock.sleep(Duration::from_millis(100)).await;
    let posted = storm.servers.refresh_tokens().len();
    let was_killed = || {
        let tokens = storm.servers.refresh_tokens();
        let last = tokens.last().and_then(|token| token.posts.last().copied());
        let processes = storm.servers.processes();
        last.and_then(|post| processes.get(&post.process))
            .is_some_and(|process| process.killed)
    };
    if !was_killed() {
        return;
    }
    while storm.goes_on() && storm.servers.refresh_tokens().len() == posted {
        SystemClock.sleep(Duration::from_millis(100)).await;
    }
}

/// The server takes up to a quarter of a second for a refresh, before or after it acts, and its access
/// tokens live one second or two.
async fn delay_answers(storm: Arc<Storm>, random: Random) {
    let issuer = &storm.servers.issuer;
    loop {
        let gate = Gate::new();
        let fault = if random.once_in(2) {
            Fault::HoldRequest(gate.clone())
        } else {
            Fault::HoldAnswer(gate.clone())
        };
        let lifetime = Duration::from_secs(1 + random.below(2));
        issuer.change(|behaviour| behaviour.access_token_lifetime = lifetime);
        issuer.once(Endpoint::Refresh, fault);
        gate.until_arrived(1).await;
        SystemClock.sleep(random.milliseconds(0, 250)).await;
        gate.open();
    }
}

/// Prints the figures; whether every promise was kept.
async fn report(storm: &Storm, grace: Duration) -> bool {
    let tokens = storm.servers.refresh_tokens();
    let processes = storm.servers.processes().clone();
    let sign_ins = storm.sign_ins.lock().await.clone();
    let revocations = judge::revocations(&tokens, &processes);
    let mut broken = storm
        .broken
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    broken.extend(judge::posts_too_soon(&tokens, &processes, false));
    broken.extend(revocations.iter().filter_map(|it| unkept(it, grace)));
    let unexplained = judge::sign_ins_without_revocation(&sign_ins, &revocations);
    if unexplained > 0 {
        broken.push(format!(
            "a sign-in was needed {unexplained} times though the server had revoked nothing"
        ));
    }

    let (started, killed) = storm.servers.started_and_killed();
    let count = |of: fn(&judge::RefreshToken) -> usize| -> usize { tokens.iter().map(of).sum() };
    let row = |name: &str, value: String| println!("  {name:<32} {value:>8}");
    row("processes", started.to_string());
    row("  killed", killed.to_string());
    row("refresh requests", count(|it| it.posts.len()).to_string());
    let refreshes = count(|it| usize::from(it.replaced_at.is_some()));
    row("  refresh tokens replaced", refreshes.to_string());
    let second = count(|it| usize::from(it.posts.len() > 1));
    row("  second posts", second.to_string());
    row(
        "  later posts",
        count(|it| it.posts.len().saturating_sub(2)).to_string(),
    );
    let least = tokens
        .iter()
        .filter_map(|token| judge::gaps(token).next())
        .min();
    row("  least time to a second post", in_seconds(least));
    row("families revoked", revocations.len().to_string());
    let lost = revocations
        .iter()
        .filter(|it| matches!(it.cause, Cause::LostWithProcess(_)));
    row("  answer lost with its process", lost.count().to_string());
    row(
        "sign-ins after the first",
        sign_ins.len().saturating_sub(1).to_string(),
    );
    let calls = storm.calls.lock().unwrap_or_else(PoisonError::into_inner);
    for (how, count) in calls.iter() {
        row(&format!("calls: {how}"), count.to_string());
    }
    if !calls.contains_key("ok") {
        broken.push("no call succeeded".to_owned());
    }
    crate::are_kept(broken)
}

/// Which promise a revocation breaks, if it breaks one.
fn unkept(revocation: &Revocation, grace: Duration) -> Option<String> {
    let at = revocation.at.as_secs_f32();
    match revocation.cause {
        Cause::LostWithProcess(_) if grace.is_zero() => None,
        Cause::LostWithProcess(process) => Some(format!(
            "a family was revoked at {at:.1} s although the server has a grace (process {process})"
        )),
        Cause::NotLost(process) => Some(format!(
            "a family was revoked at {at:.1} s although the answer was not lost with process {process}"
        )),
    }
}
