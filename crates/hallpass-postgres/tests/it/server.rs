//! A PostgreSQL server of the tests' own: in a temporary folder, on a port of its own, on the loopback
//! interface. It ends with the process, also where that is killed.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

/// The passwords of the roles. The tests look for them in what is printed.
pub(crate) const PASSWORD: &str = "canary-password-4711";

/// The tests run faster without waits for the disk. Each statement is in the log, with its parameters.
const SHARED_SETTINGS: &str = "fsync = off\nlog_statement = 'all'\nlog_line_prefix = '[%d] '";

/// Ends the server and removes the folder, when the process that started it closes this script's input.
const REAPER: &str = r#"
cat >/dev/null
[ -f "$1/bouncer.pid" ] && kill -INT "$(cat "$1/bouncer.pid")"
$3 "$2/pg_ctl" stop --silent --mode=immediate --pgdata="$1/data"
rm -rf "$1"
"#;

pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    _reaper: Child,
}

impl Server {
    /// The server that the tests of this process share; `None`, and a line that says so, where PostgreSQL is
    /// not installed.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start(SHARED_SETTINGS)).as_ref();
        if shared.is_none() {
            skip("PostgreSQL");
        }
        shared
    }

    /// Another server, with lines of `postgresql.conf`.
    pub(crate) fn start(settings: &str) -> Option<Self> {
        Self::start_with(settings, |_| {})
    }

    /// Another server, for which files are made first. `settings` may name the folder by `{folder}`.
    pub(crate) fn start_with(settings: &str, files: impl FnOnce(&Path)) -> Option<Self> {
        let Some(programs) = programs() else {
            skip("PostgreSQL");
            return None;
        };
        // A short path: a socket's path has at most 107 bytes.
        let folder = TempDir::with_prefix("hp-").unwrap().keep();
        give_away(&folder);
        let reaper = reaper(&folder, &programs);
        let data = folder.join("data");
        let password = folder.join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        run(unprivileged(&programs.join("initdb"))
            .args([
                "--no-sync",
                "--username=postgres",
                "--auth-local=trust",
                "--auth-host=trust",
                "--encoding=UTF8",
                "--no-locale",
            ])
            .arg("--pwfile")
            .arg(&password)
            .arg("--pgdata")
            .arg(&data));
        files(&folder);
        give_away(&folder);
        let port = free_port();
        let mut text = std::fs::read_to_string(data.join("postgresql.conf")).unwrap();
        write!(
            text,
            "\nlisten_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{folder}'\nmax_connections = 200\n{}\n",
            settings.replace("{folder}", folder.to_str().unwrap()),
            folder = folder.display(),
        )
        .unwrap();
        std::fs::write(data.join("postgresql.conf"), text).unwrap();
        // A password takes seconds to prove in a build without optimization, so one role has to.
        let hba = data.join("pg_hba.conf");
        let rest = std::fs::read_to_string(&hba).unwrap();
        let rules = "host all hallpass_migrate 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(&hba, format!("{rules}{rest}")).unwrap();
        let server = Self {
            folder,
            programs,
            port,
            _reaper: reaper,
        };
        server.control(&["start"]);
        server.sql(
            "postgres",
            &format!(
                "CREATE ROLE hallpass_migrate LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE hallpass LOGIN PASSWORD '{PASSWORD}';"
            ),
        );
        Some(server)
    }

    /// Runs `pg_ctl`, which waits until it is done.
    pub(crate) fn control(&self, arguments: &[&str]) {
        let mut command = unprivileged(&self.programs.join("pg_ctl"));
        run(command
            .args(["--silent", "--wait", "--log"])
            .arg(self.folder.join("log"))
            .arg("--pgdata")
            .arg(self.folder.join("data"))
            .args(arguments));
    }

    /// Runs statements as the superuser, and returns what `psql` prints.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
            ])
            .args([
                "--username=postgres",
                "--dbname",
                database,
                "--command",
                sql,
            ])
            .arg(format!("--host={}", self.folder.display()))
            .arg(format!("--port={}", self.port));
        run(&mut command)
    }

    /// Starts what receives the server's changes, as an asynchronous standby does. It ends when it is
    /// dropped.
    pub(crate) fn standby(&self) -> Standby {
        let target = self.folder.join("standby");
        std::fs::create_dir(&target).unwrap();
        let mut command = Command::new(self.programs.join("pg_receivewal"));
        command
            .args(["--username=postgres", "--directory"])
            .arg(target)
            .arg(format!("--host={}", self.folder.display()))
            .arg(format!("--port={}", self.port));
        Standby(
            command
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    /// The whole content of a database, as a backup has it.
    pub(crate) fn dump(&self, database: &str) -> String {
        let mut command = Command::new(self.programs.join("pg_dump"));
        command
            .args(["--username=postgres", database])
            .arg(format!("--host={}", self.folder.display()))
            .arg(format!("--port={}", self.port));
        run(&mut command)
    }

    /// What the server wrote into its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// A new, empty database, which the migrating role owns.
    pub(crate) fn create_database(&self, name: &str) {
        self.sql(
            "postgres",
            &format!("CREATE DATABASE {name} OWNER hallpass_migrate"),
        );
    }

    /// The URL of a database for a role.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        format!(
            "postgresql://{role}:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// The folder with its files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops and starts it, with files that the test has changed.
    pub(crate) fn restart(&self) {
        give_away(&self.folder);
        self.control(&["restart", "--mode=fast"]);
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts PgBouncer in transaction mode before this server, and returns its port; `None` where it is not
    /// installed.
    pub(crate) fn bouncer(&self) -> Option<u16> {
        static PORT: OnceLock<Option<u16>> = OnceLock::new();
        let port = *PORT.get_or_init(|| {
            let program = find(&["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"], "pgbouncer")?;
            let port = free_port();
            let users = self.folder.join("users");
            std::fs::write(&users, format!("\"hallpass\" \"{PASSWORD}\"\n\"hallpass_migrate\" \"{PASSWORD}\"\n")).unwrap();
            let config = self.folder.join("bouncer.ini");
            let text = format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
                 default_pool_size = 2\nmax_client_conn = 500\npidfile = {}\n",
                self.port,
                users.display(),
                self.folder.join("bouncer.pid").display(),
            );
            std::fs::write(&config, text).unwrap();
            give_away(&self.folder);
            let mut command = unprivileged(&program);
            command.arg(&config).stdin(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            while !lines.next().unwrap().unwrap().contains("process up") {}
            // Its log goes on, and nothing may block it.
            std::thread::spawn(move || {
                lines.for_each(drop);
                child.wait()
            });
            Some(port)
        });
        if port.is_none() {
            skip("PgBouncer");
        }
        port
    }
}

pub(crate) struct Standby(Child);

impl Drop for Standby {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The folder of the server's programs, the newest version.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path()).collect();
    // By number: the folder of 9.6 is not newer than that of 15.
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    let mut folders: Vec<_> = versions.iter().map(|path| path.join("bin")).collect();
    folders.extend(
        [
            "/usr/bin",
            "/usr/local/bin",
            "/usr/pgsql/bin",
            "/opt/homebrew/bin",
        ]
        .map(PathBuf::from),
    );
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

fn find(folders: &[&str], program: &str) -> Option<PathBuf> {
    let paths = folders.iter().map(|folder| Path::new(folder).join(program));
    paths.into_iter().find(|path| path.exists())
}

/// A port that nothing listens on.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The server refuses to run as root.
const SETPRIV: [&str; 4] = [
    "setpriv",
    "--reuid=postgres",
    "--regid=postgres",
    "--clear-groups",
];

fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new(SETPRIV[0]);
    command.args(&SETPRIV[1..]).arg(program);
    command
}

/// Says that a test did not run, past the test harness, which keeps what a test that passes prints.
fn skip(missing: &str) {
    let line = format!(
        "SKIPPED: {missing} is not installed, so this test did not run \
         (apt-get install -y postgresql pgbouncer)\n"
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Lets the server's user have the folder.
fn give_away(folder: &Path) {
    if is_root() {
        run(Command::new("chown").args(["-R", "postgres"]).arg(folder));
    }
}

fn reaper(folder: &Path, programs: &Path) -> Child {
    use std::os::unix::process::CommandExt as _;
    let user = if is_root() {
        SETPRIV.join(" ")
    } else {
        String::new()
    };
    let mut command = Command::new("sh");
    command
        .args(["-c", REAPER, "sh"])
        .arg(folder)
        .arg(programs)
        .arg(user);
    // Its own group: an interrupt at the terminal ends the tests, and then this.
    command.process_group(0);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
