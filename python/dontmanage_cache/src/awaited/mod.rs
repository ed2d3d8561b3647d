//! The cache for tasks of an event loop: nothing here ever waits.
//!
//! Each call has two parts. The first finds out what is to be done at the server, and has it done by threads
//! of its own; the second makes the result of what they bring, in the task that waits for it. In between, the
//! loop goes on. What needs no server is answered at once.

mod asker;
mod call;
mod carried;
mod crew;
mod hashes;
mod many;
mod members;
mod pending;
mod reactor;
mod values;

pub use asker::Asker;
pub use call::AwaitedCall;
pub use pending::Pending;
