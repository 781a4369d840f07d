//! A line that is typed at the terminal and not shown.
//!
//! The terminal echoes again as soon as the caller stops waiting for the line, for whatever reason. The thread that reads ends with the process: a read from a terminal can't be broken off.

use std::io;

use zeroize::Zeroizing;

/// The line that the user typed. Wiped when it is dropped.
pub(crate) type Line = Zeroizing<String>;

/// Reads a line. `question` is put when what is typed is not shown any more.
#[cfg(unix)]
pub(crate) async fn line(question: impl FnOnce()) -> io::Result<Line> {
    use std::io::{BufRead as _, BufReader};

    let terminal = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")?;
    let silence = NoEcho::new(terminal.try_clone()?)?;
    question();
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = Line::new(String::with_capacity(1024));
        let read = BufReader::new(terminal).read_line(&mut line);
        let _ = answer.send(read.map(|length| (length, line)));
    });
    let answer = answered.await;
    drop(silence);
    let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (length, line) = answer.map_err(|_| gone())??;
    if length == 0 {
        return Err(gone());
    }
    Ok(Line::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(not(unix))]
pub(crate) async fn line(question: impl FnOnce()) -> io::Result<Line> {
    question();
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(rpassword::read_password()));
    let gone = |_| io::Error::from(io::ErrorKind::UnexpectedEof);
    answered.await.map_err(gone)?.map(Line::new)
}

/// A terminal that shows nothing of what is typed, until this is dropped.
#[cfg(unix)]
struct NoEcho {
    terminal: std::fs::File,
    before: rustix::termios::Termios,
}

#[cfg(unix)]
impl NoEcho {
    fn new(terminal: std::fs::File) -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // The end of the line alone is shown, so that what follows begins on one of its own.
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Now, &silent)?;
        Ok(Self { terminal, before })
    }
}

#[cfg(unix)]
impl Drop for NoEcho {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};

        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
