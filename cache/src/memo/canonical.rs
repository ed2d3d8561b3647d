//! The canonical bytes of a call's arguments.

use crate::value::{BigInt, Value};

/// Builds the bytes that tell calls apart: typed, so that `1`, `1.0`, `True` and `"1"` are four; each part
/// ends where it ends, so that no two lists of arguments give the same bytes; and the same in every process.
///
/// Sets and dicts are encoded without their order. Whoever normalises calls (defaults filled in, names
/// for positions) does so before.
///
/// ```
/// use dontmanage_cache::memo::Canonical;
///
/// let mut one = Canonical::new();
/// one.text("ab").text("c");
/// let mut other = Canonical::new();
/// other.text("a").text("bc");
/// assert_ne!(one.as_bytes(), other.as_bytes());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Canonical {
    bytes: Vec<u8>,
}

/// Separates these hashes from others.
const DOMAIN: &[u8] = b"dontmanage-cache call 1";

/// Hexadecimal digits of a call's hash: 128 bits.
pub(super) const HASH_DIGITS: usize = 32;

/// The hash of a call, in hexadecimal digits.
pub type Digest = [u8; HASH_DIGITS];

impl Canonical {
    /// No arguments yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with memory for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// The bytes so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `None`.
    pub fn none(&mut self) -> &mut Self {
        self.tag(b'N')
    }

    /// A truth value.
    pub fn bool(&mut self, truth: bool) -> &mut Self {
        self.tag(if truth { b'T' } else { b'F' })
    }

    /// A whole number.
    pub fn int(&mut self, number: impl Into<BigInt>) -> &mut Self {
        self.sized(b'I', number.into().as_le_bytes())
    }

    /// A whole number of 64 bits: the same bytes as by [`int`](Self::int), with less ado.
    pub fn small_int(&mut self, number: i64) -> &mut Self {
        let bytes = number.to_le_bytes();
        let sign = if number < 0 { 0xff } else { 0 };
        let mut length = bytes.len();
        while length > 0
            && bytes[length - 1] == sign
            && (length > 1 && bytes[length - 2] >= 0x80) == (number < 0)
        {
            length -= 1;
        }
        self.sized(b'I', &bytes[..length])
    }

    /// A floating-point number, bit by bit.
    pub fn float(&mut self, number: f64) -> &mut Self {
        self.tag(b'D');
        self.bytes.extend(number.to_bits().to_le_bytes());
        self
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.sized(b'S', text.as_bytes())
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.sized(b'B', bytes)
    }

    /// Changeable bytes.
    pub fn byte_array(&mut self, bytes: &[u8]) -> &mut Self {
        self.sized(b'A', bytes)
    }

    /// The begin of a list of so many items, to be added next.
    pub fn list(&mut self, count: usize) -> &mut Self {
        self.head(b'L', count)
    }

    /// The begin of a tuple of so many items, to be added next.
    pub fn tuple(&mut self, count: usize) -> &mut Self {
        self.head(b'U', count)
    }

    /// A dict. The order of its pairs does not count.
    pub fn dict(&mut self, pairs: impl IntoIterator<Item = (Canonical, Canonical)>) -> &mut Self {
        self.sorted(
            b'M',
            pairs
                .into_iter()
                .map(|(key, value)| {
                    let mut pair = Self::new();
                    pair.sized(b'K', &key.bytes).sized(b'V', &value.bytes);
                    pair.bytes
                })
                .collect(),
        )
    }

    /// A set. The order of its items does not count.
    pub fn set(&mut self, items: impl IntoIterator<Item = Canonical>) -> &mut Self {
        self.sorted(b'E', items.into_iter().map(|item| item.bytes).collect())
    }

    /// A frozen set. The order of its items does not count.
    pub fn frozen_set(&mut self, items: impl IntoIterator<Item = Canonical>) -> &mut Self {
        self.sorted(b'Z', items.into_iter().map(|item| item.bytes).collect())
    }

    /// Anything else: the name of its type, and bytes that its type gives to equal objects only.
    pub fn object(&mut self, type_name: &str, bytes: &[u8]) -> &mut Self {
        self.sized(b'O', type_name.as_bytes());
        self.sized(b'B', bytes)
    }

    /// The begin of a named thing made of so many parts, to be added next.
    pub fn named(&mut self, name: &str, count: usize) -> &mut Self {
        self.sized(b'C', name.as_bytes());
        self.head(b'U', count)
    }

    /// Plain data.
    pub fn value(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::None => self.none(),
            Value::Bool(truth) => self.bool(*truth),
            Value::Int(number) => self.int(*number),
            Value::BigInt(number) => self.int(number.clone()),
            Value::Float(number) => self.float(*number),
            Value::Str(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::ByteArray(bytes) => self.byte_array(bytes),
            Value::List(items) => {
                self.list(items.len());
                self.values(items)
            }
            Value::Tuple(items) => {
                self.tuple(items.len());
                self.values(items)
            }
            Value::Dict(pairs) => {
                self.dict(pairs.iter().map(|(key, value)| (Self::of(key), Self::of(value))))
            }
            Value::Set(items) => self.set(items.iter().map(Self::of)),
            Value::FrozenSet(items) => self.frozen_set(items.iter().map(Self::of)),
            Value::DateTime(moment) => {
                self.object("datetime.datetime", moment.to_string().as_bytes()).bool(moment.time.fold())
            }
            Value::Date(date) => self.object("datetime.date", date.to_string().as_bytes()),
            Value::Time(time) => self.object("datetime.time", time.to_string().as_bytes()).bool(time.fold()),
            Value::Timedelta(delta) => {
                self.named("datetime.timedelta", 3);
                self.int(delta.days()).int(delta.seconds()).int(delta.microseconds())
            }
        }
    }

    /// Plain data by itself.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let mut canonical = Self::new();
        canonical.value(value);
        canonical
    }

    /// Replaces all from that byte on by a hash of it, which is as good: of an argument that is large, or stands
    /// in many places.
    pub fn fold(&mut self, from: usize) -> &mut Self {
        let hash = blake3::Hasher::new().update(DOMAIN).update(&self.bytes[from..]).finalize();
        self.bytes.truncate(from);
        self.sized(b'H', hash.as_bytes())
    }

    /// Takes back all from that byte on.
    pub fn cut(&mut self, from: usize) -> &mut Self {
        self.bytes.truncate(from);
        self
    }

    /// All from that byte on, by itself.
    #[must_use]
    pub fn from(&self, from: usize) -> Self {
        Self { bytes: self.bytes[from..].to_vec() }
    }

    /// What has been encoded elsewhere.
    pub fn append(&mut self, other: &Self) -> &mut Self {
        self.bytes.extend_from_slice(&other.bytes);
        self
    }

    /// What stands for a call with these arguments in its key.
    #[must_use]
    pub fn digest(&self) -> Digest {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let hash = blake3::Hasher::new().update(DOMAIN).update(&self.bytes).finalize();
        let mut text = [0; HASH_DIGITS];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(hash.as_bytes()) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        text
    }

    fn values(&mut self, items: &[Value]) -> &mut Self {
        for item in items {
            self.value(item);
        }
        self
    }

    fn tag(&mut self, tag: u8) -> &mut Self {
        self.bytes.push(tag);
        self
    }

    fn head(&mut self, tag: u8, count: usize) -> &mut Self {
        self.bytes.push(tag);
        self.bytes.extend((count as u64).to_le_bytes());
        self
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) -> &mut Self {
        self.head(tag, bytes.len());
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn sorted(&mut self, tag: u8, mut parts: Vec<Vec<u8>>) -> &mut Self {
        parts.sort_unstable();
        self.head(tag, parts.len());
        for part in parts {
            self.sized(b'P', &part);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(build: impl FnOnce(&mut Canonical) -> &mut Canonical) -> Vec<u8> {
        let mut canonical = Canonical::new();
        build(&mut canonical);
        canonical.bytes
    }

    #[test]
    fn what_looks_alike_is_told_apart_by_its_type() {
        let all = [
            bytes(|c| c.int(1)),
            bytes(|c| c.float(1.0)),
            bytes(|c| c.bool(true)),
            bytes(|c| c.text("1")),
            bytes(|c| c.bytes(b"1")),
            bytes(|c| c.byte_array(b"1")),
            bytes(|c| c.none()),
            bytes(|c| c.list(1).int(1)),
            bytes(|c| c.tuple(1).int(1)),
            bytes(|c| c.set([Canonical::of(&1.into())])),
            bytes(|c| c.frozen_set([Canonical::of(&1.into())])),
            bytes(|c| c.object("Decimal", b"1")),
            bytes(|c| c.list(0)),
            bytes(|c| c.dict([])),
            bytes(|c| c),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(one == other, at == other_at, "{at} {other_at}");
            }
        }
    }

    #[test]
    fn what_is_folded_is_still_told_apart() {
        let folded = |number: i64| {
            let mut canonical = Canonical::new();
            canonical.text("before");
            let from = canonical.as_bytes().len();
            canonical.list(2).int(number).text("more").fold(from);
            canonical.none();
            canonical
        };
        assert_eq!(folded(1), folded(1));
        assert_ne!(folded(1), folded(2));
        let mut plain = Canonical::new();
        plain.text("before").list(2).int(1).text("more").none();
        assert_ne!(folded(1), plain);
        assert_eq!(folded(1).cut(15).as_bytes(), Canonical::new().text("before").as_bytes());
    }

    #[test]
    fn parts_end_where_they_end() {
        let pairs = |pairs: &[(&str, &str)]| {
            bytes(|c| {
                c.dict(
                    pairs
                        .iter()
                        .map(|&(key, value)| (Canonical::of(&key.into()), Canonical::of(&value.into()))),
                )
            })
        };
        assert_ne!(pairs(&[("a", "bc")]), pairs(&[("ab", "c")]));
        assert_eq!(pairs(&[("a", "1"), ("b", "2")]), pairs(&[("b", "2"), ("a", "1")]));
        assert_ne!(pairs(&[("a", "2"), ("b", "1")]), pairs(&[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn the_hash_of_a_call_is_the_same_for_ever() {
        // Answers outlive processes and releases: if this changes, all of them are lost once.
        let mut call = Canonical::new();
        call.int(40).text("two").list(1).none();
        assert_eq!(&call.digest(), b"86269c7faedb089f2118434ccba91d1a");
    }

    fn plain() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::None),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>()
                .prop_filter("not a number is no equal of itself", |f| !f.is_nan())
                .prop_map(Value::Float),
            "[a-c]{0,3}".prop_map(Value::Str),
            proptest::collection::vec(0u8..3, 0..3).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Tuple),
                proptest::collection::vec((inner.clone(), inner), 0..2).prop_map(Value::Dict),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_small_number_is_written_as_any_number(number in prop_oneof![-70_000i64..70_000, any::<i64>()]) {
            prop_assert_eq!(bytes(|c| c.small_int(number)), bytes(|c| c.int(number)));
        }

        #[test]
        fn two_calls_share_bytes_only_if_they_are_the_same(
            a in proptest::collection::vec(plain(), 0..3), b in proptest::collection::vec(plain(), 0..3),
        ) {
            let of = |values: &[Value]| bytes(|c| c.values(values));
            prop_assume!(!format!("{a:?}{b:?}").contains("-0.0"));
            // Dicts have one pair here, so that there is no order to disregard.
            prop_assert_eq!(of(&a) == of(&b), a == b);
        }
    }
}
