//! A child's stdin and stdout as writer and reader whose end is checked.
//!
//! End of file is not success: [`ChildOutput`] ends well only when the child exited with 0, and
//! [`ChildInput`] only through `finish`. A bad exit becomes an error with the child's own words.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};

use super::child::{Running, no_pipe};
use super::patience::Patient;
use crate::error::{Error, Result};
use crate::postgres::failure::Failure;

type Ending = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A child's stdout: at its end the exit status is waited for, and a bad one is a read error.
///
/// The error is an `io::Error` around [`Error`]; `Error::from_io` takes it out again.
pub struct ChildOutput {
    state: Reading,
}

enum Reading {
    Open(Box<Running>, Patient<ChildStdout>),
    Ending(Ending),
    Ended,
    Failed,
}

impl ChildOutput {
    /// The process group it runs in.
    #[cfg(test)]
    pub(super) fn group(&self) -> Option<rustix::process::Pid> {
        match &self.state {
            Reading::Open(running, _) => running.group,
            _ => None,
        }
    }

    /// The stdout of a child that was started with a pipe there.
    pub(super) fn of(mut running: Box<Running>) -> Result<Self> {
        let stdout = running.stdout()?;
        Ok(Self { state: Reading::Open(running, stdout) })
    }

    /// Ends the child now and waits until it is gone.
    pub async fn stop(self) {
        if let Reading::Open(running, _) = self.state {
            running.stop().await;
        }
    }
}

impl AsyncRead for ChildOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        loop {
            match &mut self.state {
                Reading::Open(running, stdout) => {
                    let before = buf.remaining();
                    let Poll::Ready(read) = Pin::new(stdout).poll_read(cx, buf) else {
                        let error = ready!(running.attendance.poll(cx));
                        self.state = Reading::Failed;
                        return Poll::Ready(Err(error.into_io()));
                    };
                    running.attendance.moved();
                    read?;
                    if buf.remaining() < before || before == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    if let Reading::Open(running, _) = std::mem::replace(&mut self.state, Reading::Failed) {
                        self.state = Reading::Ending(Box::pin(running.ended()));
                    }
                }
                Reading::Ending(ending) => {
                    let end = ready!(ending.as_mut().poll(cx));
                    self.state = if end.is_ok() { Reading::Ended } else { Reading::Failed };
                    return Poll::Ready(end.map_err(|failure| Error::from(failure).into_io()));
                }
                Reading::Ended => return Poll::Ready(Ok(())),
                Reading::Failed => return Poll::Ready(Err(already_failed())),
            }
        }
    }
}

fn already_failed() -> std::io::Error {
    Error::unexpected("a child's pipe was used after it had failed").into_io()
}

/// A child's stdin: it must be ended by `finish`; dropping it kills the child.
///
/// When the child ends while it is written to, the write fails with the child's own error, not
/// with "broken pipe". A child that exits with 0 before it has read everything (`pg_restore` stops
/// after the last block it wants) has the rest thrown away; `finish` tells how much that was.
pub struct ChildInput {
    state: Writing,
    unread: u64,
}

enum Writing {
    Open(Box<Running>, ChildStdin),
    Ending(Ending),
    Ended,
    /// What `finish` will say, however often a write has said it already.
    Failed(Error),
}

impl ChildInput {
    /// The process group it runs in.
    #[cfg(test)]
    pub(super) fn group(&self) -> Option<rustix::process::Pid> {
        match &self.state {
            Writing::Open(running, _) => running.group,
            _ => None,
        }
    }

    /// The stdin of a child that was started with a pipe there.
    pub(super) fn of(mut running: Box<Running>) -> Result<Self> {
        let stdin = running.stdin()?;
        Ok(Self { state: Writing::Open(running, stdin), unread: 0 })
    }

    /// Closes stdin, waits for the exit, and fails if it was a bad one.
    ///
    /// Returns how many bytes the child did not want.
    pub async fn finish(self) -> Result<u64> {
        match self.state {
            Writing::Open(running, stdin) => {
                drop(stdin);
                running.ended().await?;
            }
            Writing::Ending(ending) => ending.await?,
            Writing::Ended => {}
            Writing::Failed(error) => return Err(error),
        }
        Ok(self.unread)
    }

    /// The same for a child that goes on after errors, and exits with 1 when it has come to its end: returns what it
    /// could not do, a line each.
    pub async fn finish_despite_errors(self) -> Result<Vec<String>> {
        let ended = match self.state {
            Writing::Open(running, stdin) => {
                drop(stdin);
                running.ended().await
            }
            Writing::Ending(ending) => ending.await,
            Writing::Ended => Ok(()),
            Writing::Failed(error) => return Err(error),
        };
        match ended {
            Ok(()) => Ok(Vec::new()),
            Err(failure) => failure.errors_ignored().ok_or_else(|| failure.into()),
        }
    }

    /// Ends the child now and waits until it is gone; it never sees the end of its input.
    pub async fn stop(self) {
        if let Writing::Open(running, stdin) = self.state {
            running.stop().await;
            drop(stdin);
        }
    }
}

impl AsyncWrite for ChildInput {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        loop {
            match &mut self.state {
                Writing::Open(running, stdin) => match Pin::new(stdin).poll_write(cx, buf) {
                    Poll::Pending => {
                        let error = ready!(running.attendance.poll(cx));
                        self.state = Writing::Failed(error);
                    }
                    Poll::Ready(Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                        if let Writing::Open(running, _) =
                            std::mem::replace(&mut self.state, Writing::Failed(no_pipe()))
                        {
                            self.state = Writing::Ending(Box::pin(running.ended()));
                        }
                    }
                    written => {
                        running.attendance.moved();
                        return written;
                    }
                },
                Writing::Ending(ending) => {
                    let end = ready!(ending.as_mut().poll(cx));
                    self.state =
                        end.map_or_else(|failure| Writing::Failed(failure.into()), |()| Writing::Ended);
                }
                Writing::Ended => {
                    self.unread += buf.len() as u64;
                    return Poll::Ready(Ok(buf.len()));
                }
                Writing::Failed(error) => return Poll::Ready(Err(error.clone().into_io())),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut self.state {
            Writing::Open(_, stdin) => Pin::new(stdin).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Only flushes: to close its input would tell the child that the stream is complete, and only `finish` says that.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.poll_flush(cx)
    }
}
