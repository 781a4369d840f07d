//! `hallpass proxy` as a host runs it: lines in, lines out, and started again when it is gone.

use std::sync::Arc;

use hallpass::{Clock, SystemClock};
use tokio::sync::Notify;

use super::{ACCOUNT, Storm};
use crate::{host::Host, random::Random};

pub(super) async fn run(storm: Arc<Storm>, killed: Arc<Notify>, random: Random) {
    while storm.goes_on() {
        let mut running = storm.servers.spawn("proxy", ACCOUNT, &[]);
        let mut talk = Talk(Host::new(&mut running.child));
        let stopped = tokio::select! {
            () = killed.notified() => {
                storm.count("killed");
                None
            }
            stopped = talk.run(&storm, &random) => stopped,
        };
        if let Some(why) = stopped {
            storm.breaks(format!("proxy (process {}): {why}", running.number));
        }
        match running.child.try_wait() {
            Ok(Some(_)) => storm.servers.note_end(running.number, false),
            _ => storm.servers.kill(&mut running).await,
        }
    }
}

struct Talk(Host);

impl Talk {
    /// Calls until the storm is over; why the process could not be talked to any more.
    async fn run(&mut self, storm: &Storm, random: &Random) -> Option<&'static str> {
        if let Err(why) = self.0.initialize().await {
            return Some(why);
        }
        while storm.goes_on() {
            SystemClock.sleep(random.milliseconds(50, 400)).await;
            let began = SystemClock.monotonic();
            let Some(answer) = self.0.call("ping").await else {
                return Some("no answer to a call");
            };
            if answer["result"].is_object() {
                storm.count("ok");
                continue;
            }
            let remedy = answer["error"]["data"]["remedy"].as_str();
            storm.count(&format!("proxy says {}", remedy.unwrap_or("nothing")));
            if remedy == Some("sign-in") {
                storm.sign_in(began).await;
            }
        }
        None
    }
}
