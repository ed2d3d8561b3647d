//! Values to Rust.

use serde::de::value::StringDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::error::ShapeError;
use super::times;
use crate::value::{BigInt, Value};

/// Anything that serde deserializes, from a value.
///
/// ```
/// use dontmanage_cache::{Value, from_value};
///
/// let pair: (u8, String) = from_value(Value::List(vec![1.into(), "x".into()]))?;
/// assert_eq!(pair, (1, "x".to_owned()));
/// let error = from_value::<u8>(Value::from(300)).unwrap_err();
/// assert_eq!(error.to_string(), "invalid value: integer `300`, expected u8");
/// # Ok::<(), dontmanage_cache::ShapeError>(())
/// ```
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ShapeError> {
    T::deserialize(FromValue(value))
}

/// What a value is, in Python's words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::None => "None",
        Value::Bool(_) => "bool",
        Value::Int(_) | Value::BigInt(_) => "int",
        Value::Float(_) => "float",
        Value::Str(_) => "str",
        Value::Bytes(_) => "bytes",
        Value::ByteArray(_) => "bytearray",
        Value::List(_) => "list",
        Value::Tuple(_) => "tuple",
        Value::Dict(_) => "dict",
        Value::Set(_) => "set",
        Value::FrozenSet(_) => "frozenset",
        Value::DateTime(_) => "datetime",
        Value::Date(_) => "date",
        Value::Time(_) => "time",
        Value::Timedelta(_) => "timedelta",
    }
}

struct FromValue(Value);

impl IntoDeserializer<'_, ShapeError> for FromValue {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> de::Deserializer<'de> for FromValue {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::None => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(truth),
            Value::Int(number) => visitor.visit_i64(number),
            Value::BigInt(number) => big(&number, visitor),
            Value::Float(number) => visitor.visit_f64(number),
            Value::Str(text) => visitor.visit_string(text),
            Value::Bytes(bytes) | Value::ByteArray(bytes) => visitor.visit_byte_buf(bytes),
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => {
                visit_items(items, visitor)
            }
            Value::Dict(pairs) => visit_pairs(pairs, visitor),
            Value::DateTime(moment) => visitor.visit_string(moment.to_string()),
            Value::Date(date) => visitor.visit_string(date.to_string()),
            Value::Time(time) => visitor.visit_string(time.to_string()),
            Value::Timedelta(delta) => visitor.visit_string(delta.to_string()),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.0 {
            // Python makes no difference between 1 and 1.0 where a number is meant.
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "checked by coming back"
            )]
            Value::Int(number) if i128::from(number) == number as f64 as i128 => {
                visitor.visit_f64(number as f64)
            }
            Value::Int(_) | Value::BigInt(_) => Err(ShapeError::new("a float can't hold the number exactly")),
            value => Self(value).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        if self.0.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        visitor.visit_newtype_struct(Self(times::to_parts(name, self.0)?))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::Bytes(bytes) | Value::ByteArray(bytes) => {
                visit_items(bytes.into_iter().map(Value::from).collect(), visitor)
            }
            value => Self(value).deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::Dict(pairs) => visit_pairs(pairs, visitor),
            other => {
                let kind = kind(&other);
                Err(ShapeError::new(format!(
                    "a dict for the struct `{name}` was expected, and this is a {kind}"
                )))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match self.0 {
            Value::Str(variant) => visitor.visit_enum(Variant { variant, value: None }),
            Value::Dict(mut pairs) if pairs.len() == 1 => match pairs.pop() {
                Some((Value::Str(variant), value)) => {
                    visitor.visit_enum(Variant { variant, value: Some(value) })
                }
                _ => Err(not_a_variant(variants)),
            },
            _ => Err(not_a_variant(variants)),
        }
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 char str string bytes byte_buf unit map
        identifier ignored_any
    }
}

fn not_a_variant(variants: &[&str]) -> ShapeError {
    let variants = variants.join("`, `");
    ShapeError::new(format!("one of `{variants}` was expected, as text or as the only key of a dict"))
}

fn big<'de, V: Visitor<'de>>(number: &BigInt, visitor: V) -> Result<V::Value, ShapeError> {
    // Visitors of smaller types know only the smallest that holds the number.
    if let Some(number) = number.to_u128() {
        return match u64::try_from(number) {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_u128(number),
        };
    }
    match number.to_i128() {
        Some(number) => visitor.visit_i128(number),
        None => Err(ShapeError::new("the number has more than 128 bits")),
    }
}

fn visit_items<'de, V: Visitor<'de>>(items: Vec<Value>, visitor: V) -> Result<V::Value, ShapeError> {
    let total = items.len();
    let mut items = Items { rest: items.into_iter(), at: 0 };
    let value = visitor.visit_seq(&mut items)?;
    match items.rest.len() {
        0 => Ok(value),
        left => Err(ShapeError::new(format!("there are {total} items, {left} too many"))),
    }
}

fn visit_pairs<'de, V: Visitor<'de>>(pairs: Vec<(Value, Value)>, visitor: V) -> Result<V::Value, ShapeError> {
    visitor.visit_map(Pairs { rest: pairs.into_iter(), value: None, name: String::new() })
}

struct Items {
    rest: std::vec::IntoIter<Value>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = ShapeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ShapeError> {
        let Some(item) = self.rest.next() else { return Ok(None) };
        let at = self.at;
        self.at += 1;
        seed.deserialize(FromValue(item)).map(Some).map_err(|error| error.within(format!("[{at}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Pairs {
    rest: std::vec::IntoIter<(Value, Value)>,
    value: Option<Value>,
    /// Of the last key, for messages.
    name: String,
}

impl<'de> MapAccess<'de> for Pairs {
    type Error = ShapeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ShapeError> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        self.name = match &key {
            Value::Str(name) => name.chars().take(60).flat_map(char::escape_debug).collect(),
            other => format!("[{}]", kind(other)),
        };
        seed.deserialize(FromValue(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ShapeError> {
        let value =
            self.value.take().ok_or_else(|| ShapeError::new("a value is asked for before its key"))?;
        seed.deserialize(FromValue(value)).map_err(|error| error.within(std::mem::take(&mut self.name)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Variant {
    variant: String,
    value: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = ShapeError;
    type Variant = Payload;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Payload), ShapeError> {
        let name: StringDeserializer<ShapeError> = self.variant.clone().into_deserializer();
        Ok((seed.deserialize(name)?, Payload { variant: self.variant, value: self.value }))
    }
}

struct Payload {
    variant: String,
    value: Option<Value>,
}

impl Payload {
    fn value(&mut self) -> Result<FromValue, ShapeError> {
        self.value.take().map(FromValue).ok_or_else(|| {
            ShapeError::new(format!("the variant `{}` stands without what it holds", self.variant))
        })
    }
}

impl<'de> VariantAccess<'de> for Payload {
    type Error = ShapeError;

    fn unit_variant(self) -> Result<(), ShapeError> {
        match self.value {
            None | Some(Value::None) => Ok(()),
            Some(_) => Err(ShapeError::new(format!("the variant `{}` holds nothing", self.variant))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(mut self, seed: T) -> Result<T::Value, ShapeError> {
        seed.deserialize(self.value()?).map_err(|error| error.within(self.variant))
    }

    fn tuple_variant<V: Visitor<'de>>(mut self, length: usize, visitor: V) -> Result<V::Value, ShapeError> {
        de::Deserializer::deserialize_tuple(self.value()?, length, visitor)
            .map_err(|error| error.within(self.variant))
    }

    fn struct_variant<V: Visitor<'de>>(
        mut self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        de::Deserializer::deserialize_map(self.value()?, visitor).map_err(|error| error.within(self.variant))
    }
}
