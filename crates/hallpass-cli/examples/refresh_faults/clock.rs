//! Processes whose wall clock is set by hours, forward and back, while one of them runs.
//!
//! A library that is loaded before the others adds the seconds that a file holds to the wall clock. The
//! servers keep the computer's.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
};

use hallpass_testkit::{Behaviour, ReuseCounts};
use serde_json::Value;

use crate::{host::Host, servers::Servers};

const ACCOUNT: &str = "default";
const HOURS: i64 = 5 * 3_600;
/// How many processes follow one another after each change.
const PROCESSES: usize = 3;

struct Clock {
    servers: Servers,
    file: PathBuf,
    broken: Vec<String>,
}

pub(crate) async fn run(program: &str, library: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seconds");
    let mut servers = Servers::start(program, Behaviour::default()).await;
    servers.set("LD_PRELOAD", library);
    servers.set("SET_CLOCK_BY", &file);
    let mut clock = Clock {
        servers,
        file,
        broken: Vec::new(),
    };
    clock.set(0);
    clock
        .broken
        .extend(clock.servers.sign_in(ACCOUNT).await.err());
    let mut running = clock.servers.spawn("proxy", ACCOUNT, &[]);
    let mut host = Host::new(&mut running.child);
    clock
        .broken
        .extend(host.initialize().await.err().map(str::to_owned));

    clock.check("at first", &mut host, 0).await;
    clock.set(HOURS);
    clock.check("5 hours forward", &mut host, 1).await;
    clock.set(0);
    clock.check("5 hours back", &mut host, 1).await;
    clock.servers.issuer.expire_access_tokens();
    clock.check("tokens refused", &mut host, 1).await;
    clock.set(-HOURS);
    clock.check("5 hours back again", &mut host, 1).await;
    clock.servers.kill(&mut running).await;

    if clock.servers.issuer.registry().reuse_counts() != ReuseCounts::default() {
        clock
            .broken
            .push("a refresh token was used twice".to_owned());
    }
    crate::are_kept(clock.broken)
}

impl Clock {
    /// Sets the wall clock of the processes to this many seconds after the computer's.
    fn set(&self, seconds: i64) {
        let new = self.file.with_extension("new");
        let mut file = File::create(&new).unwrap();
        write!(file, "{seconds}").unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// Every process works, the one that runs and new ones, and the token is refreshed this many times.
    async fn check(&mut self, when: &str, host: &mut Host, refreshes: usize) {
        let before = self.posts();
        let mut failed = Vec::new();
        let answer = host.call("ping").await.unwrap_or_default();
        if !answer["result"].is_object() {
            failed.push(format!("the proxy: {answer}"));
        }
        for word in ["call", "token"] {
            for _ in 0..PROCESSES {
                let rest: &[&str] = if word == "call" { &["ping"] } else { &[] };
                let ended = self.servers.finish(word, ACCOUNT, rest).await;
                if ended.answer["ok"] != Value::Bool(true) {
                    failed.push(format!("`{word}`: {}", ended.answer));
                }
            }
        }
        let posts = self.posts() - before;
        if posts != refreshes {
            failed.push(format!("{posts} refreshes, and not {refreshes}"));
        }
        println!("{when:<20} {posts} refreshes, {} failed", failed.len());
        let failed = failed.into_iter().map(|what| format!("{when}: {what}"));
        self.broken.extend(failed);
    }

    fn posts(&self) -> usize {
        let tokens = self.servers.refresh_tokens();
        tokens.iter().map(|token| token.posts.len()).sum()
    }
}
