//! A real keyring, GNOME's Secret Service on a message bus of its own, without a screen: unlocked,
//! locked, absent, hanging, and gone between two opens of one store.
//!
//! `hallpass-keyring`'s example `probe` says what the library makes of it; the program signs in and
//! calls with the key of its store in that keyring. The servers are the testkit's, in the example
//! `processes` of `hallpass-session`.

mod checks;
mod fixture;
mod service;

use crate::{
    report::{Failure, line, now},
    shell::{apt_install, which},
    workspace::Workspace,
};

use fixture::Fixture;

/// What is built for it: package, and example or the program.
const BUILT: &[(&str, Option<&str>)] = &[
    ("hallpass-cli", None),
    ("hallpass-keyring", Some("probe")),
    ("hallpass-session", Some("processes")),
];

/// What has to be there, and the Debian packages it comes in.
const PROGRAMS: &[&str] = &["gnome-keyring-daemon", "dbus-daemon", "gdbus"];
const PACKAGES: &[&str] = &["gnome-keyring", "dbus", "libglib2.0-bin"];

pub(super) fn run(workspace: &Workspace, _: &[String]) -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        return Err(Failure::new("the Secret Service is Linux's").fix("run this on Linux"));
    }
    install()?;
    for (package, example) in BUILT {
        let build = ["build", "--quiet", "--locked", "--package", *package];
        let example = example.iter().flat_map(|name| ["--example", *name]);
        workspace.cargo().args(build).args(example).run()?;
    }
    for (name, check) in checks::ALL {
        let began = now();
        let outcome = Fixture::new(workspace).and_then(|fixture| check(&fixture));
        let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
        let took = began.elapsed().as_secs_f32();
        line(&format!("{name:<52} {verdict} {took:.1} s"));
        outcome.map_err(|failure| Failure::new(format!("{name}: {failure}")))?;
    }
    Ok(())
}

/// Installs what is missing where this runs as root.
fn install() -> Result<(), Failure> {
    let missing = || PROGRAMS.iter().find(|name| which(&[name]).is_none());
    if missing().is_some() {
        apt_install(PACKAGES)?;
    }
    missing().map_or(Ok(()), |name| {
        Err(Failure::new(format!("there is no `{name}` here"))
            .fix(format!("sudo apt-get install {}", PACKAGES.join(" "))))
    })
}
