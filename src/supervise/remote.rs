//! What the supervisor offers to whoever steers it while it runs. It knows no protocol: the control
//! socket is one implementation, a test could be another.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::poll::PollFlags;

use super::machine::{Id, Instance, Machine};
use super::output::Output;

/// Somebody who may look and steer.
pub trait Remote {
    /// The descriptors to wait for, and for what.
    fn descriptors(&self) -> Vec<(BorrowedFd<'_>, PollFlags)>;

    /// Some of them are ready (by index), or a step was taken. Says what is wanted.
    fn serve(&mut self, ready: &[usize], view: &View<'_>) -> Vec<Wish>;

    /// Whether anybody follows what the instances say.
    fn follows(&self) -> bool;

    /// An instance said these whole lines.
    fn lines(&mut self, id: Id, lines: &mut dyn Iterator<Item = &[u8]>);

    /// The end: everything is stopped.
    fn end(&mut self);
}

/// What can be seen.
pub struct View<'a> {
    /// The instances and their states.
    pub(super) machine: &'a Machine,
    /// What they said last.
    pub output: &'a Output,
    /// Now.
    pub now: Instant,
}

impl<'a> View<'a> {
    /// The instances, in the plan's order.
    pub fn instances(&self) -> &'a [Instance] {
        self.machine.instances()
    }

    /// Whether everything is being stopped.
    pub const fn is_shutting_down(&self) -> bool {
        self.machine.is_shutting_down()
    }

    /// The program that an instance waits for in vain, because it is down and stays so.
    pub fn waits_in_vain_for(&self, id: Id) -> Option<&'a Instance> {
        self.machine.waits_in_vain_for(id)
    }
}

/// What can be wished for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// These are to stop.
    Stop(Vec<Id>),
    /// These are to be started again.
    Restart(Vec<Id>),
    /// Everything is to stop, and the supervisor to end.
    Shutdown,
}
