//! What a user calls a server, and the command lines that are shown to them.

use std::path::PathBuf;

use clap::ValueEnum as _;
use hallpass::{Account, CredentialKey, Hint};
use serde_json::Value;

use crate::{
    config::Config,
    exit::{Code, CommandError},
    option_words::OptionWords,
    program::Program,
    saved_options::SavedOptions,
    server_options::{ServerOptions, TOKEN_SOURCE},
    setting_options, store, text,
};

/// A server as it stands in a command line: its name, where the configuration has one, else its URL.
#[derive(Debug, Clone)]
pub(crate) struct ServerRef {
    server: String,
    /// The account, where it has to be said.
    account: Option<Account>,
    /// The options of this call that say where the credentials are.
    store_options: String,
    /// The options of this call for the server, which a later call needs as well.
    given: OptionWords,
    /// The options of this call that `login` alone has.
    login_options: String,
    /// Whether the saved options say where tokens come from.
    saves_token_source: bool,
    /// What a URL leaves out: its query may hold a key and is not shown.
    lacks_query: bool,
    /// The options that the configuration sets, where the server has a name in it.
    configured: Option<Configured>,
}

/// A server's options in the configuration file.
#[derive(Debug, Clone)]
struct Configured {
    path: PathBuf,
    name: String,
    options: ServerOptions,
}

impl ServerRef {
    /// What the account of a credential is called.
    pub(crate) fn new(key: &CredentialKey, program: &Program) -> Self {
        // What is wrong with it has been said where it matters.
        let config = Config::read(program).unwrap_or_default();
        let entry = |key: &CredentialKey| {
            let mut servers = config.servers().iter();
            servers.find(|(_, entry)| entry.key == *key)
        };
        let usual = CredentialKey::new(key.server.clone());
        let own = entry(key);
        let account = (own.is_none() && key.account != usual.account).then(|| key.account.clone());
        let named = own.or_else(|| entry(&usual));
        let configured = named.and_then(|(name, entry)| {
            Some(Configured {
                path: config.path()?.to_owned(),
                name: name.clone(),
                options: entry.options.clone(),
            })
        });
        Self {
            account,
            store_options: store_options(program, named.is_some()),
            given: OptionWords::default(),
            login_options: String::new(),
            saves_token_source: saves_token_source(key, program),
            lacks_query: named.is_none() && key.server.url().query().is_some(),
            server: match named {
                Some((name, _)) => name.clone(),
                None => text::quoted(&key.server.to_string()),
            },
            configured,
        }
    }

    /// A server that a command puts into the configuration, by its URL.
    pub(crate) fn by_url(key: &CredentialKey, program: &Program) -> Self {
        let is_usual = key.account == CredentialKey::new(key.server.clone()).account;
        Self {
            server: text::quoted(&key.server.to_string()),
            account: (!is_usual).then(|| key.account.clone()),
            store_options: store_options(program, true),
            given: OptionWords::default(),
            login_options: String::new(),
            saves_token_source: false,
            lacks_query: key.server.url().query().is_some(),
            configured: None,
        }
    }

    /// The advice that replaces a server in the configuration.
    pub(crate) fn replacing(&self, name: &str) -> String {
        let line = self.line_with(&format!("add {name}"), &self.given, " --replace");
        self.with_notes(format!("`{line}` replaces it"), &self.given)
    }

    /// With the server's options of this command line, which later ones need as well.
    pub(crate) fn keeping(mut self, given: &ServerOptions) -> Self {
        self.given = OptionWords::new(given);
        self
    }

    /// With these options of `login`, each with a space before it.
    pub(crate) fn keeping_for_login(mut self, options: String) -> Self {
        self.login_options = options;
        self
    }

    /// The line that runs a command on it.
    pub(crate) fn line(&self, command: &str) -> String {
        self.line_with(command, &self.given, "")
    }

    /// Advice with a command line, and below it what these options leave out of that line: a command that
    /// is copied has nothing behind it.
    fn with_notes(&self, advice: String, options: &OptionWords) -> String {
        let query = self.lacks_query.then(|| "with the whole query".to_owned());
        let notes: Vec<_> = query.into_iter().chain(options.notes()).collect();
        if notes.is_empty() {
            return advice;
        }
        format!("{advice}\n{}", notes.join(", and "))
    }

    /// The same with these words behind it, which are quoted already.
    pub(crate) fn line_with_words(&self, command: &str, words: &[String]) -> String {
        let is_like_option = |word: &String| word.trim_start_matches(['\'', '"']).starts_with('-');
        let dashes = words.iter().any(is_like_option).then(|| "--".to_owned());
        let words: Vec<_> = dashes.iter().chain(words).map(String::as_str).collect();
        self.line_with(command, &self.given, &format!(" {}", words.join(" ")))
    }

    /// Whether an option is set, in this call or in the configuration.
    fn has(&self, name: &str) -> bool {
        let configured = self.configured.iter();
        let mut maps = configured.filter_map(|it| it.options.to_map().ok());
        self.given.contains(name) || maps.any(|map| map.contains_key(name))
    }

    /// The line that runs a command with these options on it.
    fn line_with(&self, command: &str, options: &OptionWords, more: &str) -> String {
        self.line_for(&self.server, command, options, more)
    }

    /// The same for another server, or another text for this one.
    fn line_for(&self, server: &str, command: &str, options: &OptionWords, more: &str) -> String {
        let mut line = format!("hallpass {command} {server}");
        if let Some(account) = &self.account {
            line.extend([" --account ", account.as_str()]);
        }
        line += &self.store_options;
        if command == "login" {
            line += &self.login_options;
        }
        line += &options.to_string();
        line += more;
        line
    }

    /// The command that follows a hint, else the hint in words. What the command leaves out stands on
    /// the next line.
    pub(crate) fn describe(&self, hint: &Hint) -> String {
        let advice = match hint {
            Hint::Setting { .. } | Hint::Settings { .. } => {
                let options = setting_options::options_of(hint, |name| self.has(name));
                if options.is_empty() {
                    return hint.to_string();
                }
                if let Some(configured) = &self.configured
                    && let Some(lines) = configured.change(&options, &self.given)
                {
                    let advice = format!("{lines}, then run `{}`", self.line("login"));
                    return self.with_notes(advice, &self.given);
                }
                let mut words = self.given.clone();
                for (option, value) in options {
                    words.set(option, value);
                }
                return self.with_notes(self.line_with("login", &words, ""), &words);
            }
            Hint::SignIn => self.line("login"),
            Hint::ForgetClient => format!(
                "{}, then {}",
                self.line_with("logout", &self.given, " --forget-client"),
                self.line("login")
            ),
            Hint::LeaveOutTokenSource => return self.without_token_source(),
            Hint::ResetStore => return describe_reset(&self.store_options),
            Hint::ForgetCredentials => {
                let forget = self.line_with("store forget", &OptionWords::default(), "");
                return format!(
                    "else `{forget}` moves it out of the way and forgets the saved options; then sign in again"
                );
            }
            Hint::Refresh => self.line_with("doctor", &self.given, " --refresh"),
            Hint::Url { url } => self.line_for(&text::quoted(url), "doctor", &self.given, ""),
            other => return setting_options::describe(other),
        };
        self.with_notes(advice, &self.given)
    }

    /// The sign-in without the external source of the tokens, wherever that is set.
    fn without_token_source(&self) -> String {
        let given = self.given.clone().without(TOKEN_SOURCE);
        let login = self.line_with("login", &given, "");
        let configured = self.configured.as_ref();
        let advice = if let Some((file, keys)) = configured.and_then(Configured::token_source) {
            format!("remove {keys} in {file}, then run `{login}`")
        } else if self.saves_token_source {
            // A sign-out forgets it.
            format!("{}, then {login}", self.line_with("logout", &given, ""))
        } else {
            login
        };
        self.with_notes(advice, &given)
    }

    /// The same for a command that is no `login`: what only changes how the server is reached is set for
    /// that command.
    pub(crate) fn describe_for_command(&self, hint: &Hint) -> String {
        if setting_options::is_of_connection(hint) {
            setting_options::describe(hint)
        } else {
            self.describe(hint)
        }
    }

    /// A failure at the server, with the line that leads on: the one that signs in where that is what
    /// is missing, else, where nothing else is advised than to try again, the one that looks closer.
    pub(crate) fn with_advice(&self, failed: CommandError, is_login: bool) -> CommandError {
        let is_retry = |hint: &Hint| matches!(hint, Hint::Retry { .. });
        let is_advised = !failed.hints().iter().all(is_retry);
        let failed = failed.map_hints(|hint| {
            Hint::text(if is_login {
                self.describe(&hint)
            } else {
                self.describe_for_command(&hint)
            })
        });
        if failed.is(Code::SignInRequired) {
            return failed.hint_once(self.describe(&Hint::SignIn));
        }
        let at_the_server = failed.is(Code::Network) || failed.is(Code::Usage);
        if at_the_server && !is_advised {
            return failed.hint(self.describe_doctor());
        }
        failed
    }

    /// The line that looks closer, as advice.
    pub(crate) fn describe_doctor(&self) -> String {
        let advice = format!("`{}` diagnoses it step by step", self.line("doctor"));
        self.with_notes(advice, &self.given)
    }
}

/// Whether the options that a login saved say where tokens come from. What is wrong with them is said where
/// they count.
fn saves_token_source(key: &CredentialKey, program: &Program) -> bool {
    let saved = store::folder(program)
        .map(|folder| SavedOptions::new(key, &folder).load_or_default())
        .unwrap_or_default();
    saved.have_token_source()
}

impl Configured {
    /// Where the file says where tokens come from: the file and the keys, if it does.
    fn token_source(&self) -> Option<(String, String)> {
        let set = self.options.to_map().unwrap_or_default();
        let keys = TOKEN_SOURCE.iter().filter(|name| set.contains_key(**name));
        let keys: Vec<_> = keys.map(|name| format!("`{name}`")).collect();
        let place = format!("{} under `[servers.{}]`", keys.join(" and "), self.name);
        (!keys.is_empty()).then(|| (self.path.display().to_string(), place))
    }

    /// What to change in the file, where it sets one of these options and the command line does not.
    fn change(&self, options: &[(&str, Option<&str>)], given: &OptionWords) -> Option<String> {
        let set = self.options.to_map().unwrap_or_default();
        let is_here = |name: &str| set.contains_key(name) && !given.contains(name);
        if !options.iter().any(|(name, _)| is_here(name)) {
            return None;
        }
        let mut words = OptionWords::new(&self.options);
        let keys: Vec<_> = options.iter().map(|(name, _)| *name).collect();
        for (name, value) in options {
            words.set(name, *value);
        }
        let lines = keys.iter().map(|name| {
            let values = words.values_of(name);
            let value = match values.as_slice() {
                [one] if !set.get(*name).is_some_and(Value::is_array) => one.to_string(),
                several => Value::Array(several.to_vec()).to_string(),
            };
            format!("`{name} = {value}`")
        });
        Some(format!(
            "set {} under `[servers.{}]` in {}",
            lines.collect::<Vec<_>>().join(" and "),
            self.name,
            self.path.display()
        ))
    }
}

/// Advice that needs no server, with the options of this call that say where the credentials are.
pub(crate) fn with_store_options(failed: CommandError, program: &Program) -> CommandError {
    failed.map_hints(|hint| match hint {
        Hint::ResetStore => Hint::text(describe_reset(&store_options(program, false))),
        hint => hint,
    })
}

/// The command that moves the store out of the way.
fn describe_reset(store_options: &str) -> String {
    format!("if it is lost, `hallpass store reset{store_options}` moves everything out of the way")
}

/// The options that another call needs to reach the same store, and the same configuration where it
/// names the server.
fn store_options(program: &Program, is_named: bool) -> String {
    let options = &program.options;
    let shown_name = |name: &String| {
        if program.environment.is_variable(name) {
            name.clone()
        } else {
            "NAME".to_owned()
        }
    };
    let path = |path: &PathBuf| path.display().to_string();
    let config = options.config.as_ref().filter(|_| is_named);
    let key_store = options.key_store.and_then(|it| it.to_possible_value());
    [
        ("--config", config.map(path)),
        ("--store", options.store.as_ref().map(path)),
        ("--key-store", key_store.map(|it| it.get_name().to_owned())),
        (
            "--passphrase-file",
            options.passphrase_file.as_ref().map(path),
        ),
        (
            "--passphrase-env",
            options.passphrase_env.as_ref().map(shown_name),
        ),
    ]
    .into_iter()
    .filter_map(|(option, value)| Some(format!(" {option} {}", text::quoted(&value?))))
    .collect()
}
