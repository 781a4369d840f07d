//! Each fix that is printed works as printed: a row of the table has a server with a fault, the command
//! that finds it, and the option of the line that is printed. That line is run as it is. It signs in, the
//! fault is gone, and the options that were given are still in the line.

mod after_failure;
mod rows;

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::TcpListener,
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use hallpass::Hint;
use hallpass_testkit::{
    AuthorizationServer, AuthorizationServerOptions, Behaviour, Endpoint, Fault, LeakCheck,
    McpServer, McpServerOptions, Person, PlannedFault, Protection, TestCa, When,
};
use tempfile::TempDir;

use crate::program::{Fixture, Output, set_umask};

/// The certificate authority of rows with TLS.
static CA: LazyLock<TestCa> = LazyLock::new(|| TestCa::new().unwrap());

/// What is given to the command beside the options of a row, and has to stay.
const KEPT: &[&str] = &[
    "--account",
    "work",
    "--client-name",
    "My Host",
    "--header",
    "X-Team: tools",
];

/// The command that prints the fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Doctor,
    Login,
    /// After a sign-in that succeeds, with an access token that has ended.
    Tools,
}

/// One fault and its fix. In texts, `{issuer}` and `{server}` are origins, `{url}` is the MCP server's URL,
/// `{moved}` the origin of a server that redirects, `{folder}` a folder with files and `{port}` a free port.
struct Row {
    /// The settings that the fix names.
    settings: &'static [&'static str],
    command: Command,
    issuer: fn(&mut AuthorizationServerOptions),
    server: fn(&mut McpServerOptions, &AuthorizationServer),
    /// What can be said only once the servers have URLs.
    behaviour: fn(&mut Behaviour, &Place),
    protection: fn(&mut Protection, &Place),
    given: &'static [&'static str],
    /// The code in the doctor's report, or words of the error.
    fault: &'static str,
    /// Options of the lines that are run, one after the other: each begins a value or ends before it.
    fixes: &'static [&'static str],
    /// Words for users in the lines, and what a user writes there.
    fill: &'static [(&'static str, &'static str)],
    /// Whether the server takes the tokens of the fixed sign-in.
    serves: bool,
}

const ROW: Row = Row {
    settings: &[],
    command: Command::Doctor,
    issuer: |_| {},
    server: |_, _| {},
    behaviour: |_, _| {},
    protection: |_, _| {},
    given: &[],
    fault: "",
    fixes: &[],
    fill: &[],
    serves: true,
};

/// The servers of a row.
struct Place {
    fixture: Fixture,
    /// An authorization server whose endpoints lead to those of the other one.
    moved: AuthorizationServer,
    port: u16,
}

impl Place {
    async fn new(row: &Row) -> Self {
        let mut options = AuthorizationServerOptions::default();
        (row.issuer)(&mut options);
        let issuer = AuthorizationServer::start(options).await.unwrap();
        let mut options = McpServerOptions::protected_by(&issuer);
        (row.server)(&mut options, &issuer);
        let server = McpServer::start(options).await.unwrap();
        let redirect = |endpoint, path| PlannedFault {
            endpoint,
            when: When::Always,
            fault: Fault::Answer {
                status: 301,
                headers: vec![(
                    "Location".to_owned(),
                    format!("{}{path}?key=canary", issuer.origin()),
                )],
                body: String::new(),
            },
        };
        let options = AuthorizationServerOptions {
            faults: vec![
                redirect(Endpoint::Registration, "/register"),
                redirect(Endpoint::Token, "/token"),
            ],
            ..AuthorizationServerOptions::default()
        };
        let moved = AuthorizationServer::start(options).await.unwrap();
        set_umask();
        let folder = TempDir::new().unwrap();
        let identity = CA.client("hallpass").unwrap();
        let identity = format!("{}{}", identity.certificate_pem(), identity.key_pem());
        for (name, text) in [
            ("ca.pem", CA.pem()),
            ("client.pem", identity),
            ("secret", "s3cret".to_owned()),
        ] {
            let mut file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        let place = Self {
            port: free_port(),
            fixture: Fixture {
                issuer,
                server,
                person: Person::new(),
                folder,
            },
            moved,
        };
        place
            .fixture
            .issuer
            .change(|behaviour| (row.behaviour)(behaviour, &place));
        place
            .fixture
            .server
            .change(|protection| (row.protection)(protection, &place));
        place
    }

    fn text(&self, text: &str) -> String {
        let fixture = &self.fixture;
        text.replace("{issuer}", fixture.issuer.origin())
            .replace("{server}", fixture.server.origin())
            .replace("{url}", &fixture.url())
            .replace("{moved}", self.moved.origin())
            .replace("{folder}", fixture.folder.path().to_str().unwrap())
            .replace("{port}", &self.port.to_string())
    }
}

/// A port that nothing listens on. It is none that a system gives out by itself: the servers of other
/// tests that stop and resume need theirs.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Runs a row.
async fn check(row: Row) {
    let place = Place::new(&row).await;
    let fixture = &place.fixture;
    let url = fixture.url();
    let given: Vec<_> = row.given.iter().map(|text| place.text(text)).collect();
    let options = given.iter().map(String::as_str);
    let options: Vec<_> = options.chain(KEPT.iter().copied()).collect();
    let mut ended = match row.command {
        Command::Doctor => {
            fixture
                .run(&[&["doctor", &url], &options[..]].concat())
                .await
        }
        Command::Login => fixture.login(&options).await,
        Command::Tools => {
            fixture.login(&options).await.expect(0);
            fixture.issuer.expire_access_tokens();
            fixture
                .run(&[&["tools", &url], &options[..]].concat())
                .await
        }
    };
    let (fault, said) = (place.text(row.fault), said(&ended));
    assert!(said.contains(&fault), "{fault}: {said}");
    assert_ne!(ended.code, 0, "{said}");
    for option in row.fixes {
        let words = printed(&place, &row, &ended, option);
        assert_kept(&words, &given);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        ended = fixture.sign_in(fixture.command(&words)).await;
    }
    ended.expect(0);
    if row.command == Command::Doctor {
        let report = fixture.run(&["doctor", &url, "--account", "work"]).await;
        let fault = format!("fault `{}`", row.fault);
        assert!(!report.stdout.contains(&fault), "{}", report.stdout);
    }
    if row.serves {
        if row.command == Command::Tools {
            fixture.issuer.expire_access_tokens();
        }
        let tools = fixture.run(&["tools", &url, "--account", "work"]).await;
        tools.expect(0);
    }
}

fn said(ended: &Output) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

/// The words of the one line that has `option`, without the program's name and with what the user knows.
#[track_caller]
fn printed(place: &Place, row: &Row, ended: &Output, option: &str) -> Vec<String> {
    let (said, option) = (said(ended), place.text(option));
    LeakCheck::new().check("what is printed", &said).unwrap();
    assert!(!said.contains("canary"), "{said}");
    let lines = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("hint: "));
    let line = lines
        .filter(|line| line.starts_with("hallpass login "))
        .find(|line| line.contains(&option));
    let Some(line) = line else {
        panic!("no line with {option}: {said}");
    };
    let mut words = shlex::split(line).unwrap();
    words.remove(0);
    for (word, value) in row.fill {
        let (option, word) = word.split_once(' ').unwrap();
        for index in 1..words.len() {
            if words[index - 1] == option && words[index] == word {
                words[index] = place.text(value);
            }
        }
    }
    if !words.iter().any(|word| word == "--no-browser") {
        words.push("--no-browser".to_owned());
    }
    words
}

/// Each option that was given is in a line: with its value, or with another one in the same place.
#[track_caller]
fn assert_kept(words: &[String], given: &[String]) {
    for pair in KEPT.chunks(2) {
        let is_kept = words.windows(2).any(|it| it == pair);
        assert!(is_kept, "{pair:?}: {words:?}");
    }
    for name in given.iter().filter(|word| word.starts_with("--")) {
        let count = words.iter().filter(|word| *word == name).count();
        assert_eq!(count, 1, "{name}: {words:?}");
    }
}

/// Settings without a row, and why.
const WITHOUT_ROW: &[(&str, &str)] = &[(
    "max_message_size",
    "it is no matter of a sign-in: `max_message_size_is_set_for_the_same_command` runs it",
)];

#[test]
fn each_setting_of_a_hint_has_a_row() {
    let rows = rows::all();
    let with_row: BTreeSet<_> = rows.iter().flat_map(|row| row.settings).copied().collect();
    let without: BTreeSet<_> = WITHOUT_ROW.iter().map(|(setting, _)| *setting).collect();
    assert!(with_row.is_disjoint(&without));
    let known: BTreeSet<_> = Hint::SETTINGS.iter().copied().collect();
    assert_eq!(
        with_row.union(&without).copied().collect::<BTreeSet<_>>(),
        known
    );
}

/// The lines of advice, without their mark.
fn hints(ended: &Output) -> Vec<String> {
    let said = said(ended);
    let lines = said.lines();
    lines
        .filter_map(|line| line.trim().strip_prefix("hint: "))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn configured_option_is_fixed_in_the_configuration() {
    let place = Place::new(&ROW).await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    let file = fixture.folder.path().join("config.toml");
    let write = |line: &str| {
        let text = format!("[servers.mine]\nurl = \"{url}\"\n{line}\n");
        let mut file = std::fs::File::create(&file).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    write("issuer = \"https://other.example\"");
    let file = file.to_str().unwrap();
    let ended = fixture.run(&["doctor", "mine", "--config", file]).await;
    let line = format!("`issuer = \"{}\"`", place.text("{issuer}"));
    let whole = format!(
        "set {line} under `[servers.mine]` in {file}, then run `hallpass login mine --config {file}`"
    );
    let ended = ended.expect(2);
    assert!(hints(&ended).contains(&whole), "{}", ended.stdout);
    write(line.trim_matches('`'));
    let login = ["login", "mine", "--config", file, "--no-browser"];
    fixture.sign_in(fixture.command(&login)).await.expect(0);
    fixture
        .run(&["doctor", "mine", "--config", file])
        .await
        .expect(0);
}

#[tokio::test]
async fn secret_header_is_named_by_a_variable_in_a_fix() {
    let place = Place::new(&Row {
        issuer: |it| it.behaviour.pkce_advertised = false,
        ..ROW
    })
    .await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    let secret = ["--header", "X-Api-Key: canary4711"];
    let ended = fixture
        .run(&[&["doctor", &url], &secret[..]].concat())
        .await;
    let ended = ended.expect(2);
    assert!(!said(&ended).contains("canary"), "{}", said(&ended));
    let line = &format!("hallpass login {url} --header 'X-Api-Key: ${{X_API_KEY}}' --assume-s256");
    assert!(hints(&ended).contains(line), "{}", said(&ended));
    let note = "\n      | with the header's value in the environment variable X_API_KEY\n";
    assert!(ended.stdout.contains(note), "{}", said(&ended));
    let note = note.replace("      |", "  |");
    assert!(ended.stderr.contains(&note), "{}", said(&ended));
    let mut words = shlex::split(line).unwrap();
    words.push("--no-browser".to_owned());
    let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
    let mut command = fixture.command(&words);
    command.env("X_API_KEY", "canary4711");
    fixture.sign_in(command).await.expect(0);
}

#[tokio::test]
async fn doctor_counts_options_of_failed_login() {
    let place = Place::new(&Row {
        issuer: |it| it.behaviour.pkce_advertised = false,
        server: |it, _| {
            it.listen.required_header = Some(("x-gateway".to_owned(), "open".to_owned()));
        },
        ..ROW
    })
    .await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    let options = [
        "--header",
        "X-Gateway: open",
        "--header",
        "X-Api-Key: canary4711",
    ];
    fixture.login(&options).await.expect(2);
    let folder = fixture.store().join("failed-logins");
    for file in std::fs::read_dir(&folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("canary"), "{text}");
    }
    let ended = fixture.run(&["doctor", &url]).await.expect(2);
    let note = "note: the last login failed; its options count here as well: `--header`\n";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("`pkce-not-advertised`"),
        "{}",
        ended.stdout
    );
    let fix = format!("hallpass login {url} --header 'X-Gateway: open' --assume-s256");
    assert!(hints(&ended).contains(&fix), "{}", ended.stdout);

    // Other commands go on with what succeeded, and a sign-in ends the memory.
    fixture
        .login(&["--header", "X-Gateway: open", "--assume-s256"])
        .await
        .expect(0);
    let ended = fixture.run(&["doctor", &url]).await.expect(0);
    assert!(!ended.stderr.contains(note), "{}", ended.stderr);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[tokio::test]
async fn commands_that_set_nothing_keep_what_was_given() {
    let place = Place::new(&ROW).await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    let given = |command: &[&'static str]| [command, KEPT].concat();
    let kept = "--account work --client-name 'My Host' --header 'X-Team: tools'";
    let run = async |command: &str| {
        let words: Vec<_> = [command, &url]
            .into_iter()
            .chain(KEPT.iter().copied())
            .collect();
        fixture.run(&words).await
    };
    // Not signed in.
    let ended = run("doctor").await.expect(3);
    assert!(
        hints(&ended).contains(&format!("hallpass login {url} {kept}")),
        "{}",
        said(&ended)
    );
    let ended = run("tools").await.expect(3);
    assert!(
        hints(&ended).contains(&format!("hallpass login {url} {kept}")),
        "{}",
        said(&ended)
    );
    fixture.login(&given(&[])).await.expect(0);
    // The token has ended.
    fixture
        .issuer
        .change(|it| it.access_token_lifetime = Duration::ZERO);
    fixture.login(&given(&[])).await.expect(0);
    let ended = run("doctor").await;
    let fix = format!("hallpass doctor {url} {kept} --refresh");
    let ended = ended.expect(0);
    assert!(hints(&ended).contains(&fix), "{}", said(&ended));
    let words = shlex::split(&fix).unwrap();
    let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
    fixture
        .issuer
        .change(|it| it.access_token_lifetime = Duration::from_secs(3600));
    fixture.run(&words).await.expect(0);
    // The client is forgotten.
    fixture.issuer.forget_clients();
    let ended = run("doctor").await;
    let fix =
        format!("hallpass logout {url} {kept} --forget-client, then hallpass login {url} {kept}");
    assert!(hints(&ended).contains(&fix), "{}", said(&ended));
    for line in fix.split(", then ") {
        let mut words = shlex::split(line).unwrap();
        words.extend(line.contains("login").then(|| "--no-browser".to_owned()));
        let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
        fixture.sign_in(fixture.command(&words)).await.expect(0);
    }
    run("doctor").await.expect(0);
}

#[tokio::test]
async fn other_url_is_diagnosed_with_the_options_given() {
    let place = Place::new(&ROW).await;
    let (fixture, url) = (&place.fixture, place.fixture.url());
    let wrong = url.replacen("http://", "https://", 1);
    let words: Vec<_> = ["doctor", &wrong]
        .into_iter()
        .chain(KEPT[2..].iter().copied())
        .collect();
    let ended = fixture.run(&words).await;
    let fix = format!("hallpass doctor {url} --client-name 'My Host' --header 'X-Team: tools'");
    assert!(hints(&ended).contains(&fix), "{}", said(&ended));
    let words = shlex::split(&fix).unwrap();
    let words: Vec<_> = words.iter().skip(1).map(String::as_str).collect();
    let ended = fixture.run(&words).await.expect(3);
    assert!(
        !ended.stdout.contains("`tls-not-spoken`"),
        "{}",
        ended.stdout
    );
}

fn write(path: &Path, text: &str) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The words of a line that is printed, as they are run.
fn words_of(line: &str) -> Vec<String> {
    let mut words = shlex::split(line).unwrap();
    words.remove(0);
    let is_bare = line.contains("login") && !line.contains("--no-browser");
    words.extend(is_bare.then(|| "--no-browser".to_owned()));
    words
}
