//! Rust to values.

use serde::ser::{self, Serialize};

use super::error::ShapeError;
use super::times;
use crate::value::{BigInt, Value};

/// The value of anything that serde serializes.
///
/// ```
/// use dontmanage_cache::{Value, to_value};
///
/// assert_eq!(to_value(&(1, "x"))?, Value::Tuple(vec![1.into(), "x".into()]));
/// # Ok::<(), dontmanage_cache::ShapeError>(())
/// ```
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, ShapeError> {
    value.serialize(ToValue)
}

struct ToValue;

macro_rules! same {
    ($($method:ident($type:ty),)*) => {
        $(fn $method(self, value: $type) -> Result<Value, ShapeError> {
            Ok(Value::from(value))
        })*
    };
}

impl ser::Serializer for ToValue {
    type Ok = Value;
    type Error = ShapeError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Pairs;
    type SerializeStruct = Pairs;
    type SerializeStructVariant = Pairs;

    same! {
        serialize_bool(bool),
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_f32(f32), serialize_f64(f64),
        serialize_str(&str), serialize_bytes(&[u8]),
    }

    fn serialize_i128(self, value: i128) -> Result<Value, ShapeError> {
        Ok(BigInt::from(value).into())
    }

    fn serialize_u128(self, value: u128) -> Result<Value, ShapeError> {
        Ok(BigInt::from(value).into())
    }

    fn serialize_char(self, value: char) -> Result<Value, ShapeError> {
        Ok(Value::Str(value.to_string()))
    }

    fn serialize_none(self) -> Result<Value, ShapeError> {
        Ok(Value::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ShapeError> {
        match value.serialize(self)? {
            Value::None => Err(ShapeError::new("`Some` of nothing would come back as `None`")),
            value => Ok(value),
        }
    }

    fn serialize_unit(self) -> Result<Value, ShapeError> {
        Ok(Value::None)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, ShapeError> {
        Ok(Value::None)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, ShapeError> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, ShapeError> {
        let value = value.serialize(self)?;
        times::from_parts(name, value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ShapeError> {
        let value = to_value(value).map_err(|error| error.within(variant))?;
        Ok(tagged(variant, value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, ShapeError> {
        Ok(Items::new(length, Value::List, None))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, ShapeError> {
        Ok(Items::new(Some(length), Value::Tuple, None))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Items, ShapeError> {
        Ok(Items::new(Some(length), Value::Tuple, None))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Items, ShapeError> {
        Ok(Items::new(Some(length), Value::Tuple, Some(variant)))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Pairs, ShapeError> {
        Ok(Pairs::new(length, None))
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Pairs, ShapeError> {
        Ok(Pairs::new(Some(length), None))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Pairs, ShapeError> {
        Ok(Pairs::new(Some(length), Some(variant)))
    }

    fn is_human_readable(&self) -> bool {
        // As Python has them: an address or a uuid is text there.
        true
    }
}

fn tagged(variant: &str, value: Value) -> Value {
    Value::Dict(vec![(variant.into(), value)])
}

/// A length that is only a hint is not given memory on its word.
fn room(length: Option<usize>) -> usize {
    length.unwrap_or(0).min(4096)
}

pub struct Items {
    all: Vec<Value>,
    make: fn(Vec<Value>) -> Value,
    variant: Option<&'static str>,
}

impl Items {
    fn new(length: Option<usize>, make: fn(Vec<Value>) -> Value, variant: Option<&'static str>) -> Self {
        Self { all: Vec::with_capacity(room(length)), make, variant }
    }

    fn add<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ShapeError> {
        let item = to_value(item).map_err(|error| error.within(format!("[{}]", self.all.len())))?;
        self.all.push(item);
        Ok(())
    }

    fn finish(self) -> Value {
        let value = (self.make)(self.all);
        match self.variant {
            Some(variant) => tagged(variant, value),
            None => value,
        }
    }
}

macro_rules! items {
    ($($trait:ident::$method:ident,)*) => {
        $(impl ser::$trait for Items {
            type Ok = Value;
            type Error = ShapeError;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), ShapeError> {
                self.add(item)
            }

            fn end(self) -> Result<Value, ShapeError> {
                Ok(self.finish())
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

pub struct Pairs {
    all: Vec<(Value, Value)>,
    key: Option<Value>,
    variant: Option<&'static str>,
}

impl Pairs {
    fn new(length: Option<usize>, variant: Option<&'static str>) -> Self {
        Self { all: Vec::with_capacity(room(length)), key: None, variant }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ShapeError> {
        let value = to_value(value).map_err(|error| error.within(name))?;
        self.all.push((name.into(), value));
        Ok(())
    }

    fn finish(self) -> Value {
        let dict = Value::Dict(self.all);
        match self.variant {
            Some(variant) => tagged(variant, dict),
            None => dict,
        }
    }
}

impl ser::SerializeMap for Pairs {
    type Ok = Value;
    type Error = ShapeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ShapeError> {
        self.key = Some(to_value(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        let key = self.key.take().ok_or_else(|| ShapeError::new("a map's value comes without its key"))?;
        let value = to_value(value).map_err(|error| error.within(format!("[{key}]")))?;
        self.all.push((key, value));
        Ok(())
    }

    fn end(self) -> Result<Value, ShapeError> {
        Ok(self.finish())
    }
}

macro_rules! fields {
    ($($trait:ident,)*) => {
        $(impl ser::$trait for Pairs {
            type Ok = Value;
            type Error = ShapeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), ShapeError> {
                self.field(name, value)
            }

            fn end(self) -> Result<Value, ShapeError> {
                Ok(self.finish())
            }
        })*
    };
}

fields! { SerializeStruct, SerializeStructVariant, }
