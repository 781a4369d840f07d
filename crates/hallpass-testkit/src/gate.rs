//! A gate that holds answers back, so that tests can say in which order things happen.

use std::fmt;

use tokio::sync::watch;

/// A gate that is shut until it is opened, and stays open then. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(watch::Sender<State>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// A shut gate.
    pub fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Lets every caller through, now and later.
    pub fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        self.0.send_modify(|state| state.arrived += 1);
        // The sender lives in `self`, so the channel can't close while this waits.
        let _ = self.0.subscribe().wait_for(|state| state.open).await;
    }

    /// How many callers have come to the gate so far, waiting or through.
    pub fn arrived(&self) -> usize {
        self.0.borrow().arrived
    }

    /// Ends once at least `count` callers have come to the gate.
    pub async fn until_arrived(&self, count: usize) {
        let mut states = self.0.subscribe();
        let _ = states.wait_for(|state| state.arrived >= count).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = *self.0.borrow();
        f.debug_struct("Gate")
            .field("open", &state.open)
            .field("arrived", &state.arrived)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn shut_gate_holds_its_callers() {
        let gate = Gate::new();
        let one = tokio::spawn({
            let gate = gate.clone();
            async move { gate.pass().await }
        });
        gate.until_arrived(1).await;
        assert!(!one.is_finished());
        gate.open();
        one.await.unwrap();
        gate.pass().await;
        assert_eq!(gate.arrived(), 2);
    }
}
