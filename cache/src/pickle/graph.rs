//! What a pickle builds while it is read.
//!
//! A pickle names objects before they are filled and may use one in many places. So the objects lie side
//! by side and refer to each other by number: nothing nests yet, and dropping a hostile one can't
//! overflow the stack.

use std::borrow::Cow;

use super::construct::Constructor;
use super::reader::{Limits, PickleError};
use crate::value::{BigInt, Date, DateTime, Time, Timedelta, UtcOffset};

pub(super) type Id = u32;

#[derive(Debug)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    BigInt(BigInt),
    Float(f64),
    Str(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    ByteArray(Cow<'a, [u8]>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Set(Vec<Id>),
    FrozenSet(Vec<Id>),
    DateTime(Box<DateTime>),
    Date(Date),
    Time(Box<Time>),
    Timedelta(Timedelta),
    Offset(Box<UtcOffset>),
    Constructor(Constructor),
}

#[derive(Debug)]
pub(super) struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    limit: usize,
}

impl<'a> Graph<'a> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { nodes: Vec::new(), limit: limits.nodes.min(Id::MAX as usize) }
    }

    pub(super) fn add(&mut self, node: Node<'a>) -> Result<Id, PickleError> {
        if self.nodes.len() >= self.limit {
            return Err(PickleError::TooLarge);
        }
        let id = Id::try_from(self.nodes.len()).map_err(|_| PickleError::TooLarge)?;
        self.nodes.push(node);
        Ok(id)
    }

    pub(super) fn get(&self, id: Id) -> &Node<'a> {
        // Ids come from `add` alone.
        &self.nodes[id as usize]
    }

    pub(super) fn get_mut(&mut self, id: Id) -> &mut Node<'a> {
        &mut self.nodes[id as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
}
