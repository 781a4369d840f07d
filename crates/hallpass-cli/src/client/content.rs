//! What a server answers with: text to show, and files to write. Nothing that a terminal would obey
//! goes to one, and nothing binary goes anywhere but into a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rmcp::model::{ContentBlock, ResourceContents};
use serde_json::{Value, json};

use crate::{
    exit::CommandError,
    output::{Output, Tone},
    text,
};

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// To be read.
    Text(String),
    /// To be written to a file.
    File(File),
    /// Said about something that is elsewhere or can't be shown.
    About(String),
}

/// What can be a file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct File {
    bytes: Vec<u8>,
    mime: String,
    /// Whether it may be shown instead of written.
    text: Option<String>,
}

impl Content {
    pub(crate) fn from_block(block: &ContentBlock) -> Self {
        match block {
            ContentBlock::Text(text) => Self::Text(text.text.clone()),
            ContentBlock::Image(image) => Self::encoded(&image.data, Some(&image.mime_type)),
            ContentBlock::Audio(audio) => Self::encoded(&audio.data, Some(&audio.mime_type)),
            ContentBlock::Resource(embedded) => Self::from_resource(&embedded.resource),
            ContentBlock::ResourceLink(link) => {
                let mime = link.mime_type.as_ref().map(|mime| format!(", {mime}"));
                Self::About(format!(
                    "{}: {}{}",
                    link.name,
                    link.uri,
                    mime.unwrap_or_default()
                ))
            }
            _ => Self::About("a piece of a kind that this program does not know".to_owned()),
        }
    }

    pub(crate) fn from_resource(resource: &ResourceContents) -> Self {
        match resource {
            ResourceContents::TextResourceContents {
                text, mime_type, ..
            } => Self::File(File {
                bytes: text.clone().into_bytes(),
                mime: mime_type.clone().unwrap_or_else(|| "text/plain".to_owned()),
                text: Some(text.clone()),
            }),
            ResourceContents::BlobResourceContents {
                blob, mime_type, ..
            } => Self::encoded(blob, mime_type.as_deref()),
            _ => Self::About("a resource of a kind that this program does not know".to_owned()),
        }
    }

    fn encoded(data: &str, mime: Option<&str>) -> Self {
        let mime = mime.unwrap_or("application/octet-stream");
        match BASE64_STANDARD.decode(data) {
            Ok(bytes) => Self::File(File {
                bytes,
                mime: mime.to_owned(),
                text: None,
            }),
            Err(_) => Self::About(format!("{mime} that is no base64, and so can't be read")),
        }
    }
}

/// Prints the content of an answer, or writes it to `into`, a file or a folder. More than one file
/// get numbers. An answer that is all text is written too.
///
/// For a script, `data` gets a member `written` that names each file.
pub(crate) fn show(
    pieces: &[Content],
    into: Option<&Path>,
    name: &str,
    data: &mut Value,
    output: &Output,
) -> Result<(), CommandError> {
    let written = match into {
        Some(into) => write_all(pieces, into, name, output)?,
        None => Vec::new(),
    };
    let has_file = pieces.iter().any(|piece| piece.file().is_some());
    if written.is_empty() || has_file {
        print(pieces, into.is_some(), output);
    }
    if let (Some(data), false) = (data.as_object_mut(), written.is_empty()) {
        data.insert("written".to_owned(), written.into());
    }
    Ok(())
}

/// Writes the files of an answer, or its text where it has none.
fn write_all(
    pieces: &[Content],
    into: &Path,
    name: &str,
    output: &Output,
) -> Result<Vec<Value>, CommandError> {
    let texts: Vec<&str> = pieces.iter().filter_map(Content::text).collect();
    let all_text = File {
        bytes: (texts.join("\n") + "\n").into_bytes(),
        mime: "text/plain".to_owned(),
        text: None,
    };
    let mut files: Vec<&File> = pieces.iter().filter_map(Content::file).collect();
    if files.is_empty() {
        files.push(&all_text);
    }
    let mut written = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let number = (files.len() > 1).then_some(index + 1);
        let path = file_path(into, name, file, number);
        write(&path, &file.bytes).map_err(|error| {
            CommandError::new(error).hint(format!("it was to be written to {}", path.display()))
        })?;
        output.status(&format!("written: {}", file.describe(Some(&path))));
        written.push(json!({
            "path": path.display().to_string(),
            "mime_type": file.mime,
            "bytes": file.bytes.len(),
        }));
    }
    Ok(written)
}

/// Prints what is text and names the rest. `is_written`: the files are in a file or folder already.
pub(crate) fn print(pieces: &[Content], is_written: bool, output: &Output) {
    let quiet = |text: &str| output.line(&output.paint().tone(Tone::Quiet, &text::line(text)));
    for piece in pieces {
        match piece {
            Content::File(_) if is_written => {}
            Content::Text(text)
            | Content::File(File {
                text: Some(text), ..
            }) => output.server_text(text),
            Content::File(file) => quiet(&format!(
                "[{}; `--output FILE` writes it to a file]",
                file.describe(None)
            )),
            Content::About(what) => quiet(&format!("[{what}]")),
        }
    }
}

impl Content {
    fn file(&self) -> Option<&File> {
        match self {
            Self::File(file) => Some(file),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl File {
    /// `image/png, 12.3 kB`.
    fn describe(&self, place: Option<&Path>) -> String {
        let place = place.map(|place| format!("{}, ", place.display()));
        let place = place.unwrap_or_default();
        format!(
            "{place}{}, {}",
            text::line(&self.mime),
            size(self.bytes.len())
        )
    }
}

fn size(bytes: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let number = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", number / 1e3),
        _ => format!("{:.1} MB", number / 1e6),
    }
}

/// Where a file goes: `into`, or below it when that is a folder.
fn file_path(into: &Path, name: &str, file: &File, number: Option<usize>) -> PathBuf {
    let is_folder = into.is_dir() || into.as_os_str().to_string_lossy().ends_with(['/', '\\']);
    let (folder, stem, end) = if is_folder {
        // A server's word must not lead out of the folder.
        let fine = |c: char| {
            if c.is_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        (
            Some(into),
            name.chars().map(fine).collect(),
            extension(&file.mime).to_owned(),
        )
    } else {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        if number.is_none() {
            return into.to_owned();
        }
        (
            into.parent(),
            text(into.file_stem()),
            text(into.extension()),
        )
    };
    let number = number
        .map(|number| format!("-{number}"))
        .unwrap_or_default();
    let dot = if end.is_empty() { "" } else { "." };
    let file = format!("{stem}{number}{dot}{end}");
    folder.map_or_else(|| PathBuf::from(&file), |folder| folder.join(&file))
}

fn extension(mime: &str) -> &'static str {
    let essence = mime.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/svg+xml" => "svg",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/mpeg" => "mp3",
        "audio/ogg" => "ogg",
        "application/pdf" => "pdf",
        "application/json" => "json",
        "application/zip" => "zip",
        "text/html" => "html",
        "text/csv" => "csv",
        "text/markdown" => "md",
        text if text.starts_with("text/") => "txt",
        _ => "bin",
    }
}

/// Writes a file as a whole or not at all.
fn write(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = place
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new();
    let mut file = file.prefix(".hallpass-").tempfile_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(place)?;
    Ok(())
}

#[cfg(test)]
mod tests;
