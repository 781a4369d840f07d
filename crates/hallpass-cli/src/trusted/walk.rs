//! The way to a file: every folder from `/` on, every link, and where it ends.
//!
//! Each step is looked up by name in a folder that was looked at before. Where all of them count, other
//! users could exchange none of them meanwhile, and nothing has to be held open.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use rustix::{fs::StatVfsMountFlags, io::Errno};

use super::judge::{Facts, Kind};

/// As many links as Linux follows.
const MAX_LINKS: usize = 40;

/// One step of the way. The path has no link in it but, where it is one, at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckedPath {
    pub(super) path: PathBuf,
    pub(super) facts: Facts,
}

impl CheckedPath {
    fn at(path: PathBuf) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(&path)?;
        let mut facts = Facts {
            owner: metadata.uid(),
            mode: metadata.mode(),
            is_read_only: false,
        };
        if facts.kind() == Kind::Folder && facts.others_can_write() {
            let mount = rustix::fs::statvfs(&path)?;
            facts.is_read_only = mount.f_flag.contains(StatVfsMountFlags::RDONLY);
        }
        Ok(Self { path, facts })
    }
}

/// The way to what a path leads to, which is the last step.
pub(super) fn walk(path: &Path) -> io::Result<Vec<CheckedPath>> {
    let mut here = PathBuf::from("/");
    let mut way = vec![CheckedPath::at(here.clone())?];
    let mut to_go = names(&std::path::absolute(path)?);
    let mut links = 0;
    while let Some(name) = to_go.pop() {
        if name == ".." {
            // It was on the way here.
            here.pop();
            continue;
        }
        let seen = CheckedPath::at(here.join(name))?;
        if seen.facts.kind() == Kind::Link {
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::LOOP.into());
            }
            let target = fs::read_link(&seen.path)?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            to_go.extend(names(&target));
        } else {
            here.clone_from(&seen.path);
        }
        way.push(seen);
    }
    Ok(way)
}

/// The names in a path, the first one last.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}
