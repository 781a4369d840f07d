//! Stops the process at a step.

use std::{
    fmt::Debug,
    io::{Write as _, stdout},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

/// Says `stopped` at the `nth` event whose step is `name`, and waits there to be killed. It waits in
/// the middle of whatever raised the event, so that nothing after it happens.
pub(crate) fn at(name: &str, nth: usize) {
    let layer = StopAt {
        name: name.to_owned(),
        remaining: AtomicUsize::new(nth),
    };
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();
}

struct StopAt {
    name: String,
    remaining: AtomicUsize,
}

impl<S: Subscriber> Layer<S> for StopAt {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut step = Step(None);
        event.record(&mut step);
        if step.0.as_deref() == Some(&*self.name)
            && self.remaining.fetch_sub(1, Ordering::SeqCst) == 1
        {
            println!("stopped");
            stdout().flush().unwrap();
            loop {
                thread::park();
            }
        }
    }
}

struct Step(Option<String>);

impl Visit for Step {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "step" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}
