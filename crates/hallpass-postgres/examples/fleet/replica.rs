//! One replica: a process with a session for each account that it is asked for.

use std::{
    collections::BTreeMap,
    env,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use hallpass_core::{BoxFuture, Clock, Diagnostic as _, Remedy, ServerSettings, Timestamp};
use hallpass_http::Client;
use hallpass_postgres::PostgresStore;
use hallpass_session::{Session, SystemClock};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, stdin},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{self, Instant},
};

use crate::{
    fleet::{client, key, open},
    stop,
};

/// How many accounts a replica works on at the same time: what it has in flight when it is killed.
pub(crate) const IN_FLIGHT: usize = 8;

/// How long a replica repeats what failed for a while.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(200);

/// A replica that was started.
pub(crate) struct Replica {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What a replica found in one round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// The accounts that it has a token for.
    pub(crate) tokens: usize,
    /// The accounts that need a sign-in.
    pub(crate) lost: Vec<usize>,
    /// Whatever else ended a request for a token, past all patience.
    pub(crate) errors: Vec<String>,
}

impl Replica {
    pub(crate) fn start(
        database: &str,
        url: &str,
        number: usize,
        ahead: i64,
        stop: Option<(&str, usize)>,
    ) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["replica", database, url]);
        command.args([number.to_string(), ahead.to_string()]);
        if let Some((step, nth)) = stop {
            command.args([step, &nth.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        Self {
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            stdin: child.stdin.take().unwrap(),
            child,
        }
    }

    /// Its next line; `None` when it has ended.
    pub(crate) async fn line(&mut self) -> Option<String> {
        self.lines.next_line().await.unwrap()
    }

    /// Waits until it is connected.
    pub(crate) async fn until_ready(&mut self) {
        assert_eq!(self.line().await.as_deref(), Some("ready"));
    }

    /// Sets its clock `seconds` further ahead, and has it ask for a token of each of these accounts.
    /// An error: it is gone.
    pub(crate) async fn begin(
        &mut self,
        seconds: i64,
        accounts: impl IntoIterator<Item = usize>,
    ) -> std::io::Result<()> {
        let accounts: Vec<_> = accounts.into_iter().map(|it| it.to_string()).collect();
        let line = format!("{seconds} {}\n", accounts.join(" "));
        self.stdin.write_all(line.as_bytes()).await
    }

    /// What it found in the round; `None` when it was killed meanwhile.
    pub(crate) async fn end(&mut self) -> Option<Round> {
        let mut round = Round::default();
        while let Some(line) = self.line().await {
            match line.split_once(' ') {
                Some(("done", tokens)) => {
                    round.tokens = tokens.parse().unwrap();
                    return Some(round);
                }
                Some(("lost", account)) => round.lost.push(account.parse().unwrap()),
                _ => round.errors.push(line),
            }
        }
        None
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Lets it end in good order.
    pub(crate) async fn close(self) {
        let Self {
            mut child, stdin, ..
        } = self;
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
    }
}

/// Does what the parent says, line by line, until standard input ends.
pub(crate) async fn run(orders: &[&str]) -> bool {
    let [database, url, number, ahead, stop @ ..] = orders else {
        panic!("a replica is started by the other modes");
    };
    if let [step, nth] = stop {
        stop::at(step, nth.parse().unwrap());
    }
    let sessions = Sessions {
        url: (*url).to_owned(),
        store: open(database, &format!("replica-{number}")).await,
        http: client(),
        clock: Arc::new(Ahead(AtomicI64::new(ahead.parse().unwrap()))),
        open: Mutex::default(),
    };
    println!("ready");
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let mut words = line.split(' ');
        let seconds: i64 = words.next().unwrap().parse().unwrap();
        sessions.clock.0.fetch_add(seconds, Ordering::SeqCst);
        // Each replica in an order of its own, so that they meet at all of them.
        let mut accounts: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
        if !accounts.is_empty() {
            let start = number.parse::<usize>().unwrap() * 7 % accounts.len();
            accounts.rotate_left(start);
        }
        let asking = accounts.into_iter().map(|account| sessions.ask(account));
        let tokens = stream::iter(asking).buffer_unordered(IN_FLIGHT);
        let tokens = tokens.filter(|has_token| std::future::ready(*has_token));
        println!("done {}", tokens.count().await);
    }
    let sessions_of = std::mem::take(&mut *sessions.open.lock().unwrap());
    for session in sessions_of.into_values() {
        session.close(Duration::from_secs(30)).await.unwrap();
    }
    sessions.store.close().await.unwrap();
    true
}

struct Sessions {
    url: String,
    store: PostgresStore,
    http: Arc<Client>,
    clock: Arc<Ahead>,
    open: Mutex<BTreeMap<usize, Session>>,
}

impl Sessions {
    /// Whether there is a token for this account. An error that is to be repeated is.
    async fn ask(&self, account: usize) -> bool {
        let session = self.session(account);
        let begun = Instant::now();
        loop {
            match session.token().await {
                Ok(_) => return true,
                Err(error) if error.remedy() == Remedy::SignIn => {
                    println!("lost {account}");
                    return false;
                }
                Err(error) if error.remedy() == Remedy::Retry && begun.elapsed() < PATIENCE => {
                    time::sleep(PAUSE).await;
                }
                Err(error) => {
                    println!("account {account}: {error:?}");
                    return false;
                }
            }
        }
    }

    fn session(&self, account: usize) -> Session {
        let mut open = self.open.lock().unwrap();
        let session = open.entry(account).or_insert_with(|| {
            let (key, settings) = (key(&self.url, account), ServerSettings::default());
            let store = Arc::new(self.store.clone());
            Session::builder(key, settings, store, self.http.clone())
                .clock(self.clock.clone())
                .build()
                .unwrap()
        });
        session.clone()
    }
}

/// The computer's clocks, the wall clock so many seconds ahead.
#[derive(Debug)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let ahead = self.0.load(Ordering::SeqCst);
        Timestamp::from_unix_seconds(SystemClock.now().as_unix_seconds() + ahead)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}
