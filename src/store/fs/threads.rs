//! Work that waits for a disk, on threads that may wait. It is not waited for without an end.
//!
//! A thread that hangs in the kernel, as it does on a network disk whose server is gone, cannot be ended. It is given up,
//! and what it began may still happen, whenever the disk works again. So nothing else is begun in the folder until it
//! has come back: no second attempt runs next to the first, and no deletion overtakes a write that it is to undo. Then
//! the next attempt finds what the first one left, as it does in a bucket whose answer was lost.

use crate::store::contract::error::{Result, Situation, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The disk that a folder is on, and how many threads hang there.
#[derive(Clone)]
pub(super) struct Disk {
    folder: Arc<PathBuf>,
    hung: watch::Sender<usize>,
}

/// The steps that some work has done: work of many steps may take long, if it goes on.
#[derive(Clone, Default)]
pub(super) struct Steps(Arc<AtomicUsize>);

impl Steps {
    /// Notes that one more is done.
    pub(super) fn done(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn number(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Disk {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder: Arc::new(folder), hung: watch::Sender::new(0) }
    }

    /// Does work whose steps take no longer than `deadline` each; if one does, the work is given up.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&Steps) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut hung = self.hung.subscribe();
        let all_back = async { hung.wait_for(|number| *number == 0).await.map(drop) };
        if timeout(deadline, all_back).await.is_err() {
            return Err(self.silent(deadline));
        }
        let steps = Steps::default();
        let seen = steps.clone();
        let mut thread = tokio::task::spawn_blocking(move || work(&steps));
        loop {
            let before = seen.number();
            match timeout(deadline, &mut thread).await {
                Ok(ended) => {
                    return ended.map_err(|e| {
                        StoreError::new(Situation::Other, "work on the folder ended unexpectedly").because(e)
                    })?;
                }
                Err(_) if seen.number() > before => {}
                Err(_) => break,
            }
        }
        self.give_up(thread);
        Err(self.silent(deadline))
    }

    /// Counts a thread that hangs, until it comes back.
    fn give_up<T: Send + 'static>(&self, thread: JoinHandle<T>) {
        let hung = self.hung.clone();
        hung.send_modify(|number| *number += 1);
        tokio::spawn(async move {
            let _ = thread.await;
            hung.send_modify(|number| *number -= 1);
        });
    }

    fn silent(&self, deadline: Duration) -> StoreError {
        let message = format!(
            "the folder {} did not answer within {} s",
            self.folder.display(),
            deadline.as_secs_f32()
        );
        StoreError::new(Situation::Unreachable, message)
            .hint("check its disk, or the network and the server that it comes from; if it is slow, raise --timeout")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SOON: Duration = Duration::from_millis(100);

    fn disk() -> Disk {
        Disk::new("/mnt/nas".into())
    }

    #[tokio::test]
    async fn what_hangs_is_given_up_and_nothing_is_begun_next_to_it() {
        let (disk, (back, waits)) = (disk(), mpsc::channel::<()>());
        let hangs = move |_: &Steps| {
            let _ = waits.recv();
            Ok(())
        };
        let error = disk.work(SOON, hangs).await.unwrap_err();
        assert_eq!(error.situation(), Situation::Unreachable, "{error}");
        assert!(error.to_string().contains("/mnt/nas did not answer within 0.1 s"), "{error}");
        let (begun, is_begun) = mpsc::channel();
        let next = |begun: mpsc::Sender<()>| move |_: &Steps| Ok(begun.send(()).is_ok());
        let error = disk.clone().work(SOON, next(begun.clone())).await.unwrap_err();
        assert_eq!(error.situation(), Situation::Unreachable, "{error}");
        assert!(is_begun.try_recv().is_err(), "it ran next to what hangs");
        drop(back);
        assert!(disk.work(Duration::from_secs(10), next(begun)).await.unwrap());
        is_begun.try_recv().unwrap();
    }

    #[tokio::test]
    async fn what_goes_on_may_take_long() {
        let slow = |steps: &Steps| {
            for _ in 0..10 {
                std::thread::sleep(SOON / 2);
                steps.done();
            }
            Ok(7)
        };
        assert_eq!(disk().work(SOON, slow).await.unwrap(), 7);
    }
}
