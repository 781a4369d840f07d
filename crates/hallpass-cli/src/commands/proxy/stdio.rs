//! Standard input and output as streams that no end of the program waits for.
//!
//! A read from standard input can't be broken off, and tokio's own waits for it when its runtime ends.
//! So two threads copy, and end with the process.

use std::{
    io::{self, Read, Write},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Handle,
    sync::watch,
};

use crate::output::Output;

/// How much is between a thread and the proxy.
const BUFFER_BYTES: usize = 64 * 1024;

/// How long the end waits for what has been said to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Standard output, until all is written.
pub(super) struct Written(watch::Receiver<bool>);

impl Written {
    /// Waits until nothing more is written: all has been, or it can't be.
    pub(super) async fn closed(&self) {
        let _ = self.0.clone().wait_for(|closed| *closed).await;
    }

    /// Waits until the output has been written, if the host reads it.
    pub(super) async fn ended(self) {
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.closed()).await;
    }
}

/// Standard input and output; `program_output` takes note of output that can't be written.
pub(super) fn open(program_output: Output) -> io::Result<(DuplexStream, DuplexStream, Written)> {
    let runtime = Handle::current();
    let (input, mut host_says) = duplex(BUFFER_BYTES);
    let (mut host_hears, output) = duplex(BUFFER_BYTES);
    let (done, written) = watch::channel(false);
    let handle = runtime.clone();
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut buffer = vec![0; BUFFER_BYTES];
            let mut stdin = io::stdin().lock();
            loop {
                match stdin.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => break,
                    Ok(read) => {
                        let passed = handle.block_on(host_says.write_all(&buffer[..read]));
                        if passed.is_err() {
                            break;
                        }
                    }
                }
            }
        })?;
    thread::Builder::new()
        .name("stdout".to_owned())
        .spawn(move || {
            let mut buffer = vec![0; BUFFER_BYTES];
            let mut stdout = io::stdout().lock();
            while let Ok(read @ 1..) = runtime.block_on(host_hears.read(&mut buffer)) {
                let written = stdout.write_all(&buffer[..read]);
                if let Err(error) = written.and_then(|()| stdout.flush()) {
                    program_output.note_write_error(error);
                    break;
                }
            }
            // There is no receiver if the program has ended otherwise.
            let _ = done.send(true);
        })?;
    Ok((input, output, Written(written)))
}
