//! The stream on stdout. A terminal or a pipe may take nothing for a while, or go away: writing is
//! done by a thread of its own, so that supervision never waits for it.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};

/// So much may wait for the terminal; above it, the programs' output is not read, and they wait too.
const HIGH_WATER: usize = 1024 * 1024;

/// How long the end waits for a terminal that takes nothing.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// The way to stdout.
pub struct Terminal {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    caught_up: EventFd,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<u8>,
    /// The writer is in the middle of a write.
    writing: bool,
    /// How much was written so far.
    written: u64,
    /// Nobody takes it any more.
    closed: bool,
    last: bool,
    /// Somebody waits for `caught_up`.
    was_full: bool,
}

impl Terminal {
    /// Writes to this, which is stdout but for tests.
    pub fn new(out: impl Write + Send + 'static) -> io::Result<Self> {
        let caught_up = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), caught_up });
        let for_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("terminal".into())
            .stack_size(64 * 1024)
            .spawn(move || for_writer.write_all(out))?;
        Ok(Self { shared, writer: Some(writer) })
    }

    /// Queues whole lines.
    pub fn write(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut queue = self.shared.lock();
        if !queue.closed {
            queue.waiting.extend_from_slice(bytes);
            self.shared.changed.notify_one();
        }
    }

    /// Whether enough waits. Then [`Terminal::caught_up`] gets readable when it is taken.
    pub fn is_full(&self) -> bool {
        let mut queue = self.shared.lock();
        queue.was_full = queue.waiting.len() >= HIGH_WATER;
        queue.was_full
    }

    /// Readable once the terminal caught up.
    pub fn caught_up(&self) -> BorrowedFd<'_> {
        self.shared.caught_up.as_fd()
    }

    /// Takes note of that.
    pub fn clear_caught_up(&self) {
        // Empty already: nothing to clear.
        let _ = self.shared.caught_up.read();
    }

    /// Waits until all is written, for as long as something is being taken.
    pub fn finish(&mut self) {
        let mut queue = self.shared.lock();
        queue.last = true;
        self.shared.changed.notify_all();
        loop {
            if queue.closed || (queue.waiting.is_empty() && !queue.writing) {
                break;
            }
            let before = queue.written;
            let (after, timeout) = self
                .shared
                .changed
                .wait_timeout(queue, LAST_PATIENCE)
                .unwrap_or_else(PoisonError::into_inner);
            queue = after;
            if timeout.timed_out() && queue.written == before {
                // Stuck for good. The thread is left behind; the process is about to end.
                return;
            }
        }
        drop(queue);
        if let Some(writer) = self.writer.take() {
            // It ends by itself: there is nothing left to write. Its panic would have been shown.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A writer that panicked leaves a queue that is still whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut out: impl Write) {
        let mut block = Vec::new();
        loop {
            let mut queue = self.lock();
            queue.writing = false;
            self.changed.notify_all();
            while queue.waiting.is_empty() {
                if queue.last {
                    return;
                }
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            block.clear();
            // After a burst, its memory is given back.
            block.shrink_to(64 * 1024);
            std::mem::swap(&mut block, &mut queue.waiting);
            queue.writing = true;
            if std::mem::take(&mut queue.was_full) {
                // Full already: the reader is awake.
                let _ = self.caught_up.write(1);
            }
            drop(queue);
            if self.write_block(&mut out, &block).is_err() {
                let mut queue = self.lock();
                queue.closed = true;
                queue.waiting = Vec::new();
                queue.writing = false;
                let _ = self.caught_up.write(1);
                self.changed.notify_all();
                return;
            }
        }
    }

    fn write_block(&self, out: &mut impl Write, mut block: &[u8]) -> io::Result<()> {
        while !block.is_empty() {
            match out.write(block) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    block = &block[taken..];
                    self.lock().written += taken as u64;
                }
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) if source.kind() == io::ErrorKind::WouldBlock => {
                    // Somebody else made the terminal non-blocking; there is only waiting.
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(source) => return Err(source),
            }
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes each block when it is told to.
    struct Slow(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_takes_nothing_stops_the_reading_and_loses_nothing() {
        let (permit, permits) = mpsc::channel();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let mut terminal = Terminal::new(Slow(permits, Arc::clone(&taken))).unwrap();
        let mut sent = 0;
        let block = vec![b'x'; 64 * 1024];
        while !terminal.is_full() {
            terminal.write(&block);
            sent += block.len();
        }
        for _ in 0..100 {
            permit.send(()).unwrap();
        }
        terminal.finish();
        assert_eq!(taken.lock().unwrap().len(), sent);
        assert!(!terminal.is_full());
    }

    #[test]
    fn a_terminal_that_goes_away_stops_nothing() {
        let (permit, permits) = mpsc::channel::<()>();
        drop(permit);
        let mut terminal = Terminal::new(Slow(permits, Arc::default())).unwrap();
        for _ in 0..1000 {
            terminal.write(&[b'x'; 4096]);
        }
        terminal.finish();
        assert!(!terminal.is_full());
    }
}
