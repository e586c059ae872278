//! A child's stdout, read in few large pieces: after a read that brought little, the next one waits a moment.
//!
//! `pg_dump` and `psql` write pieces of 4 KiB. Who reads whenever there is something is woken for nearly each of them, and
//! each time the two change places on a processor.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A read that brings less than this is followed by a pause, unless it brought as much as there was room for, in bytes.
const LITTLE: usize = 256 << 10;
/// How long it is: a child that writes 500 MB/s does not fill [`PIPE`] in that time, so none has to wait.
const PAUSE: Duration = Duration::from_millis(1);
/// The pipe that such a pause needs, in bytes; a smaller one is read at once.
pub const PIPE: usize = 1 << 20;
/// A child that has written no more than this is not waited for, in bytes: it may have answered a question.
const ANSWER: usize = 64 << 10;

/// Reads a pipe patiently.
pub struct Patient<R> {
    pipe: R,
    /// How much more has to come before there are pauses; `None` if there are none.
    until: Option<usize>,
    pause: Option<Pin<Box<Sleep>>>,
    pausing: bool,
}

impl<R> Patient<R> {
    /// For a pipe that holds this many bytes.
    pub fn new(pipe: R, capacity: usize) -> Self {
        Self { pipe, until: (capacity >= PIPE).then_some(ANSWER), pause: None, pausing: false }
    }

    /// Notes that a read brought this many bytes, and how many there was room for.
    fn came(&mut self, bytes: usize, room: usize) {
        let Some(until) = &mut self.until else { return };
        *until = until.saturating_sub(bytes);
        if *until > 0 || bytes == 0 || bytes >= LITTLE.min(room) {
            return;
        }
        self.pausing = true;
        match &mut self.pause {
            Some(pause) => pause.as_mut().reset(Instant::now() + PAUSE),
            None => self.pause = Some(Box::pin(sleep(PAUSE))),
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Patient<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if let Some(pause) = this.pause.as_mut().filter(|_| this.pausing) {
            ready!(pause.as_mut().poll(cx));
            this.pausing = false;
        }
        let room = buf.remaining();
        ready!(Pin::new(&mut this.pipe).poll_read(cx, buf))?;
        this.came(room - buf.remaining(), room);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    /// How many pauses are made in reading what is there already, with room for this much each time.
    async fn pauses(capacity: usize, content: usize, room: usize) -> usize {
        let (mut child, pipe) = duplex(1 << 20);
        child.write_all(&vec![7; content]).await.unwrap();
        drop(child);
        let (mut pipe, mut all, mut pauses) = (Patient::new(pipe, capacity), 0, 0);
        let mut buffer = vec![0; room];
        loop {
            let read = match pipe.read(&mut buffer).now_or_never() {
                Some(read) => read,
                None => {
                    pauses += 1;
                    pipe.read(&mut buffer).await
                }
            };
            match read.unwrap() {
                0 => break,
                bytes => all += bytes,
            }
        }
        assert_eq!(all, content);
        pauses
    }

    #[tokio::test]
    async fn only_a_child_that_writes_much_is_waited_for_and_only_if_little_came() {
        for (capacity, content, room, expected) in [
            (PIPE, 4096, LITTLE, 0),
            (PIPE, ANSWER + 1, LITTLE, 1),
            (PIPE, 3 * LITTLE + 1, LITTLE, 1),
            (PIPE, 3 * LITTLE, LITTLE, 0),
            (PIPE, 4 * ANSWER + 1, ANSWER, 1),
            (PIPE / 16, 3 * LITTLE + 1, LITTLE, 0),
        ] {
            assert_eq!(pauses(capacity, content, room).await, expected, "{capacity} {content} {room}");
        }
    }
}
