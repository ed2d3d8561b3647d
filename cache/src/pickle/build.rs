//! From the graph to a value: what is shared becomes copies, within limits.

use super::graph::{Graph, Id, Node};
use super::reader::{Limits, PickleError};
use crate::value::Value;

/// About the memory of one node of a value.
const NODE_COST: usize = 48;

/// The value of node `root`.
pub(super) fn build(graph: &Graph<'_>, root: Id, limits: &Limits) -> Result<Value, PickleError> {
    let mut builder = Builder { graph, seen: vec![false; graph.len()], budget: limits.shared };
    builder.value(root, limits.depth)
}

struct Builder<'g, 'a> {
    graph: &'g Graph<'a>,
    seen: Vec<bool>,
    /// What may still be copied because it is used in more than one place. Without this limit, ten
    /// lists of ten references each to the one before would be ten thousand million items.
    budget: usize,
}

impl Builder<'_, '_> {
    fn value(&mut self, id: Id, depth: usize) -> Result<Value, PickleError> {
        let depth = depth.checked_sub(1).ok_or(PickleError::TooDeep)?;
        let node = self.graph.get(id);
        let seen = &mut self.seen[id as usize];
        if *seen {
            self.budget = self.budget.checked_sub(NODE_COST + size(node)).ok_or(PickleError::TooLarge)?;
        }
        *seen = true;
        Ok(match node {
            Node::None => Value::None,
            Node::Bool(truth) => Value::Bool(*truth),
            Node::Int(number) => Value::Int(*number),
            Node::BigInt(number) => Value::BigInt(number.clone()),
            Node::Float(number) => Value::Float(*number),
            Node::Str(text) => Value::Str(text.as_ref().to_owned()),
            Node::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
            Node::ByteArray(bytes) => Value::ByteArray(bytes.to_vec()),
            Node::List(items) => Value::List(self.values(items, depth)?),
            Node::Tuple(items) => Value::Tuple(self.values(items, depth)?),
            Node::Set(items) => Value::Set(self.values(items, depth)?),
            Node::FrozenSet(items) => Value::FrozenSet(self.values(items, depth)?),
            Node::Dict(pairs) => {
                let mut dict = Vec::with_capacity(pairs.len());
                for &(key, value) in pairs {
                    dict.push((self.value(key, depth)?, self.value(value, depth)?));
                }
                Value::Dict(dict)
            }
            Node::DateTime(moment) => Value::DateTime(moment.as_ref().clone()),
            Node::Date(date) => Value::Date(*date),
            Node::Time(time) => Value::Time(time.as_ref().clone()),
            Node::Timedelta(delta) => Value::Timedelta(*delta),
            Node::Offset(_) => {
                return Err(PickleError::Unsupported { global: "datetime.timezone".to_owned() });
            }
            Node::Constructor(constructor) => {
                return Err(PickleError::Unsupported { global: constructor.name().to_owned() });
            }
        })
    }

    fn values(&mut self, items: &[Id], depth: usize) -> Result<Vec<Value>, PickleError> {
        let mut values = Vec::with_capacity(items.len());
        for &item in items {
            values.push(self.value(item, depth)?);
        }
        Ok(values)
    }
}

/// Bytes that a copy of the node takes besides itself. Items of a container count by themselves.
fn size(node: &Node<'_>) -> usize {
    match node {
        Node::Str(text) => text.len(),
        Node::Bytes(bytes) | Node::ByteArray(bytes) => bytes.len(),
        Node::BigInt(number) => number.as_le_bytes().len(),
        _ => 0,
    }
}
