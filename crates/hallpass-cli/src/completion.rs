//! What a shell asks for while the user types: commands, options, names of servers and of tools.
//!
//! The script of `hallpass completions` starts this program with [`VARIABLE`] set and the words of the
//! line after `--`. Nothing is asked over the network: the names of tools are those that `tools` and `call`
//! saw last.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser as _;
use clap_complete::{
    ArgValueCandidates, CompleteEnv, CompletionCandidate,
    env::{self, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh},
};
use hallpass::CredentialKey;

use crate::{
    arguments::Arguments,
    config::Config,
    environment::Environment,
    output::Output,
    program::Program,
    saved_options::SavedOptions,
    setup, store,
    tool_names::{ToolNames, Tools},
};

/// The variable that names the shell that asks.
pub(crate) const VARIABLE: &str = "HALLPASS_COMPLETE";

/// The shells that there are completions for.
pub(crate) const SHELLS: Shells<'static> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers the shell, if it is a shell that asks.
pub(crate) fn answer() -> Option<ExitCode> {
    let environment = CompleteEnv::with_factory(|| with_candidates(Arguments::described()))
        .var(VARIABLE)
        .shells(SHELLS);
    match environment.try_complete(std::env::args_os(), None) {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        // A line that is being typed is no place for an error.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// The command with what can be named at each of its arguments.
fn with_candidates(command: clap::Command) -> clap::Command {
    let name = command.get_name().to_owned();
    let command =
        command.mut_args(
            |argument| match candidates(&name, argument.get_id().as_str()) {
                Some(names) => argument.add(ArgValueCandidates::new(names)),
                None => argument,
            },
        );
    command.mut_subcommands(with_candidates)
}

/// What can be named at an argument of a command.
fn candidates(command: &str, argument: &str) -> Option<fn() -> Vec<CompletionCandidate>> {
    match (command, argument) {
        ("add" | "cimd", "url") => None,
        (_, "url") | ("remove", "name") => Some(servers),
        (_, "tool") => Some(tools),
        ("call", "arguments") => Some(tool_arguments),
        _ => None,
    }
}

/// The servers of the configuration, and those with a sign-in that it has no name for.
fn servers() -> Vec<CompletionCandidate> {
    let Some(program) = program(&words()) else {
        return Vec::new();
    };
    let config = Config::read(&program).unwrap_or_default();
    let named = config.servers();
    let saved = store::folder(&program).and_then(|folder| SavedOptions::credentials(&folder));
    let is_named = |key: &CredentialKey| named.values().any(|entry| entry.key == *key);
    let urls = saved.unwrap_or_default().into_iter();
    let urls = urls.filter(|key| !is_named(key) && key.server.url().query().is_none());
    let urls = urls.map(|key| CompletionCandidate::new(key.server.as_str()));
    let names = named.iter().map(|(name, entry)| {
        let url = entry.key.server.to_string();
        CompletionCandidate::new(name).help(Some(url.into()))
    });
    names.chain(urls).collect()
}

/// The tools of the server that the line names.
fn tools() -> Vec<CompletionCandidate> {
    let names = known_tools(&words()).unwrap_or_default().0.into_keys();
    names.map(CompletionCandidate::new).collect()
}

/// The arguments of the tool that the line names, but those that it has already.
fn tool_arguments() -> Vec<CompletionCandidate> {
    let words = words();
    let (mut tools, after) = known_tools(&words).unwrap_or_default();
    let names = after.iter().find_map(|word| tools.remove(word));
    let is_given = |name: &String| {
        let is_it = |word: &String| {
            let rest = word.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.starts_with('=') || rest.starts_with(":="))
        };
        // The last word is being typed.
        after.iter().rev().skip(1).any(is_it)
    };
    let names = names.unwrap_or_default().into_iter();
    let names = names.filter(|name| !is_given(name));
    names
        .map(|name| CompletionCandidate::new(name + "="))
        .collect()
}

/// The tools of the server that the line names with their arguments, and the words after the server.
fn known_tools(words: &[String]) -> Option<(Tools, Vec<String>)> {
    let program = program(words)?;
    let config = Config::read(&program).ok()?;
    let is_command = |word: &String| matches!(word.as_str(), "call" | "tools");
    let is_server = |word: &String| config.servers().contains_key(word) || word.contains("://");
    let start = words.iter().position(is_command)? + 1;
    let at = start + words[start..].iter().position(is_server)?;
    let key = setup::key(&program, &words[at], value_of("--account", words)).ok()?;
    let tools = ToolNames::new(&key, &store::folder(&program).ok()?).load();
    Some((tools, words[at + 1..].to_vec()))
}

/// The words of the line, as far as they are text.
fn words() -> Vec<String> {
    let words = std::env::args_os().skip_while(|word| word != OsStr::new("--"));
    let text = words.skip(1).map(OsString::into_string);
    text.filter_map(Result::ok).collect()
}

/// The value of an option: the next word, or what follows `=`.
fn value_of<'a>(option: &str, words: &'a [String]) -> Option<&'a str> {
    words.iter().enumerate().find_map(|(at, word)| {
        let rest = word.strip_prefix(option)?;
        match rest.strip_prefix('=') {
            None if rest.is_empty() => words.get(at + 1).map(String::as_str),
            value => value,
        }
    })
}

/// A run of the program with the folders that the line names.
fn program(words: &[String]) -> Option<Program> {
    let mut options = Arguments::try_parse_from(["hallpass", "list"]).ok()?.global;
    options.store = value_of("--store", words).map(PathBuf::from);
    options.config = value_of("--config", words).map(PathBuf::from);
    let environment = Environment::read().non_interactive();
    let output = Output::new(false, &environment);
    Some(Program::new(options, environment, output))
}

/// Bash, which splits the words of a line at `:` and `=` as well, so that a URL or `name=value` would be
/// several: the script puts them together, and takes from each candidate what bash would repeat.
#[derive(Debug)]
struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        env::Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        env::Bash.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> io::Result<()> {
        let words = [
            ("VARIABLE", variable),
            ("NAME", name),
            ("PROGRAM", program),
            ("COMPLETER", completer),
        ];
        let text = words.iter().fold(BASH.to_owned(), |text, (word, value)| {
            text.replace(word, value)
        });
        script.write_all(text.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        candidates: &mut dyn Write,
    ) -> io::Result<()> {
        env::Bash.write_complete(command, words, folder, candidates)
    }
}

/// The registration in bash. `words` are those of the line, as they are separated by spaces.
const BASH: &str = r#"
_clap_complete_NAME() {
    local IFS=$'\013' line=$COMP_LINE space=true index=0 at word typed
    local -a words=()
    if compopt +o nospace 2> /dev/null; then
        space=false
    fi
    for at in "${!COMP_WORDS[@]}"; do
        word=${COMP_WORDS[at]}
        typed=$word
        if [[ $at -eq $COMP_CWORD && $word != [:=] ]]; then
            typed=$2
        fi
        if [[ $at -gt 0 && $at -le $COMP_CWORD && -n $word && $line == "$word"* ]]; then
            words[${#words[@]}-1]+=$typed
        else
            words+=("$typed")
        fi
        if [[ $at -eq $COMP_CWORD ]]; then
            index=$((${#words[@]} - 1))
        fi
        line=${line#"${line%%[![:space:]]*}"}
        line=${line#"$word"}
    done
    COMPREPLY=( $( \
        _CLAP_IFS="$IFS" \
        _CLAP_COMPLETE_INDEX="$index" \
        _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" \
        _CLAP_COMPLETE_SPACE="$space" \
        VARIABLE="bash" \
        "COMPLETER" -- "${words[@]}" \
    ) )
    if [[ $? != 0 ]]; then
        unset COMPREPLY
        return
    fi
    # Bash replaces what follows its last separator in the word.
    typed=${words[index]%"$2"}
    for at in "${!COMPREPLY[@]}"; do
        COMPREPLY[at]=${COMPREPLY[at]#"$typed"}
    done
    if [[ $space == false && "${COMPREPLY-}" =~ [=/:]$ ]]; then
        compopt -o nospace
    fi
}
if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _clap_complete_NAME PROGRAM
else
    complete -o nospace -o bashdefault -F _clap_complete_NAME PROGRAM
fi
"#;
