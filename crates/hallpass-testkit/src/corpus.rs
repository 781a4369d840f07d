//! The inputs that fuzzing kept, as an ordinary test.

use std::{fs, path::Path};

/// The fewest inputs of a corpus. A folder with fewer is most likely the wrong one.
const MIN_INPUTS: usize = 7;

/// Runs the entry of a fuzz target over each input in `folder`, and over each of them cut short.
///
/// # Panics
///
/// Where the entry panics; and where the folder can't be read, or has fewer than seven inputs.
#[expect(clippy::panic, reason = "a failed expectation is a failed test")]
pub fn check_corpus(folder: &Path, entry: impl Fn(&[u8])) {
    let read = |path: &Path| match fs::read(path) {
        Ok(input) => input,
        Err(error) => panic!("{} can't be read: {error}", path.display()),
    };
    let files = match fs::read_dir(folder) {
        Ok(files) => files,
        Err(error) => panic!("{} can't be read: {error}", folder.display()),
    };
    let mut inputs = 0;
    for file in files.flatten() {
        let input = read(&file.path());
        entry(&input);
        for cut in (0..input.len()).step_by(1 + input.len() / 16) {
            entry(&input[..cut]);
        }
        inputs += 1;
    }
    let folder = folder.display();
    assert!(inputs >= MIN_INPUTS, "{inputs} inputs in {folder}");
}
