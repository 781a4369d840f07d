//! Passphrases: from a file, from a variable, or from a user who types it unseen.

use std::{fs, path::PathBuf, sync::Mutex};

use hallpass::{
    BoxFuture,
    store::{KeyError, KeyErrorKind, KeyId, KeyLocation, KeySource, Passphrase, SealingKey},
};

use crate::{
    environment::Environment, exit::CommandError, output::Output, password_prompt, program::Program,
};

/// Where the options say that a passphrase is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) file: Option<PathBuf>,
    pub(crate) variable: Option<String>,
}

/// Keys that are derived from a passphrase, which is had when one is needed and not before.
#[derive(Debug)]
pub(crate) struct Passphrases {
    named: Named,
    /// What it is the passphrase of, as the question says it.
    of: &'static str,
    /// Which options name it.
    options: &'static str,
    /// The one of them that names a variable.
    variable_option: &'static str,
    environment: Environment,
    output: Output,
    /// The one that was read, or that a key was made from: the next key may need it again.
    made: Mutex<Option<Passphrase>>,
}

impl Passphrases {
    /// The passphrase of the store that is there: where `--passphrase-file` or `--passphrase-env`
    /// says, else in `HALLPASS_PASSPHRASE`, else asked for.
    pub(crate) fn of_the_store(program: &Program) -> Self {
        let options = &program.options;
        let mut named = Named {
            file: options.passphrase_file.clone(),
            variable: options.passphrase_env.clone(),
        };
        let usual = "HALLPASS_PASSPHRASE";
        if named.file.is_none()
            && named.variable.is_none()
            && program.environment.get("HALLPASS_PASSPHRASE").is_some()
        {
            named.variable = Some(usual.to_owned());
        }
        let options =
            "name a file (`--passphrase-file`) or an environment variable (`--passphrase-env`)";
        Self::with_options(program, named, "the store", options)
    }

    /// The passphrase of a new key or of an export: it was named, or a user at the terminal is asked for it.
    /// One that is named is read at once, so that what is wrong with it is not blamed on the store's key.
    pub(crate) fn new(
        program: &Program,
        named: Named,
        of: &'static str,
    ) -> Result<Self, CommandError> {
        let options = "name a file (`--with-passphrase-file`) or an environment variable \
                       (`--with-passphrase-env`)";
        let mut it = Self::with_options(program, named, of, options);
        it.variable_option = "--with-passphrase-env";
        if it.is_unavailable() {
            return Err(CommandError::usage(it.no_terminal()).hint(options));
        }
        if let Some(named) = it.read_named() {
            *it.made() = Some(named.map_err(CommandError::usage)?);
        }
        Ok(it)
    }

    fn with_options(
        program: &Program,
        named: Named,
        of: &'static str,
        options: &'static str,
    ) -> Self {
        Self {
            named,
            of,
            options,
            variable_option: "--passphrase-env",
            environment: program.environment.clone(),
            output: program.output.clone(),
            made: Mutex::new(None),
        }
    }

    fn describe_variable(&self, name: &str) -> String {
        self.environment
            .describe_variable(self.variable_option, name)
    }

    /// Whether no option names it and no terminal is there to ask at.
    fn is_unavailable(&self) -> bool {
        let is_named = self.named.file.is_some() || self.named.variable.is_some();
        !is_named && !self.environment.stdin_is_terminal()
    }

    fn no_terminal(&self) -> String {
        format!(
            "no terminal: can't prompt for the passphrase of {}",
            self.of
        )
    }

    /// The passphrase from where an option says that it is.
    fn read_named(&self) -> Option<Result<Passphrase, KeyError>> {
        if let Some(file) = &self.named.file {
            return Some(match fs::read_to_string(file) {
                Ok(text) => Ok(Passphrase::new(text.trim_end_matches(['\r', '\n']))),
                Err(source) => {
                    let what = format!("the passphrase in `{}` can't be read", file.display());
                    Err(KeyError::new(KeyErrorKind::Unavailable, what).with_source(source))
                }
            });
        }
        let name = self.named.variable.as_ref()?;
        let Some(text) = self.environment.get(name) else {
            let shown = self.describe_variable(name);
            let what = self.environment.describe_absence(&shown, name);
            return Some(Err(KeyError::new(KeyErrorKind::Unusable, what)));
        };
        Some(Ok(Passphrase::new(text)))
    }

    /// The passphrase. One that is new is asked for twice, lest a slip of the finger lock everything.
    async fn get(&self, new: bool) -> Result<Passphrase, KeyError> {
        if let Some(named) = self.read_named() {
            return named;
        }
        if self.is_unavailable() {
            let error = KeyError::new(KeyErrorKind::Locked, self.no_terminal());
            return Err(error.with_hint(self.options));
        }
        let first = self.ask(&format!("passphrase of {}: ", self.of)).await?;
        if new && self.ask("once more: ").await? != first {
            let what = "the two passphrases differ";
            return Err(KeyError::new(KeyErrorKind::Unusable, what));
        }
        Ok(Passphrase::new(first.as_str()))
    }

    async fn ask(&self, question: &str) -> Result<password_prompt::Line, KeyError> {
        let line = password_prompt::line(|| self.output.ask(question)).await;
        line.map_err(|error| {
            let what = "the passphrase can't be read from the terminal";
            KeyError::new(KeyErrorKind::Unavailable, what)
                .with_hint(self.options)
                .with_source(error)
        })
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Option<Passphrase>> {
        self.made
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl KeySource for Passphrases {
    fn key_location(&self) -> KeyLocation {
        KeyLocation::Passphrase
    }

    fn create(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async move {
            let read = self.made().clone();
            let passphrase = match read {
                Some(passphrase) => passphrase,
                None => self.get(true).await?,
            };
            let key = passphrase.create(id).await?;
            *self.made() = Some(passphrase);
            Ok(key)
        })
    }

    fn load(&self, id: KeyId) -> BoxFuture<'_, Result<SealingKey, KeyError>> {
        Box::pin(async move {
            let made = self.made().clone();
            let passphrase = match made {
                Some(passphrase) => passphrase,
                None => self.get(false).await?,
            };
            passphrase.load(id).await
        })
    }

    fn describe(&self) -> String {
        let Named { file, variable } = &self.named;
        match (file, variable) {
            (Some(file), _) => format!("the passphrase in `{}`", file.display()),
            (None, Some(name)) => format!("the passphrase in {}", self.describe_variable(name)),
            (None, None) => "a passphrase".to_owned(),
        }
    }
}
