//! A message bus with a Secret Service on it, for this check alone.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::Duration,
};

use crate::{
    report::{Failure, now},
    shell::{Running, Shell, write},
};

/// Nothing is started by being asked for: what is absent stays absent.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>ADDRESS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "/org/freedesktop/secrets";
const ITEM: &str = "org.freedesktop.Secret.Item";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";

/// Gives a command the variables of a desktop session below `folder`, which has no screen.
pub(super) fn with_session(command: Shell, folder: &Path) -> Shell {
    let mut address = std::ffi::OsString::from("unix:path=");
    address.push(folder.join("bus"));
    command
        .env("HOME", folder.join("home"))
        .env("XDG_RUNTIME_DIR", folder.join("run"))
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("DBUS_SESSION_BUS_ADDRESS", address)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
}

/// A bus.
pub(super) struct Bus {
    folder: PathBuf,
    _daemon: Running,
}

impl Bus {
    pub(super) fn start(folder: &Path) -> Result<Self, Failure> {
        let socket = folder.join("bus");
        if socket.exists() {
            fs::remove_file(&socket)?;
        }
        let address = format!("unix:path={}", socket.display());
        let configuration = folder.join("bus.conf");
        write(&configuration, BUS.replace("ADDRESS", &address))?;
        let file = format!("--config-file={}", configuration.display());
        let daemon = Shell::new("dbus-daemon").args([&file, "--nofork", "--nopidfile"]);
        let daemon = with_session(daemon, folder);
        let daemon = daemon.spawn(Stdio::null(), Stdio::null(), Stdio::null())?;
        wait_for("the message bus", || socket.exists())?;
        Ok(Self {
            folder: folder.to_owned(),
            _daemon: daemon,
        })
    }

    /// Starts the Secret Service and unlocks its collection, which is created the first time.
    pub(super) fn secrets(&self) -> Result<Secrets<'_>, Failure> {
        let daemon = Shell::new("gnome-keyring-daemon").args([
            "--foreground",
            "--unlock",
            "--components=secrets",
        ]);
        let daemon = with_session(daemon, &self.folder);
        let mut daemon = daemon.spawn(Stdio::piped(), Stdio::null(), Stdio::null())?;
        // Without a byte there is no collection.
        if let Some(mut stdin) = daemon.0.stdin.take() {
            stdin.write_all(b"\n")?;
        }
        let secrets = Secrets { bus: self, daemon };
        wait_for("the Secret Service", || {
            secrets
                .get(COLLECTION, "org.freedesktop.Secret.Collection", "Locked")
                .is_ok_and(|answer| answer.contains("false"))
        })?;
        Ok(secrets)
    }
}

/// A Secret Service.
pub(super) struct Secrets<'a> {
    bus: &'a Bus,
    daemon: Running,
}

impl Secrets<'_> {
    /// Locks the collection. Without a screen to ask for a password on, it stays locked.
    pub(super) fn lock(&self) -> Result<(), Failure> {
        let list = format!("['{COLLECTION}']");
        let lock = "org.freedesktop.Secret.Service.Lock";
        self.call(SERVICE, lock, &[&list])?;
        let locked = self.get(COLLECTION, "org.freedesktop.Secret.Collection", "Locked")?;
        if locked.contains("true") {
            Ok(())
        } else {
            Err(Failure::new("the collection does not stay locked"))
        }
    }

    /// The paths of the program's entries.
    pub(super) fn entries(&self) -> Result<Vec<String>, Failure> {
        let search = "org.freedesktop.Secret.Service.SearchItems";
        let ours = "{'service': 'hallpass'}";
        let answer = self.call(SERVICE, search, &[ours])?;
        let quoted = answer.split('\'').skip(1).step_by(2);
        Ok(quoted.map(str::to_owned).collect())
    }

    /// The attributes by which an entry is found, as [`set_attributes`](Self::set_attributes) takes
    /// them.
    pub(super) fn attributes(&self, entry: &str) -> Result<String, Failure> {
        let answer = self.get(entry, ITEM, "Attributes")?;
        let inner = answer.trim().trim_start_matches('(').trim_end_matches(",)");
        Ok(inner.to_owned())
    }

    pub(super) fn set_attributes(&self, entry: &str, attributes: &str) -> Result<(), Failure> {
        let set = "org.freedesktop.DBus.Properties.Set";
        self.call(entry, set, &[ITEM, "Attributes", attributes])
            .map(drop)
    }

    pub(super) fn delete(&self, entry: &str) -> Result<(), Failure> {
        let delete = "org.freedesktop.Secret.Item.Delete";
        self.call(entry, delete, &[]).map(drop)
    }

    /// Has it answer nothing, until [`wake`](Self::wake).
    pub(super) fn hang(&mut self) -> Result<(), Failure> {
        self.signal("-STOP")
    }

    pub(super) fn wake(&mut self) -> Result<(), Failure> {
        self.signal("-CONT")
    }

    fn signal(&mut self, signal: &str) -> Result<(), Failure> {
        let process = self.daemon.0.id().to_string();
        Shell::new("kill").args([signal, &process]).run()
    }

    fn get(&self, path: &str, interface: &str, property: &str) -> Result<String, Failure> {
        let method = "org.freedesktop.DBus.Properties.Get";
        self.call(path, method, &[interface, property])
    }

    fn call(&self, path: &str, method: &str, arguments: &[&str]) -> Result<String, Failure> {
        let call = Shell::new("gdbus")
            .args(["call", "--session", "--dest", NAME])
            .args(["--object-path", path, "--method", method])
            .args(arguments);
        with_session(call, &self.bus.folder).read_quietly()
    }
}

fn wait_for(what: &str, mut is_ready: impl FnMut() -> bool) -> Result<(), Failure> {
    let began = now();
    while began.elapsed() < Duration::from_secs(20) {
        if is_ready() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(Failure::new(format!("{what} did not start in 20 s")))
}
