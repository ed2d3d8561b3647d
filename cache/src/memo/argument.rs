//! Rust's own types as arguments of a call.
//!
//! Not by way of a [`Value`](crate::Value): there, `None` and `Some(())` are one, and calls must differ
//! where arguments do.

use serde::ser::{self, Serialize};

use super::canonical::Canonical;
use crate::serde::ShapeError;

impl Canonical {
    /// An argument of any type that serde serializes. Maps and their order are no matter; a set that has no
    /// order of its own (`HashSet`) looks like a list to serde, and may give different bytes each time.
    ///
    /// ```
    /// use dontmanage_cache::memo::Canonical;
    ///
    /// let mut arguments = Canonical::new();
    /// arguments.argument(&40)?.argument(&Some("two"))?;
    /// # Ok::<(), dontmanage_cache::ShapeError>(())
    /// ```
    pub fn argument<T: Serialize + ?Sized>(&mut self, argument: &T) -> Result<&mut Self, ShapeError> {
        argument.serialize(Argument { to: self })?;
        Ok(self)
    }

    fn of_argument<T: Serialize + ?Sized>(argument: &T) -> Result<Self, ShapeError> {
        let mut canonical = Self::new();
        canonical.argument(argument)?;
        Ok(canonical)
    }
}

struct Argument<'c> {
    to: &'c mut Canonical,
}

macro_rules! ints {
    ($($method:ident($type:ty),)*) => {
        $(fn $method(self, number: $type) -> Result<(), ShapeError> {
            self.to.int(number);
            Ok(())
        })*
    };
}

impl<'c> ser::Serializer for Argument<'c> {
    type Ok = ();
    type Error = ShapeError;
    type SerializeSeq = Parts<'c>;
    type SerializeTuple = Parts<'c>;
    type SerializeTupleStruct = Parts<'c>;
    type SerializeTupleVariant = Parts<'c>;
    type SerializeMap = Pairs<'c>;
    type SerializeStruct = Parts<'c>;
    type SerializeStructVariant = Parts<'c>;

    ints! {
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_i128(i128),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_u128(u128),
    }

    fn serialize_bool(self, truth: bool) -> Result<(), ShapeError> {
        self.to.bool(truth);
        Ok(())
    }

    fn serialize_f32(self, number: f32) -> Result<(), ShapeError> {
        self.to.float(number.into());
        Ok(())
    }

    fn serialize_f64(self, number: f64) -> Result<(), ShapeError> {
        self.to.float(number);
        Ok(())
    }

    fn serialize_char(self, c: char) -> Result<(), ShapeError> {
        self.to.text(c.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), ShapeError> {
        self.to.text(text);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), ShapeError> {
        self.to.bytes(bytes);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), ShapeError> {
        self.to.none();
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ShapeError> {
        self.to.named("Some", 1).argument(value).map(drop)
    }

    fn serialize_unit(self) -> Result<(), ShapeError> {
        self.to.tuple(0);
        Ok(())
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), ShapeError> {
        self.to.named(name, 0);
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), ShapeError> {
        self.to.named(name, 1).named(variant, 0);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ShapeError> {
        // With its name: an enum may have no tag, so that nothing else tells one type from another.
        self.to.named(name, 1).argument(value).map(drop)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), ShapeError> {
        self.to.named(name, 1).named(variant, 1).argument(value).map(drop)
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Parts<'c>, ShapeError> {
        Ok(Parts::new(self.to, None))
    }

    fn serialize_tuple(self, _length: usize) -> Result<Parts<'c>, ShapeError> {
        Ok(Parts::new(self.to, None))
    }

    fn serialize_tuple_struct(self, name: &'static str, _length: usize) -> Result<Parts<'c>, ShapeError> {
        Ok(Parts::new(self.to, Some(name)))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Parts<'c>, ShapeError> {
        self.to.named(name, 1);
        Ok(Parts::new(self.to, Some(variant)))
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Pairs<'c>, ShapeError> {
        Ok(Pairs { to: self.to, all: Vec::new(), key: None })
    }

    fn serialize_struct(self, name: &'static str, _length: usize) -> Result<Parts<'c>, ShapeError> {
        Ok(Parts::new(self.to, Some(name)))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        _length: usize,
    ) -> Result<Parts<'c>, ShapeError> {
        self.to.named(name, 1);
        Ok(Parts::new(self.to, Some(variant)))
    }
}

/// Items, or fields with their names; counted once they are all there.
struct Parts<'c> {
    to: &'c mut Canonical,
    /// That of a struct or variant.
    name: Option<&'static str>,
    encoded: Canonical,
    count: usize,
}

impl<'c> Parts<'c> {
    fn new(to: &'c mut Canonical, name: Option<&'static str>) -> Self {
        Self { to, name, encoded: Canonical::new(), count: 0 }
    }

    fn add<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), ShapeError> {
        self.count += 1;
        self.encoded.argument(part).map(drop)
    }

    fn finish(self) {
        match self.name {
            Some(name) => self.to.named(name, self.count),
            None => self.to.list(self.count),
        };
        self.to.append(&self.encoded);
    }
}

macro_rules! parts {
    ($($trait:ident::$method:ident,)*) => {
        $(impl ser::$trait for Parts<'_> {
            type Ok = ();
            type Error = ShapeError;

            fn $method<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), ShapeError> {
                self.add(part)
            }

            fn end(self) -> Result<(), ShapeError> {
                self.finish();
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! fields {
    ($($trait:ident,)*) => {
        $(impl ser::$trait for Parts<'_> {
            type Ok = ();
            type Error = ShapeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), ShapeError> {
                // With its name: a field may be left out, and another be alike.
                self.encoded.text(name);
                self.add(value)
            }

            fn end(self) -> Result<(), ShapeError> {
                self.finish();
                Ok(())
            }
        })*
    };
}

fields! { SerializeStruct, SerializeStructVariant, }

struct Pairs<'c> {
    to: &'c mut Canonical,
    all: Vec<(Canonical, Canonical)>,
    key: Option<Canonical>,
}

impl ser::SerializeMap for Pairs<'_> {
    type Ok = ();
    type Error = ShapeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ShapeError> {
        self.key = Some(Canonical::of_argument(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ShapeError> {
        let key = self.key.take().unwrap_or_default();
        self.all.push((key, Canonical::of_argument(value)?));
        Ok(())
    }

    fn end(self) -> Result<(), ShapeError> {
        self.to.dict(self.all);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use ::serde::Serialize;

    use super::Canonical;

    fn bytes<T: Serialize>(argument: T) -> Vec<u8> {
        Canonical::of_argument(&argument).expect("it is plain").as_bytes().to_vec()
    }

    #[derive(Serialize)]
    enum Shape {
        Point,
        Line(i32),
        Box(i32, i32),
        Named { width: Option<i32> },
    }

    #[test]
    fn what_differs_in_rust_differs_in_the_key() {
        let different = [
            bytes(None::<Option<()>>),
            bytes(Some(None::<()>)),
            bytes(Some(Some(()))),
            bytes(1),
            bytes(1.0),
            bytes("1"),
            bytes(true),
            bytes([1, 2]),
            bytes([[1, 2]]),
            bytes(([1], [2])),
            bytes(Shape::Point),
            bytes(Shape::Line(1)),
            bytes(Shape::Box(1, 2)),
            bytes(Shape::Named { width: None }),
            bytes(Shape::Named { width: Some(1) }),
            bytes(BTreeMap::from([(1, 2)])),
            bytes(BTreeMap::from([(2, 1)])),
            bytes(u128::MAX),
            bytes(i128::MIN),
        ];
        for (at, one) in different.iter().enumerate() {
            for (other_at, other) in different.iter().enumerate() {
                assert_eq!(one == other, at == other_at, "{at} {other_at}");
            }
        }
    }

    #[derive(Serialize)]
    struct UserId(u32);

    #[derive(Serialize)]
    struct OrderId(u32);

    #[derive(Serialize)]
    struct Kelvin {
        degrees: u32,
    }

    #[derive(Serialize)]
    struct Celsius {
        degrees: u32,
    }

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Other;

    #[derive(Serialize)]
    enum Round {
        Point,
        Line(i32),
    }

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Untagged {
        User(UserId),
        Order(OrderId),
        Hot(Kelvin),
        Cold(Celsius),
        Unit(Unit),
        Other(Other),
        Shape(Shape),
        Round(Round),
        Plain(u32),
    }

    #[test]
    fn types_are_told_apart_where_an_enum_has_no_tag() {
        let different = [
            Untagged::User(UserId(1)),
            Untagged::Order(OrderId(1)),
            Untagged::Plain(1),
            Untagged::Hot(Kelvin { degrees: 1 }),
            Untagged::Cold(Celsius { degrees: 1 }),
            Untagged::Unit(Unit),
            Untagged::Other(Other),
            Untagged::Shape(Shape::Point),
            Untagged::Round(Round::Point),
            Untagged::Shape(Shape::Line(1)),
            Untagged::Round(Round::Line(1)),
        ];
        let different: Vec<_> = different.into_iter().map(bytes).collect();
        for (at, one) in different.iter().enumerate() {
            assert!(!different[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn equal_arguments_give_equal_bytes() {
        assert_eq!(bytes(1u8), bytes(1i128));
        assert_eq!(bytes("x"), bytes(String::from("x")));
        assert_eq!(bytes(vec![1, 2]), bytes([1, 2]));
        let map: HashMap<_, _> = (0..100).map(|number| (number.to_string(), number)).collect();
        let again: HashMap<_, _> = map.clone().into_iter().collect();
        assert_eq!(bytes(map), bytes(again));
    }

    #[test]
    fn arguments_end_where_they_end() {
        let two = |a: &str, b: &str| {
            let mut arguments = Canonical::new();
            arguments.argument(a).and_then(|arguments| arguments.argument(b)).expect("text");
            arguments
        };
        assert_ne!(two("ab", "c"), two("a", "bc"));
    }
}
