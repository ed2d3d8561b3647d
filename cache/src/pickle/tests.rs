//! What the reader takes, what it refuses, and that Python agrees.

use super::opcode as op;
use super::*;
use crate::value::Value;
use crate::value::{BigInt, Date, DateTime, Time, Timedelta, UtcOffset};
use proptest::prelude::*;

#[test]
fn a_class_or_function_is_named_and_not_touched() {
    for (bytes, want) in [
        (&b"cos\nsystem\n(S'true'\ntR."[..], "os.system"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.", "posix.system"),
        (b"\x80\x03cbuiltins\neval\nX\x01\x00\x00\x001\x85R.", "builtins.eval"),
        (b"cdecimal\nDecimal\n.", "decimal.Decimal"),
        (b"c\x1b\n\n.", "\\u{1b}."),
    ] {
        assert_eq!(read(bytes), Err(PickleError::Unsupported { global: want.to_owned() }));
    }
}

#[test]
fn opcodes_that_build_objects_are_refused() {
    for bytes in
        [&b"N}b."[..], b"(cx\n", b"(ios\nsystem\n.", b"N)\x81.", b"\x82\x01.", b"Ppid\n.", b"NQ.", b"\x97."]
    {
        assert!(read(bytes).is_err(), "{}", bytes.escape_ascii());
    }
    assert_eq!(read(b"N}b."), Err(PickleError::Opcode { opcode: b'b', at: 2 }));
    assert_eq!(read(b"\x80\x06N."), Err(PickleError::Opcode { opcode: 0x80, at: 0 }));
}

#[test]
fn a_constructor_by_itself_is_no_value() {
    for (bytes, global) in [
        (&b"cbuiltins\nset\n."[..], "builtins.set"),
        (b"cdatetime\ntimezone\n(cdatetime\ntimedelta\n(I0\ntRtR.", "datetime.timezone"),
    ] {
        assert_eq!(read(bytes), Err(PickleError::Unsupported { global: global.to_owned() }));
    }
}

#[test]
fn a_constructor_takes_only_what_python_gives_it() {
    for bytes in [
        &b"cdatetime\ndate\nC\x04\x07\xe4\x0d\x01\x85R."[..],
        b"cdatetime\ndate\nC\x03\x07\xe4\x01\x85R.",
        b"cdatetime\ntime\nC\x06\x18\x00\x00\x00\x00\x00\x85R.",
        b"cdatetime\ndatetime\nK\x01\x85R.",
        b"cdatetime\ntimedelta\nJ\xff\xff\xff\x7f\x85R.",
        b"cbuiltins\nset\nK\x01\x85R.",
        b"cbuiltins\nbytearray\nK\xff\x85R.",
        b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86R.",
    ] {
        assert!(matches!(read(bytes), Err(PickleError::Arguments { .. })), "{}", bytes.escape_ascii());
    }
}

#[test]
fn nesting_of_any_depth_is_refused_without_harm() {
    let deep = 200_000;
    let lists = [vec![op::EMPTY_LIST; deep], vec![op::APPEND; deep - 1], vec![op::STOP]].concat();
    assert_eq!(read(&lists), Err(PickleError::TooDeep));
    let tuples = [vec![op::EMPTY_TUPLE], vec![op::TUPLE1; deep], vec![op::STOP]].concat();
    assert_eq!(read(&tuples), Err(PickleError::TooDeep));
    // Built and then thrown away: the value is only None.
    let dropped = [vec![op::EMPTY_TUPLE], vec![op::TUPLE1; deep], b"0N.".to_vec()].concat();
    assert_eq!(read(&dropped), Ok(Value::None));
    assert_eq!(read(b"]q\x00h\x00a."), Err(PickleError::TooDeep), "a list in itself");
}

#[test]
fn a_small_pickle_of_a_huge_value_is_refused() {
    // Each list holds the one before ten times.
    let mut bomb = b"]K\x01aq\x00".to_vec();
    for level in 1..=30u8 {
        bomb.extend([op::POP, op::EMPTY_LIST, op::MARK]);
        bomb.extend([op::BINGET, level - 1].repeat(10));
        bomb.extend([op::APPENDS, op::BINPUT, level]);
    }
    bomb.push(op::STOP);
    assert_eq!(read(&bomb), Err(PickleError::TooLarge));

    // One long text, many times.
    let mut bomb = [&b"]X\x00\x00\x10\x00"[..], &vec![b'x'; 1 << 20], b"q\x000("].concat();
    bomb.extend([op::BINGET, 0].repeat(100));
    bomb.extend(b"e.");
    assert_eq!(read(&bomb), Err(PickleError::TooLarge));

    let limits = Limits { nodes: 3, ..Limits::default() };
    assert_eq!(read_with(b"(NNNt.", &limits), Err(PickleError::TooLarge));
    assert_eq!(read(b"Nr\xff\xff\xff\xff."), Err(PickleError::Malformed { at: 6 }));
}

#[test]
fn what_is_shared_is_the_same_in_each_place() {
    let one = Value::List(vec![Value::Int(1)]);
    let twice = Value::Tuple(vec![one.clone(), one]);
    // Remembered while it is empty, used twice, and only then filled.
    assert_eq!(read(b"(]q\x00h\x00K\x01at."), Ok(twice.clone()));
    assert_eq!(read(b"(]q\x00K\x01ah\x00t."), Ok(twice.clone()));
    assert_eq!(read(b"(]2K\x01at."), Ok(twice));
}

#[test]
fn a_cut_pickle_is_refused_wherever_it_is_cut() {
    let whole = b"\x80\x05\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01K\x02eu.";
    assert!(read(whole).is_ok());
    for end in 0..whole.len() {
        assert_eq!(read(&whole[..end]), Err(PickleError::Truncated), "{end}");
    }
    assert!(read(&[whole, &b"."[..]].concat()).is_err(), "nor is there more than its end");
}

#[test]
fn broken_pickles_are_refused() {
    for bytes in [
        &b"."[..],
        b"a.",
        b"(.",
        b"t.",
        b"(K\x01u.",
        b"}(K\x01u.",
        b"}K\x01.",
        b"h\x00.",
        b"g9\n.",
        b"Ixyz\n.",
        b"K\x01K\x02.",
        b"K\x01(.",
        b"Lx\n.",
        b"F1.5.5\n.",
        b"S'a\n.",
        b"Vd\\ud800\n.",
        b"X\x01\x00\x00\x00\xff.",
        b"]K\x01\x90.",
        b"U\x01\xff.",
        b"K\x01K\x02a.",
        b"}K\x01a.",
        b"K\x01K\x02R.",
        b"cbuiltins\nset\nK\x01R.",
        b"K\x01(\x85.",
        b"(2.",
        b"(q\x00.",
    ] {
        let got = read(bytes);
        assert!(got.is_err(), "{}: {got:?}", bytes.escape_ascii());
    }
    assert_eq!(read(b"K\x01(0."), Ok(Value::Int(1)), "a mark can be taken back");
    assert_eq!(read(b"K\x01(K\x021."), Ok(Value::Int(1)), "with all above it");
}

fn any_offset() -> impl Strategy<Value = Option<UtcOffset>> {
    proptest::option::of((-86_399i64..86_400, proptest::option::of("[A-Zé]{0,5}"))).prop_map(|offset| {
        offset.map(|(seconds, name)| {
            let delta = Timedelta::new(0, seconds, 0).unwrap();
            UtcOffset::new(delta, name).unwrap()
        })
    })
}

fn any_time() -> impl Strategy<Value = Time> {
    (0u8..24, 0u8..60, 0u8..60, 0u32..1_000_000, any::<bool>(), any_offset()).prop_map(
        |(h, m, s, us, fold, offset)| Time::new(h, m, s, us).unwrap().with_fold(fold).with_offset(offset),
    )
}

fn any_date() -> impl Strategy<Value = Date> {
    (1u16..=9999, 1u8..=12, 1u8..=28).prop_map(|(year, month, day)| Date::new(year, month, day).unwrap())
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        prop::sample::select(vec![-129i64, -128, -1, 0, 255, 256, 65535, 65536, i64::MIN, i64::MAX])
            .prop_map(Value::Int),
        proptest::collection::vec(any::<u8>(), 0..300)
            .prop_map(|bytes| Value::from(BigInt::from_le_bytes(&bytes))),
        any::<f64>().prop_filter("NaN equals nothing", |f| !f.is_nan()).prop_map(Value::Float),
        any::<String>().prop_map(Value::Str),
        "[a-z]{250,260}".prop_map(Value::Str),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        any_date().prop_map(Value::Date),
        any_time().prop_map(Value::Time),
        (any_date(), any_time()).prop_map(|(date, time)| Value::DateTime(DateTime::new(date, time))),
        (-999_999_999i64..=999_999_999, 0i64..86_400, 0i64..1_000_000)
            .prop_map(|(d, s, us)| Value::Timedelta(Timedelta::new(d, s, us).unwrap())),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    any_scalar().prop_recursive(5, 60, 6, |inner| {
        let many = proptest::collection::vec(inner, 0..6);
        let keys = proptest::collection::vec(any_scalar(), 0..6).boxed();
        prop_oneof![
            many.clone().prop_map(Value::List),
            many.clone().prop_map(Value::Tuple),
            keys.clone().prop_map(Value::Set),
            keys.clone().prop_map(Value::FrozenSet),
            (keys, many).prop_map(|(keys, values)| Value::Dict(keys.into_iter().zip(values).collect())),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::ByteArray),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in any_value()) {
        let mut out = Vec::new();
        write(&value, &mut out).unwrap();
        prop_assert_eq!(read(&out), Ok(value));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    /// Opcodes by chance, so that most pickles come far.
    #[test]
    fn any_opcodes_are_read_or_refused(ops in proptest::collection::vec(prop::sample::select(vec![
        &b"("[..], b"0", b"1", b"2", b"N", b"K\x01", b"K\x02", b"]", b"}", b")", b"\x8f", b"a", b"e", b"s", b"u", b"\x90",
        b"\x91", b"t", b"l", b"d", b"\x85", b"\x86", b"\x87", b"\x94", b"h\x00", b"h\x01", b"q\x01", b"\x8c\x01a", b"C\x01b",
        b"cbuiltins\nset\n", b"cdatetime\ndate\n", b"cdatetime\ntimedelta\n", b"cdatetime\ntimezone\n", b"R",
    ]), 0..60)) {
        if let Ok(value) = read(&[ops.concat(), b".".to_vec()].concat()) {
            // Python could refuse it (a list as a key), but if it can be written, it comes back.
            let mut out = Vec::new();
            if write(&value, &mut out).is_ok() {
                prop_assert_eq!(read(&out), Ok(value));
            }
        }
    }
}
