//! The key sources of a store.

use std::sync::Arc;

use hallpass_seal::{KeyLocation, KeySource};

/// The key sources that a store may use, in order of preference.
///
/// The order matters once: the first that can make a key when the store is created is written into
/// the store. From then on only that one is asked.
#[derive(Debug, Clone)]
pub struct KeySources {
    sources: Vec<Arc<dyn KeySource>>,
    machine: Option<String>,
}

impl KeySources {
    /// These sources, the best first.
    pub fn in_order(sources: Vec<Arc<dyn KeySource>>) -> Self {
        Self {
            sources,
            machine: None,
        }
    }

    /// Names the machine of these sources, such as by its host name.
    ///
    /// The name is written beside each key that is made. So machines that share a folder and have keys of their
    /// own know which key is theirs: another machine's key whose source fails is no error, and a missing key of
    /// this machine is not replaced by an older one.
    #[must_use]
    pub fn on_machine(mut self, name: impl Into<String>) -> Self {
        self.machine = Some(name.into());
        self
    }

    /// The sources of `first` and then these, of this machine.
    pub(crate) fn after(&self, first: &Self) -> Self {
        Self {
            sources: first.iter().chain(self.iter()).cloned().collect(),
            machine: self.machine.clone(),
        }
    }

    pub(crate) fn machine(&self) -> Option<&str> {
        self.machine.as_deref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn KeySource>> {
        self.sources.iter()
    }

    pub(crate) fn of(&self, location: KeyLocation) -> Option<&Arc<dyn KeySource>> {
        self.iter().find(|source| source.key_location() == location)
    }
}

impl<S: KeySource + 'static> From<S> for KeySources {
    fn from(source: S) -> Self {
        Self::in_order(vec![Arc::new(source)])
    }
}
