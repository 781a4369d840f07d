//! Token endpoints that break for one minute, each in its way, while commands run and are killed.
//!
//! Each fault comes in two kinds: the server does nothing, or it replaces the refresh token first. All
//! run side by side, each with servers and a store of its own, and two accounts: the processes of one
//! are killed at random, those of the other are not.

use std::{sync::Arc, time::Duration};

use hallpass::{Clock, SystemClock};
use hallpass_testkit::{Behaviour, Endpoint, Fault, Gate, PlannedFault, When};
use tokio::task::JoinSet;

use crate::{
    judge::{self, names_next_attempt, posts_too_soon},
    random::Random,
    servers::{Ended, Servers, in_seconds},
};

/// How long the fault lasts.
const FAULT: Duration = Duration::from_secs(60);
/// How long a credential may take to work again before it has to be said when the next attempt is due.
const AFTERWARDS: Duration = Duration::from_secs(15);
/// How many processes share the account whose processes are killed.
const CALLERS: usize = 2;
const KILLED: &str = "killed";
const LEFT_ALONE: &str = "left-alone";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reset,
    Close,
    Hang,
    WebPage,
}

/// A token endpoint that breaks, before or after it has acted.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    kind: Kind,
    acts: bool,
}

impl Scenario {
    fn fault(self, gate: &Gate) -> Fault {
        match (self.kind, self.acts) {
            (Kind::Reset, false) => Fault::ResetRequest,
            (Kind::Reset, true) => Fault::ResetAnswer,
            (Kind::Close, false) => Fault::DropRequest,
            (Kind::Close, true) => Fault::DropAnswer,
            (Kind::Hang, false) => Fault::HoldRequest(gate.clone()),
            (Kind::Hang, true) => Fault::HoldAnswer(gate.clone()),
            (Kind::WebPage, false) => Fault::Html,
            (Kind::WebPage, true) => Fault::HtmlAnswer,
        }
    }

    fn name(self) -> String {
        let when = if self.acts { "after acting" } else { "at once" };
        format!("{:?} {when}", self.kind).to_lowercase()
    }
}

/// What came of a scenario: its row, and the promises that were broken.
struct Outcome {
    row: String,
    broken: Vec<String>,
}

pub(crate) async fn run(program: &str, seed: u64) -> bool {
    println!("faults: seed {seed}");
    println!(
        "{:<22} {:>9} {:>6} {:>7} {:>6} {:>13}",
        "token endpoint", "processes", "killed", "tokens", "posts", "second after"
    );
    let mut running = JoinSet::new();
    let kinds = [Kind::Reset, Kind::Close, Kind::Hang, Kind::WebPage];
    let scenarios = kinds.into_iter().flat_map(|kind| {
        let scenario = move |acts| Scenario { kind, acts };
        [scenario(false), scenario(true)]
    });
    for (seed, scenario) in (seed..).zip(scenarios) {
        let program = program.to_owned();
        running.spawn(async move { tried(&program, scenario, seed).await });
    }
    let mut broken = Vec::new();
    while let Some(outcome) = running.join_next().await {
        let outcome = outcome.unwrap();
        println!("{}", outcome.row);
        broken.extend(outcome.broken);
    }
    crate::are_kept(broken)
}

async fn tried(program: &str, scenario: Scenario, seed: u64) -> Outcome {
    let behaviour = Behaviour {
        access_token_lifetime: Duration::from_secs(1),
        ..Behaviour::default()
    };
    let servers = Arc::new(Servers::start(program, behaviour).await);
    let mut broken = Vec::new();
    for account in [KILLED, LEFT_ALONE] {
        broken.extend(servers.sign_in(account).await.err());
    }
    let gate = Gate::new();
    servers.issuer.plan(vec![PlannedFault {
        endpoint: Endpoint::Refresh,
        when: When::Always,
        fault: scenario.fault(&gate),
    }]);
    let until = SystemClock.monotonic() + FAULT;
    let mut callers = JoinSet::new();
    for (caller, seed) in (0..=CALLERS).zip((1000 * seed)..) {
        let account = if caller < CALLERS { KILLED } else { LEFT_ALONE };
        let caller = Caller {
            servers: servers.clone(),
            scenario,
            account,
            random: Random::new(seed),
        };
        callers.spawn(caller.calls(until));
    }
    if scenario.kind == Kind::Hang {
        // Its processes would wait for half a minute more.
        let rest = until.saturating_sub(SystemClock.monotonic());
        SystemClock.sleep(rest).await;
        gate.open();
    }
    broken.extend(callers.join_all().await.into_iter().flatten());
    servers.issuer.plan(Vec::new());
    let (killed, left_alone) = tokio::join!(
        works_again(&servers, scenario, KILLED),
        works_again(&servers, scenario, LEFT_ALONE),
    );
    broken.extend([killed, left_alone].into_iter().flatten());

    let tokens = servers.refresh_tokens();
    let processes = servers.processes().clone();
    let is_silent = scenario.kind == Kind::Hang;
    broken.extend(posts_too_soon(&tokens, &processes, is_silent));
    let (started, killed) = servers.started_and_killed();
    let posts: usize = tokens.iter().map(|token| token.posts.len()).sum();
    let least = tokens
        .iter()
        .filter_map(|token| judge::gaps(token).next())
        .min();
    let name = scenario.name();
    Outcome {
        row: format!(
            "{name:<22} {started:>9} {killed:>6} {:>7} {posts:>6} {:>13}",
            tokens.len(),
            in_seconds(least)
        ),
        broken: broken
            .into_iter()
            .map(|promise| format!("{name}: {promise}"))
            .collect(),
    }
}

/// One process after another on an account.
struct Caller {
    servers: Arc<Servers>,
    scenario: Scenario,
    account: &'static str,
    random: Random,
}

impl Caller {
    /// What went wrong until the fault ended.
    async fn calls(self, until: Duration) -> Vec<String> {
        let mut broken = Vec::new();
        // The first token has ended when the first process asks for it.
        let mut pause = self.random.milliseconds(1_000, 2_000);
        while SystemClock.monotonic() + pause < until {
            SystemClock.sleep(pause).await;
            broken.extend(self.call(until).await);
            pause = self.random.milliseconds(500, 6_000);
        }
        broken
    }

    async fn call(&self, until: Duration) -> Option<String> {
        let random = &self.random;
        let may_be_ended = self.account == KILLED;
        let kill = may_be_ended && random.once_in(2);
        let within = if self.scenario.kind == Kind::Hang {
            6_000
        } else {
            400
        };
        let after = random.milliseconds(10, within);
        let in_time = may_be_ended && random.once_in(4);
        let (word, mut rest) = if random.once_in(2) {
            ("token", vec![])
        } else {
            ("call", vec!["ping"])
        };
        if in_time {
            rest.extend(["--timeout", "2"]);
        }
        let killing = async move {
            if !kill {
                std::future::pending::<()>().await;
            }
            SystemClock.sleep(after).await;
        };
        let ended = self.servers.run(word, self.account, &rest, killing).await;
        match ended.code {
            None | Some(0) => None,
            // Behind a process that hangs a command may wait for the lock, and know no more.
            Some(5) if in_time || self.scenario.kind == Kind::Hang => None,
            Some(5) if names_next_attempt(&ended.answer) => None,
            // A whole answer without a token is a refusal, which a sign-in may end.
            Some(3) if self.scenario.kind == Kind::WebPage => None,
            // The hanging server has answered after all, that it had replaced the refresh token.
            Some(3) if self.scenario.acts && SystemClock.monotonic() >= until => None,
            Some(5) => Some(told(
                word,
                &ended,
                "does not say when the next attempt is due",
            )),
            Some(_) => Some(told(word, &ended, "and neither with 0 nor with 5")),
        }
    }
}

/// What is wrong with a credential after the fault has ended.
async fn works_again(servers: &Servers, scenario: Scenario, account: &str) -> Option<String> {
    let found = servers.account(account).await;
    let state = found["state"].as_str().unwrap_or("none");
    let has_ended = ["none", "not-signed-in", "registered", "sign-in-required"].contains(&state);
    // A server that has hung answers at last, that it had replaced the refresh token. After a web page the
    // refresh token is kept.
    let is_refused =
        found["refresh_refused_since"].is_number() && found["has_refresh_token"] == true;
    let may_have_ended = match scenario.kind {
        Kind::Hang => scenario.acts && state == "sign-in-required",
        Kind::WebPage => is_refused,
        Kind::Reset | Kind::Close => false,
    };
    if has_ended && !may_have_ended {
        return Some(format!("`{account}` is `{state}` and not signed in"));
    }
    let until = SystemClock.monotonic() + AFTERWARDS;
    loop {
        let ended = servers.finish("token", account, &[]).await;
        let is_late = SystemClock.monotonic() > until;
        match ended.code {
            Some(0) => return None,
            // The server had replaced the refresh token, and now it can say so.
            Some(3) if scenario.acts => return None,
            // The next post is not due yet.
            Some(3) if scenario.kind == Kind::WebPage && !is_late => {
                SystemClock.sleep(Duration::from_secs(2)).await;
            }
            Some(3) if is_refused => return None,
            Some(5) if !is_late => SystemClock.sleep(Duration::from_secs(2)).await,
            Some(5) if names_next_attempt(&ended.answer) => return None,
            _ => return Some(told("token", &ended, "after the fault had ended")),
        }
    }
}

fn told(word: &str, ended: &Ended, what: &str) -> String {
    let error = &ended.answer["error"];
    let message = error["message"].as_str().unwrap_or("no message");
    let code = ended.code.unwrap_or(-1);
    format!("`{word}` ended with {code}, {what}: {message}")
}
