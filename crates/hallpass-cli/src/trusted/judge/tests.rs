use super::*;

const ME: u32 = 1_000;
const ANOTHER: u32 = 1_001;
/// What shows in place of root in a user namespace that does not map it.
const UNMAPPED: u32 = 65_534;

const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
const DEVICE: u32 = 0o020_000;
const PIPE: u32 = 0o010_000;

fn judge(users: Users, owner: u32, mode: u32, is_read_only: bool) -> Result<(), DistrustReason> {
    let facts = Facts {
        owner,
        mode,
        is_read_only,
    };
    let path = PathBuf::from("/somewhere");
    let judged = users.judge(&CheckedPath { path, facts });
    judged.map_err(|untrusted| untrusted.why)
}

#[test]
fn owner_and_mode_decide() {
    let users = |me| Users { me, system: ROOT };
    for (owner, mode, expected) in [
        (ME, FILE | 0o600, Ok(())),
        (ME, FILE | 0o644, Ok(())),
        // The store of Nix, which home-manager links to.
        (ROOT, FILE | 0o444, Ok(())),
        (ME, FILE | 0o664, Err(DistrustReason::Writable)),
        (ME, FILE | 0o646, Err(DistrustReason::Writable)),
        (ROOT, FILE | 0o666, Err(DistrustReason::Writable)),
        (ME, FILE | 0o1666, Err(DistrustReason::Writable)),
        (ANOTHER, FILE | 0o400, Err(DistrustReason::Owner)),
        (UNMAPPED, FILE | 0o400, Err(DistrustReason::Owner)),
        (ME, FOLDER | 0o700, Ok(())),
        (ROOT, FOLDER | 0o755, Ok(())),
        (ME, FOLDER | 0o775, Err(DistrustReason::Writable)),
        (ROOT, FOLDER | 0o777, Err(DistrustReason::Writable)),
        (ROOT, FOLDER | 0o1777, Ok(())),
        (ME, FOLDER | 0o1770, Ok(())),
        (ANOTHER, FOLDER | 0o1777, Err(DistrustReason::Owner)),
        (ANOTHER, FOLDER | 0o755, Err(DistrustReason::Owner)),
        (ME, LINK | 0o777, Ok(())),
        (ROOT, LINK | 0o777, Ok(())),
        (ANOTHER, LINK | 0o777, Err(DistrustReason::Owner)),
        (ROOT, DEVICE | 0o666, Ok(())),
        (ANOTHER, DEVICE | 0o620, Err(DistrustReason::Owner)),
        (ME, PIPE | 0o600, Err(DistrustReason::Kind)),
    ] {
        let judged = judge(users(ME), owner, mode, false);
        assert_eq!(judged, expected, "{owner} {mode:o}");
    }
    // To root, a user is another one.
    assert_eq!(
        judge(users(ROOT), ME, FILE | 0o600, false),
        Err(DistrustReason::Owner)
    );
}

#[test]
fn read_only_mount_of_root_may_have_writable_folders() {
    let users = Users {
        me: ME,
        system: ROOT,
    };
    assert_eq!(judge(users, ROOT, FOLDER | 0o777, true), Ok(()));
    assert_eq!(
        judge(users, ME, FOLDER | 0o777, true),
        Err(DistrustReason::Writable)
    );
    assert_eq!(
        judge(users, ANOTHER, FOLDER | 0o755, true),
        Err(DistrustReason::Owner)
    );
}

#[test]
fn owner_of_the_root_folder_stands_for_root_in_a_sandbox() {
    let users = Users {
        me: ME,
        system: UNMAPPED,
    };
    assert_eq!(judge(users, UNMAPPED, FOLDER | 0o755, false), Ok(()));
    assert_eq!(judge(users, UNMAPPED, FILE | 0o444, false), Ok(()));
    assert_eq!(
        judge(users, ANOTHER, FILE | 0o444, false),
        Err(DistrustReason::Owner)
    );
    // In a shared folder other users would pass for root.
    let shared = judge(users, UNMAPPED, FOLDER | 0o1777, false);
    assert_eq!(shared, Err(DistrustReason::Writable));
}

#[test]
fn refusal_says_what_where_why_and_the_command_that_repairs_it() {
    let said = |me, path: &str, owner, mode| {
        let facts = Facts {
            owner,
            mode,
            is_read_only: false,
        };
        let path = PathBuf::from(path);
        let judged = Users { me, system: ROOT }.judge(&CheckedPath { path, facts });
        let untrusted = judged.unwrap_err();
        untrusted
            .failed(Path::new("/a/c.toml"), "the configuration")
            .to_string()
    };
    for (text, expected) in [
        (
            said(ME, "/a/c.toml", ME, FILE | 0o666),
            "error: the configuration /a/c.toml is not read: the file /a/c.toml has the mode 666: other users \
             could decide what hallpass runs and whom it trusts\n  hint: chmod go-w /a/c.toml",
        ),
        (
            said(ME, "/a b", ROOT, FOLDER | 0o777),
            "error: the configuration /a/c.toml is not read: the folder /a b has the mode 777: other users \
             could decide what hallpass runs and whom it trusts\n  hint: sudo chmod go-w '/a b'",
        ),
        (
            said(ROOT, "/a/c.toml", ANOTHER, LINK | 0o777),
            "error: the configuration /a/c.toml is not read: the link /a/c.toml belongs to user 1001, who \
             could decide what hallpass runs and whom it trusts\n  hint: if it is to be yours: chown -h 0 \
             /a/c.toml",
        ),
        (
            said(ME, "/p", ME, PIPE | 0o600),
            "error: the configuration /a/c.toml is not read: /p is no regular file",
        ),
    ] {
        assert_eq!(text, expected);
    }
}
