//! A real full disk, and a process that really can open no more files.
//!
//! After a reserve that succeeded the next save succeeds, whatever runs out in between. Each kind is
//! run in a process of its own, because a limit is the process's, and a mount that only it sees needs
//! no cleaning up.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use hallpass_core::{
    AccessToken, CredentialStore as _, Generation, Record,
    store::{Guard, LockKind, Saved, StoreError, StoreErrorKind},
};
use hallpass_store::FileStore;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    fixture::{LONG, Place, record},
    processes::{arguments, start},
};

/// What runs out.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Descriptors,
    Space,
    /// A full disk of another kind: no more files fit in.
    Files,
}

const KINDS: [(&str, Kind); 3] = [
    ("no descriptors", Kind::Descriptors),
    ("no space", Kind::Space),
    ("no files", Kind::Files),
];

/// A row: whether the credential has a record before, and how long the token is that is saved.
const ROWS: [(&str, bool, usize); 3] = [
    ("first", false, 20),
    ("replaced", true, 20),
    ("grown", true, 30 * 1024),
];

/// Whether this role is for this module; then it is played.
pub(crate) async fn child(role: &str, store: &FileStore) -> bool {
    let Some((_, kind)) = KINDS.into_iter().find(|(name, _)| *name == role) else {
        return false;
    };
    for (name, has_record, length) in ROWS {
        let mut case = Case::new(store, kind, name, has_record).await;

        // With nothing reserved the save fails, so it is a real fault; what was there stays.
        let saved = case.save_without(length).await;
        case.assert_refused(&saved.unwrap_err());
        assert_eq!(case.loaded().await, case.before, "{kind:?} {name}");

        // A reserve that comes too late says so, and leaves nothing.
        let fault = Fault::begin(kind, store.folder());
        let reserved = store.reserve(&case.record.key, &mut case.guard).await;
        fault.end();
        case.assert_refused(&reserved.unwrap_err());
        assert!(!case.has_temporary(), "{kind:?} {name}");

        // One that comes before is enough.
        let reserved = store.reserve(&case.record.key, &mut case.guard).await;
        reserved.unwrap();
        let saved = case.save_without(length).await.unwrap();
        assert!(matches!(saved, Saved::Written(_)), "{kind:?} {name}");
        let token = case.record.grant.as_ref().unwrap().access_token.clone();
        assert_eq!(case.loaded().await, Some(token), "{kind:?} {name}");
        assert!(!case.has_temporary(), "{kind:?} {name}");
    }
    true
}

struct Case<'a> {
    store: &'a FileStore,
    kind: Kind,
    record: Record,
    guard: Guard,
    before: Option<AccessToken>,
    expected: Option<Generation>,
}

impl<'a> Case<'a> {
    async fn new(store: &'a FileStore, kind: Kind, name: &str, has_record: bool) -> Self {
        let record = record(name);
        let guard = store
            .lock(&record.key, LockKind::Credential, LONG)
            .await
            .unwrap();
        let mut case = Self {
            store,
            kind,
            record,
            guard,
            before: None,
            expected: None,
        };
        if has_record {
            let saved = store.save(&case.record, None, &mut case.guard).await;
            assert!(matches!(saved, Ok(Saved::Written(_))), "{saved:?}");
            let found = store.load(&case.record.key).await.unwrap().unwrap();
            case.expected = Some(found.generation);
            case.before = Some(found.grant.unwrap().access_token);
        }
        case
    }

    /// Saves a new token of this length while the kind has run out.
    async fn save_without(&mut self, length: usize) -> Result<Saved, StoreError> {
        let token = AccessToken::new("n".repeat(length));
        self.record.grant.as_mut().unwrap().access_token = token;
        let fault = Fault::begin(self.kind, self.store.folder());
        let saved = self
            .store
            .save(&self.record, self.expected, &mut self.guard);
        let saved = saved.await;
        fault.end();
        saved
    }

    async fn loaded(&self) -> Option<AccessToken> {
        let loaded = self.store.load(&self.record.key).await.unwrap();
        loaded.map(|record| record.grant.unwrap().access_token)
    }

    fn assert_refused(&self, error: &StoreError) {
        // The key's file may be what could not be opened.
        let kinds = [StoreErrorKind::Io, StoreErrorKind::Key];
        assert!(kinds.contains(&error.kind()), "{error}");
        let hint = match self.kind {
            Kind::Descriptors => "ulimit -n",
            Kind::Space | Kind::Files => "make room",
        };
        assert!(
            error.hints()[0].to_string().contains(hint),
            "{:?}",
            self.kind
        );
    }

    fn has_temporary(&self) -> bool {
        let files = fs::read_dir(self.store.folder().join("slots")).unwrap();
        let mut paths = files.map(|file| file.unwrap().path());
        paths.any(|path| path.extension().is_some_and(|found| found == "tmp"))
    }
}

/// What has run out, until its end.
enum Fault {
    Descriptors(Rlimit),
    Full(PathBuf),
}

impl Fault {
    fn begin(kind: Kind, folder: &Path) -> Self {
        let filler = folder.join("filler");
        let full = match kind {
            Kind::Descriptors => {
                let limit = getrlimit(Resource::Nofile);
                let none = Rlimit {
                    current: Some(0),
                    ..limit
                };
                setrlimit(Resource::Nofile, none).unwrap();
                fs::File::open(folder).unwrap_err();
                return Self::Descriptors(limit);
            }
            Kind::Space => {
                fs::create_dir(&filler).unwrap();
                fill(&filler.join("bytes"))
            }
            Kind::Files => {
                fs::create_dir(&filler).unwrap();
                let mut created =
                    (0..).map(|number| fs::File::create(filler.join(format!("{number}"))));
                created.find_map(Result::err)
            }
        };
        assert_eq!(full.unwrap().kind(), io::ErrorKind::StorageFull);
        Self::Full(filler)
    }

    fn end(self) {
        match self {
            Self::Descriptors(limit) => setrlimit(Resource::Nofile, limit).unwrap(),
            Self::Full(filler) => fs::remove_dir_all(filler).unwrap(),
        }
    }
}

/// Writes a file until nothing more fits in.
fn fill(path: &Path) -> Option<io::Error> {
    let mut file = fs::File::create(path).unwrap();
    loop {
        if let Err(error) = file.write_all(&[1; 4096]) {
            return Some(error);
        }
    }
}

#[tokio::test]
async fn process_out_of_descriptors_saves_what_it_reserved_for() {
    let place = Place::new();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments());
    start(command, "no descriptors", &place, "").succeed();
}

/// A small file system of its own, that only the process and its children see.
const MOUNTED: &str = r#"mount -t tmpfs -o size=1m,nr_inodes=256,mode=700 tmpfs "$0" && exec "$@""#;

#[tokio::test]
async fn full_disk_saves_what_it_reserved_for() {
    for role in ["no space", "no files"] {
        let place = Place::new();
        fs::create_dir(&place.path).unwrap();
        let mounted = |program: &Path| {
            let mut command = Command::new("unshare");
            command.args(["--map-root-user", "--mount", "sh", "-c", MOUNTED]);
            command.arg(&place.path).arg(program);
            command
        };
        let tried = mounted(Path::new("true")).output();
        if !tried.is_ok_and(|tried| tried.status.success()) {
            // Past the test harness, which shows the output of failed tests only.
            let skipped = b"SKIPPED full_disk_saves_what_it_reserved_for: no file system can be mounted here\n";
            io::stderr().write_all(skipped).unwrap();
            return;
        }
        let mut command = mounted(&env::current_exe().unwrap());
        command.args(arguments());
        start(command, role, &place, "").succeed();
    }
}
