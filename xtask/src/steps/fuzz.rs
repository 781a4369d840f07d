//! The fuzz targets of `fuzz/`, each for some minutes from the corpus that is kept in the tree.
//!
//! A target is built as libFuzzer wants it: with counters on each edge, which the stable compiler puts in,
//! and a C++ compiler for libFuzzer itself.

use std::{fs, path::PathBuf};

use toml::Table;

use crate::{
    report::{Failure, line},
    shell::{Completed, Shell, which},
    workspace::Workspace,
};

/// How long each target runs where nothing is said.
const MINUTES: f64 = 10.0;
/// The longest input. What a server sends is longer; what breaks a reader is not.
const MAX_LEN: &str = "-max_len=4096";
/// Counters on edges and on comparisons, as `cargo-fuzz` asks for them.
const FLAGS: [&str; 6] = [
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// A target, and the inputs that are kept for it.
struct Target {
    name: String,
    corpus: PathBuf,
}

pub(super) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let options = Options::parse(arguments)?;
    let targets = targets(workspace)?;
    let unknown = |name: &&String| !targets.iter().any(|target| target.name == **name);
    if let Some(name) = options.names.iter().find(unknown) {
        let names: Vec<&str> = targets.iter().map(|target| &*target.name).collect();
        let what = format!(
            "there is no target `{name}`; there are {}",
            names.join(", ")
        );
        return Err(Failure::new(what));
    }
    if which(&["c++", "clang++", "g++"]).is_none() {
        return Err(Failure::new("a fuzzer needs a C++ compiler"));
    }
    let host = host()?;
    let mut found = Vec::new();
    for target in targets {
        if !options.names.is_empty() && !options.names.contains(&target.name) {
            continue;
        }
        let program = build(workspace, &host, &target.name)?;
        let fuzzer = Fuzzer {
            workspace,
            program,
            target,
        };
        found.extend(fuzzer.fuzz(options.minutes)?);
        if options.keeps {
            fuzzer.keep()?;
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let what = format!("inputs that broke something:\n  {}", found.join("\n  "));
    Err(Failure::new(what)
        .fix("mend the reader, and keep the input in its corpus under a name of its own"))
}

struct Options {
    minutes: f64,
    /// Whether the inputs that reached new code go into the tree.
    keeps: bool,
    names: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self {
            minutes: MINUTES,
            keeps: false,
            names: Vec::new(),
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match &**word {
                "--minutes" => {
                    let minutes = words.next().and_then(|word| word.parse().ok());
                    options.minutes =
                        minutes.ok_or_else(|| Failure::new("--minutes takes a number"))?;
                }
                "--keep" => options.keeps = true,
                name => options.names.push(name.to_owned()),
            }
        }
        Ok(options)
    }
}

/// The targets by their manifest, each with the corpus of its name below `crates/`.
fn targets(workspace: &Workspace) -> Result<Vec<Target>, Failure> {
    let manifest = fs::read_to_string(workspace.root().join("fuzz/Cargo.toml"))?;
    let manifest: Table = manifest
        .parse()
        .map_err(|error| Failure::new(format!("fuzz/Cargo.toml: {error}")))?;
    let bins = manifest["bin"].as_array().into_iter().flatten();
    let names = bins.filter_map(|bin| bin["name"].as_str());
    let crates = workspace.hosts("crates")?;
    names
        .map(|name| {
            let corpora = crates.iter().map(|one| one.join("tests/corpus").join(name));
            let corpus = corpora.into_iter().find(|corpus| corpus.exists());
            Ok(Target {
                name: name.to_owned(),
                corpus: corpus
                    .ok_or_else(|| Failure::new(format!("no crate has a corpus `{name}`")))?,
            })
        })
        .collect()
}

/// The platform that the compiler runs on. Named as the target, it leaves build scripts uninstrumented.
fn host() -> Result<String, Failure> {
    let version = Shell::new("rustc").args(["-vV"]).read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| Failure::new("rustc -vV names no host"))
}

fn build(workspace: &Workspace, host: &str, name: &str) -> Result<PathBuf, Failure> {
    let folder = workspace.below_target("fuzz");
    workspace
        .cargo()
        .env("RUSTFLAGS", FLAGS.join(" "))
        .args(["build", "--quiet", "--locked", "--bin", name])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--target", host])
        .args(["--target-dir".as_ref(), folder.as_os_str()])
        .run()?;
    Ok(folder.join(host).join("debug").join(name))
}

struct Fuzzer<'a> {
    workspace: &'a Workspace,
    program: PathBuf,
    target: Target,
}

impl Fuzzer<'_> {
    /// Runs the target; the input that broke it, if one did.
    fn fuzz(&self, minutes: f64) -> Result<Option<String>, Failure> {
        let name = &self.target.name;
        let (found, broken) = (self.folder("corpus")?, self.folder("broken")?);
        let dictionary = self.workspace.root().join("fuzz/words.dict");
        let completed = Shell::new(&self.program)
            .args([&found, &self.target.corpus])
            .args([MAX_LEN, "-print_final_stats=1", "-timeout=10"])
            .args([
                format!("-dict={}", dictionary.display()),
                format!("-artifact_prefix={}/", broken.display()),
                format!("-max_total_time={:.0}", minutes * 60.0),
            ])
            .complete()?;
        let executions = statistic(&completed, "stat::number_of_executed_units:");
        let inputs = fs::read_dir(&found)?.count();
        line(&format!(
            "{name:<22} {executions:>12} runs, {inputs} inputs found"
        ));
        if completed.status.success() {
            return Ok(None);
        }
        line(&completed.failure().to_string());
        let input = completed
            .stderr
            .lines()
            .find_map(|line| line.split_once("Test unit written to ").map(|it| it.1));
        Ok(Some(format!(
            "{name}: {}",
            input.unwrap_or("no input was written")
        )))
    }

    /// Puts the fewest of the found inputs that reach new code into the tree.
    fn keep(&self) -> Result<(), Failure> {
        Shell::new(&self.program)
            .args(["-set_cover_merge=1", "-use_counters=0", MAX_LEN])
            .args([&self.target.corpus, &self.folder("corpus")?])
            .complete()?
            .success()
            .map(drop)
    }

    fn folder(&self, of: &str) -> Result<PathBuf, Failure> {
        let folder = self.workspace.below_target("fuzz").join(of);
        let folder = folder.join(&self.target.name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// A number that the fuzzer prints at its end.
fn statistic<'a>(completed: &'a Completed, name: &str) -> &'a str {
    let lines = completed.stderr.lines();
    let mut values = lines.filter_map(|line| line.strip_prefix(name));
    values.next().map_or("?", str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_names_are_read() {
        let parse = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
        };
        let check = |text: &str, expected: &str| {
            let Options {
                minutes,
                keeps,
                names,
            } = parse(text).unwrap();
            assert_eq!(format!("{minutes} {keeps} {}", names.join(" ")), expected);
        };
        check(
            "events --minutes 0.5 callback --keep",
            "0.5 true events callback",
        );
        check("", "10 false ");
        assert!(parse("--minutes").is_err());
    }
}
