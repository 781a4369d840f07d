use tokio::sync::watch;

/// Holds whoever comes while it is shut, and tells how many have come.
#[derive(Debug)]
pub(crate) struct Gate {
    open: watch::Sender<bool>,
    arrived: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            open: watch::Sender::new(true),
            arrived: watch::Sender::new(0),
        }
    }
}

impl Gate {
    pub(crate) fn shut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        self.arrived.send_modify(|count| *count += 1);
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
    }

    /// Ends when `count` have come, since the beginning.
    pub(crate) async fn arrived(&self, count: usize) {
        self.arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await
            .unwrap();
    }
}
