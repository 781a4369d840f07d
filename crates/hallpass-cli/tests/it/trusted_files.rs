//! Files of other users decide nothing: what names a command, a URL or a certificate authority is read only
//! where the user and root alone can write it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown, lchown, symlink},
    path::{Path, PathBuf},
};

use crate::program::{Fixture, Output};

/// A user that these tests do not run as.
const ANOTHER: u32 = 4_711;

/// A configuration whose one server has a command that leaves a mark when it runs.
struct Place {
    fixture: Fixture,
    mark: PathBuf,
}

impl Place {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let mark = fixture.folder.path().join("the command has run");
        let place = Self { fixture, mark };
        place.folder("own", 0o700);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.fixture.folder.path().join(name)
    }

    fn folder(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        set_mode(&path, mode);
        path
    }

    fn token_command(&self) -> String {
        let script = format!(": > \"{}\"; echo token", self.mark.display());
        format!("/bin/sh -c '{script}'")
    }

    /// Writes the configuration there.
    fn config(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        let text = format!(
            "[servers.here]\nurl = \"{}\"\ntoken-command = {:?}\n",
            self.fixture.url(),
            self.token_command()
        );
        put(&path, text.as_bytes());
        set_mode(&path, mode);
        path
    }

    async fn run(&self, config: &Path, words: &[&str]) -> Output {
        let named = ["--config", config.to_str().unwrap()];
        self.fixture.run(&[&named, words].concat()).await
    }

    /// The configuration counts, and its command runs.
    async fn is_read(&self, config: &Path) {
        let ended = self.run(config, &["token", "here"]).await.expect(0);
        assert_eq!(ended.stdout, "token\n");
        assert!(self.mark.exists(), "{}", config.display());
        fs::remove_file(&self.mark).unwrap();
    }

    /// The configuration does not count: nothing runs, and the error names what is wrong and what mends it.
    async fn is_refused(&self, config: &Path, culprit: &Path, mend: &str) {
        self.says_no(&self.run(config, &["token", "here"]).await, culprit, mend);
    }

    #[track_caller]
    fn says_no(&self, ended: &Output, culprit: &Path, mend: &str) {
        let said = &ended.stderr;
        assert_eq!(ended.code, 2, "{said}");
        assert!(!self.mark.exists(), "the command has run: {said}");
        for words in [culprit.to_str().unwrap(), mend] {
            assert!(said.contains(words), "`{words}` is not in: {said}");
        }
    }
}

fn put(path: &Path, bytes: &[u8]) {
    std::io::Write::write_all(&mut fs::File::create(path).unwrap(), bytes).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Every command that would have a server's options.
fn commands(server: &str) -> Vec<Vec<&str>> {
    let words = |words: &[&'static str]| words.to_vec();
    vec![
        vec!["login", server, "--no-browser"],
        vec!["token", server],
        vec!["doctor", server],
        vec!["proxy", server],
        vec!["call", server, "ping"],
        vec!["status", server],
        words(&["status"]),
        vec!["exec", server, "--", "/bin/true"],
    ]
}

#[tokio::test]
async fn config_writable_by_others_stops_every_command() {
    let place = Place::new().await;
    let config = place.config("own/config.toml", 0o644);
    place.is_read(&config).await;
    set_mode(&config, 0o666);
    let mend = format!("chmod go-w {}", config.display());
    let url = place.fixture.url();
    let mut all = commands("here");
    all.extend(commands(&url));
    all.extend([vec!["list"], vec!["remove", "here"]]);
    for words in all {
        place.says_no(&place.run(&config, &words).await, &config, &mend);
    }
    let add = [
        "--non-interactive",
        "add",
        "more",
        "https://more.example/mcp",
    ];
    place.says_no(&place.run(&config, &add).await, &config, &mend);
}

#[tokio::test]
async fn config_mode_decides() {
    let place = Place::new().await;
    for mode in [0o600, 0o644, 0o444] {
        let config = place.config(&format!("own/{mode:o}.toml"), mode);
        place.is_read(&config).await;
    }
    for mode in [0o666, 0o664, 0o622] {
        let config = place.config(&format!("own/{mode:o}.toml"), mode);
        place.is_refused(&config, &config, "chmod go-w ").await;
    }
}

#[tokio::test]
async fn config_below_a_writable_folder_is_refused() {
    let place = Place::new().await;
    let (above, below) = (place.folder("own/above", 0o755), "own/above/below");
    place.folder(below, 0o755);
    let config = place.config("own/above/below/config.toml", 0o644);
    for (folder, mode) in [(above.clone(), 0o777), (place.path(below), 0o775)] {
        set_mode(&folder, mode);
        let mend = format!("chmod go-w {}", folder.display());
        place.is_refused(&config, &folder, &mend).await;
        set_mode(&folder, 0o755);
        place.is_read(&config).await;
    }
    // Where the sticky bit is set, no other user can replace a file.
    set_mode(&above, 0o1777);
    place.is_read(&config).await;
}

#[tokio::test]
async fn config_link_is_judged_by_its_whole_way() {
    let place = Place::new().await;
    place.folder("own/dotfiles", 0o755);
    let target = place.config("own/dotfiles/hallpass.toml", 0o444);
    let link = place.path("own/config.toml");
    symlink("dotfiles/../dotfiles/hallpass.toml", &link).unwrap();
    place.is_read(&link).await;

    let writable = place.folder("own/writable", 0o777);
    // To the link, and from the link to its target.
    let inside = writable.join("config.toml");
    symlink(&target, &inside).unwrap();
    place.is_refused(&inside, &writable, "chmod go-w ").await;
    let outside = place.path("own/outside.toml");
    place.config("own/writable/target.toml", 0o644);
    symlink("writable/target.toml", &outside).unwrap();
    place.is_refused(&outside, &writable, "chmod go-w ").await;
    // A folder may be a link as well.
    symlink(&writable, place.path("own/folder")).unwrap();
    let through = place.path("own/folder/target.toml");
    place.is_refused(&through, &writable, "chmod go-w ").await;

    let circle = place.path("own/circle.toml");
    symlink(&circle, &circle).unwrap();
    place.run(&circle, &["token", "here"]).await.expect(2);
}

#[tokio::test]
async fn config_map_of_kubernetes_is_read() {
    let place = Place::new().await;
    place.folder("own/volume", 0o1777);
    place.folder("own/volume/..2026_01_02", 0o755);
    place.config("own/volume/..2026_01_02/config.toml", 0o644);
    let volume = place.path("own/volume");
    symlink("..2026_01_02", volume.join("..data")).unwrap();
    let config = volume.join("config.toml");
    symlink("..data/config.toml", &config).unwrap();
    place.is_read(&config).await;
}

#[tokio::test]
async fn config_that_is_the_null_device_is_empty() {
    let place = Place::new().await;
    let ended = place.run(Path::new("/dev/null"), &["list"]).await;
    let listed = ended.expect(0).stdout;
    assert!(listed.contains("no server is configured"), "{listed}");
}

/// Only root can give files away; the unit tests have the same cases for every user.
#[tokio::test]
async fn config_of_another_user_is_refused() {
    let place = Place::new().await;
    let config = place.config("own/config.toml", 0o644);
    let folder = place.folder("own/folder", 0o755);
    if chown(&config, Some(ANOTHER), None).is_err() {
        return;
    }
    place.is_refused(&config, &config, "chown ").await;
    chown(&folder, Some(ANOTHER), None).unwrap();
    let below = place.config("own/folder/config.toml", 0o644);
    place.is_refused(&below, &folder, "chown ").await;
    let link = place.path("own/link.toml");
    symlink(&below, &link).unwrap();
    place.is_refused(&link, &folder, "chown ").await;
    let mine = place.config("own/mine.toml", 0o644);
    let theirs = place.path("own/theirs.toml");
    symlink(&mine, &theirs).unwrap();
    place.is_read(&theirs).await;
    lchown(&theirs, Some(ANOTHER), None).unwrap();
    place.is_refused(&theirs, &theirs, "chown -h ").await;
}

#[tokio::test]
async fn saved_options_accessible_to_others_stop_every_command() {
    let place = Place::new().await;
    let url = place.fixture.url();
    let command = place.token_command();
    let login = ["login", &url, "--token-command", &command];
    place.fixture.run(&login).await.expect(0);
    fs::remove_file(&place.mark).unwrap();
    let options = place.fixture.store().join("options");
    let file = fs::read_dir(&options).unwrap().next().unwrap();
    let file = file.unwrap().path();
    for (path, mode) in [
        (&file, 0o666),
        (&file, 0o640),
        (&options, 0o777),
        (&place.fixture.store(), 0o755),
    ] {
        let right = fs::metadata(path).unwrap().permissions();
        set_mode(path, mode);
        let mend = format!("chmod {} '", if path.is_dir() { "700" } else { "600" });
        for words in commands(&url) {
            place.says_no(&place.fixture.run(&words).await, path, &mend);
        }
        fs::set_permissions(path, right).unwrap();
    }
    // Another user could exchange the store's folder.
    let above = place.fixture.folder.path();
    set_mode(above, 0o777);
    for words in commands(&url) {
        let ended = place.fixture.run(&words).await;
        place.says_no(&ended, above, "chmod go-w ");
    }
    set_mode(above, 0o700);
    // The store follows no links, and this is its folder.
    let elsewhere = place.path("own/elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    let token = place.fixture.run(&["token", &url]).await;
    place.says_no(&token, &file, "is a symbolic link");
    fs::rename(&elsewhere, &file).unwrap();
    if chown(&file, Some(ANOTHER), None).is_ok() {
        for words in commands(&url) {
            let ended = place.fixture.run(&words).await;
            place.says_no(&ended, &file, "belongs to user 4711");
        }
        chown(&file, Some(0), None).unwrap();
    }
    place.fixture.run(&["token", &url]).await.expect(0);
    assert!(place.mark.exists());
}

#[tokio::test]
async fn ca_file_writable_by_others_is_not_trusted() {
    let place = Place::new().await;
    let ca = place.path("own/ca.pem");
    let authority = hallpass_testkit::TestCa::new().unwrap();
    put(&ca, authority.pem().as_bytes());
    set_mode(&ca, 0o644);
    let url = place.fixture.url();
    let command = place.token_command();
    let words = ["token", &url, "--token-command", &command];
    let option = [&words, &["--ca-certificate", ca.to_str().unwrap()][..]].concat();
    let by_variable = async || {
        let mut command = place.fixture.command(&words);
        command.env("HALLPASS_CA_CERTIFICATE", &ca);
        place.fixture.wait(command.spawn().unwrap()).await
    };
    place.fixture.run(&option).await.expect(0);
    by_variable().await.expect(0);
    fs::remove_file(&place.mark).unwrap();
    set_mode(&ca, 0o666);
    let mend = format!("chmod go-w {}", ca.display());
    place.says_no(&place.fixture.run(&option).await, &ca, &mend);
    place.says_no(&by_variable().await, &ca, &mend);
}

#[tokio::test]
async fn lock_of_the_configuration_is_for_its_owner_alone() {
    let place = Place::new().await;
    let config = place.folder("new", 0o755).join("config.toml");
    let added = place.run(&config, &["add", "it", "https://mcp.example/mcp"]);
    added.await.expect(0);
    let lock = config.with_file_name(".config.toml.lock");
    let mode = fs::metadata(lock).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
}
