//! `hallpass man FOLDER`: the manual pages, for those who package the program.

use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::json;

use crate::{exit::CommandError, program::Program};

/// Write manual pages.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder for the manual pages. It is created if it does not exist.
    pub(crate) folder: PathBuf,
}

pub(super) fn run(man: &Man, cli: clap::Command, program: &Program) -> Result<(), CommandError> {
    let folder = &man.folder;
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(cli, folder))
        .map_err(|error| {
            CommandError::new(error).hint(format!("writing the pages to {}", folder.display()))
        })?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("hallpass") && name.ends_with(".1") {
            pages.push(name);
        }
    }
    pages.sort();
    let words = format!("wrote {} pages to {}", pages.len(), folder.display());
    let data = json!({ "folder": folder.display().to_string(), "pages": pages });
    program.output.result(&words, &data);
    Ok(())
}
