//! `hallpass call` again and again.

use std::sync::Arc;

use hallpass::{Clock, SystemClock};
use tokio::sync::Notify;

use super::{ACCOUNT, Storm};
use crate::random::Random;

pub(super) async fn run(storm: Arc<Storm>, killed: Arc<Notify>, random: Random) {
    while storm.goes_on() {
        SystemClock.sleep(random.milliseconds(50, 400)).await;
        let began = SystemClock.monotonic();
        let kill = killed.notified();
        let ended = storm.servers.run("call", ACCOUNT, &["ping"], kill).await;
        match ended.code {
            None => storm.count("killed"),
            Some(0) => storm.count("ok"),
            Some(code) => {
                let name = ended.answer["error"]["code"].as_str();
                storm.count(name.unwrap_or("failed without words"));
                if code == 3 {
                    storm.sign_in(began).await;
                }
            }
        }
    }
}
