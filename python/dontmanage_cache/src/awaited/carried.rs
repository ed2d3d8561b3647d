//! Tickets on their way between threads.

use dontmanage_cache::memo::Ticket;

/// A ticket that ends on a thread of its own if nobody takes it: giving a lock back asks the server, and an
/// event loop must not wait for that.
pub struct Carried(Option<Ticket>);

impl Carried {
    pub fn new(ticket: Ticket) -> Self {
        Self(Some(ticket))
    }

    pub fn take(mut self) -> Option<Ticket> {
        self.0.take()
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let Some(ticket) = self.0.take() else { return };
        let aside = Aside(Some(ticket));
        let thread = std::thread::Builder::new().name("cache-aside".to_owned());
        // Without a thread the lock ends with its lease.
        drop(thread.spawn(move || aside.end()));
    }
}

struct Aside(Option<Ticket>);

impl Aside {
    fn end(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(ticket) = self.0.take() {
            ticket.abandon();
        }
    }
}
