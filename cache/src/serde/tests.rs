//! Rust's types to values and back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

use ::serde::{Deserialize, Serialize, de::DeserializeOwned};
use proptest::prelude::*;

use super::{from_value, to_value};
use crate::pickle;
use crate::value::{BigInt, Date, DateTime, Time, Timedelta, UtcOffset, Value};

/// That `rust` is written as `shown` and comes back, also by way of the pickle.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads well where it is called")]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(rust: T, shown: &str) {
    let value = to_value(&rust).expect("it has a value");
    assert_eq!(value.to_string(), shown);
    let mut out = Vec::new();
    pickle::write(&value, &mut out).expect("it has a pickle");
    let read = pickle::read(&out).expect("its pickle is read");
    assert_eq!(from_value::<T>(read).expect("it comes back"), rust);
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Order {
    number: u64,
    day: Date,
    customer: Option<String>,
    lines: Vec<(String, f64)>,
    #[serde(rename = "type")]
    kind: Kind,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Kind {
    Quote,
    Paid(Timedelta),
    Split(u8, u8),
    Sent { by: String },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Metres(f64);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Pair(i32, i32);

#[test]
fn plain_types_have_the_shapes_that_python_expects() {
    both_ways((), "None");
    both_ways(Unit, "None");
    both_ways(None::<i32>, "None");
    both_ways(Some(3), "3");
    both_ways(Metres(1.5), "1.5");
    both_ways(true, "True");
    both_ways('ж', "'ж'");
    both_ways("it's".to_owned(), "\"it's\"");
    both_ways(vec![1, -2], "[1, -2]");
    both_ways((1, "x".to_owned()), "(1, 'x')");
    both_ways([1u8, 2], "(1, 2)");
    both_ways(Pair(1, 2), "(1, 2)");
    both_ways(BTreeMap::from([(2, "b".to_owned()), (10, "j".to_owned())]), "{2: 'b', 10: 'j'}");
    both_ways(BTreeSet::from([1, 2]), "[1, 2]");
}

#[test]
fn numbers_are_exact() {
    both_ways(u64::MAX, "18446744073709551615");
    both_ways(i64::MIN, "-9223372036854775808");
    both_ways(u128::MAX, &u128::MAX.to_string());
    both_ways(i128::MIN, &i128::MIN.to_string());
    both_ways(u128::from(u64::MAX) + 1, "18446744073709551616");
    both_ways(0.1f32, "0.10000000149011612");
    both_ways(1e300, "1e+300");
    assert_eq!(from_value::<f64>(Value::Int(3)), Ok(3.0), "a whole number is a float");
    assert!(from_value::<f64>(Value::Int(i64::MAX)).is_err(), "unless a float can't hold it");
    assert!(from_value::<u128>(Value::BigInt(BigInt::from(-1i128 << 100))).is_err());
    assert!(from_value::<i64>(Value::BigInt(BigInt::from(u64::MAX))).is_err());
    let huge = BigInt::from_le_bytes(&[1; 20]);
    assert_eq!(
        from_value::<u128>(Value::BigInt(huge)).unwrap_err().to_string(),
        "the number has more than 128 bits"
    );
}

#[test]
fn structs_are_dicts_and_variants_are_named() {
    let order = Order {
        number: 7,
        day: Date::new(2026, 11, 23).expect("a day"),
        customer: None,
        lines: vec![("apple".to_owned(), 1.0)],
        kind: Kind::Sent { by: "post".to_owned() },
    };
    both_ways(
        order,
        "{'number': 7, 'day': datetime.date(2026, 11, 23), 'customer': None, 'lines': [('apple', 1.0)], \
         'type': {'Sent': {'by': 'post'}}}",
    );
    both_ways(Kind::Quote, "'Quote'");
    both_ways(Kind::Split(1, 2), "{'Split': (1, 2)}");
    let hour = Timedelta::new(0, 3600, 0).expect("an hour");
    both_ways(Kind::Paid(hour), "{'Paid': datetime.timedelta(seconds=3600)}");
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flat {
    number: u64,
    #[serde(flatten)]
    rest: Times,
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Times {
    day: Date,
    at: Time,
    moment: Option<DateTime>,
    took: Timedelta,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "type")]
enum Tagged {
    Times(Times),
    Day { day: Date },
    Nothing,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "type", content = "of")]
enum Beside {
    Times(Times),
    Two(Date, Time),
    Nothing,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Day(Date),
    Moment(DateTime),
    Took(Timedelta),
    Number(i32),
    Text(String),
}

#[test]
fn dates_and_times_come_back_however_an_enum_is_tagged() {
    let day = Date::new(2026, 11, 23).expect("a day");
    let offset = UtcOffset::new(Timedelta::new(0, -5400, 0).expect("a delta"), None).expect("an offset");
    let at = Time::new(1, 2, 3, 4).expect("a time").with_offset(Some(offset));
    let took = Timedelta::new(-3, 4, 0).expect("a delta");
    let times = Times { day, at: at.clone(), moment: Some(DateTime::new(day, at.clone())), took };
    let shown = "'day': datetime.date(2026, 11, 23), 'at': datetime.time(1, 2, 3, 4, \
        tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=81000))), \
        'moment': datetime.datetime(2026, 11, 23, 1, 2, 3, 4, \
        tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=81000))), \
        'took': datetime.timedelta(days=-3, seconds=4)";
    both_ways(
        Flat { number: u64::MAX, rest: times.clone() },
        &format!("{{'number': {}, {shown}}}", u64::MAX),
    );
    both_ways(Tagged::Times(times.clone()), &format!("{{'type': 'Times', {shown}}}"));
    both_ways(Tagged::Day { day }, "{'type': 'Day', 'day': datetime.date(2026, 11, 23)}");
    both_ways(Tagged::Nothing, "{'type': 'Nothing'}");
    both_ways(Beside::Times(times), &format!("{{'type': 'Times', 'of': {{{shown}}}}}"));
    both_ways(Beside::Nothing, "{'type': 'Nothing'}");
    for value in [
        Untagged::Day(day),
        Untagged::Moment(DateTime::new(day, Time::new(0, 0, 0, 0).expect("midnight"))),
        Untagged::Took(took),
        Untagged::Number(3),
        Untagged::Text("2026".to_owned()),
    ] {
        let shown = to_value(&value).expect("a value").to_string();
        both_ways(value, &shown);
    }
    let text = serde_json::to_string(&(day, at)).expect("JSON");
    assert_eq!(text, "[[2026,11,23],[1,2,3,4,false,[[-1,81000,0],null]]]");
    assert_eq!(serde_json::from_str::<Date>("[2026, 11, 23]").expect("parts"), day);
    assert_eq!(serde_json::from_str::<Date>("\"2026-11-23\"").expect("text"), day);
    assert!(serde_json::from_str::<Date>("\"2026-11-33\"").is_err());
}

#[test]
fn some_of_nothing_is_refused_and_not_taken_for_none() {
    #[derive(Serialize)]
    #[expect(clippy::option_option, reason = "what is tried")]
    struct Changes {
        name: Option<Option<String>>,
    }

    for refused in [
        to_value(&Some(())),
        to_value(&Some(Unit)),
        to_value(&Some(None::<i32>)),
        to_value(&[Some(None::<i32>)]),
        to_value(&Some(Some(None::<i32>))),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.ends_with("`Some` of nothing would come back as `None`"), "{error}");
    }
    let error = to_value(&Changes { name: Some(None) }).unwrap_err().to_string();
    assert!(error.starts_with("at `name`: "), "{error}");
    both_ways(Some(Some(1)), "1");
    both_ways(None::<Option<i32>>, "None");
    both_ways(Some(vec![(), ()]), "[None, None]");
    both_ways(Ok::<(), i32>(()), "{'Ok': None}");
}

#[test]
fn dates_and_times_keep_their_kind() {
    let date = Date::new(2026, 11, 23).expect("a day");
    let offset = UtcOffset::new(Timedelta::new(0, 19_800, 0).expect("a delta"), Some("IST".to_owned()))
        .expect("an offset");
    let time = Time::new(23, 59, 58, 999_999).expect("a time").with_fold(true).with_offset(Some(offset));
    for (value, type_name) in [
        (to_value(&date), "Date"),
        (to_value(&time), "Time"),
        (to_value(&DateTime::new(date, time.clone())), "DateTime"),
        (to_value(&Timedelta::new(-1, 5, 7).expect("a delta")), "Timedelta"),
    ] {
        assert!(format!("{:?}", value.expect("a value")).starts_with(type_name));
    }
    let moment = DateTime::new(date, time.clone());
    assert_eq!(
        from_value::<(Date, Time, DateTime)>(to_value(&(date, &time, &moment)).expect("a value")),
        Ok((date, time, moment))
    );
    let error = from_value::<Date>(Value::from("2026-11-23")).unwrap_err();
    assert_eq!(error.to_string(), "a date was expected, and this is a str");
    assert_eq!(from_value::<String>(date.into()).as_deref(), Ok("2026-11-23"));
}

#[test]
fn what_is_alike_in_python_is_taken() {
    assert_eq!(from_value::<Vec<u8>>(Value::Bytes(vec![1, 2])), Ok(vec![1, 2]));
    assert_eq!(from_value::<Vec<u8>>(Value::ByteArray(vec![1, 2])), Ok(vec![1, 2]));
    assert_eq!(from_value::<(i32, i32)>(Value::List(vec![1.into(), 2.into()])), Ok((1, 2)));
    assert_eq!(
        from_value::<BTreeSet<i32>>(Value::FrozenSet(vec![1.into(), 2.into()])),
        Ok(BTreeSet::from([1, 2]))
    );
    let dict = Value::Dict(vec![(1.into(), Value::None), ("x".into(), Value::None)]);
    assert!(from_value::<HashMap<String, Option<i32>>>(dict).is_err(), "a number is no text");
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let broken = |shown: &str, value: Value| {
        assert_eq!(from_value::<Order>(value).unwrap_err().to_string(), shown);
    };
    broken("a dict for the struct `Order` was expected, and this is a list", Value::List(vec![]));
    broken("missing field `number`", Value::Dict(vec![]));
    let lines = Value::List(vec![
        Value::Tuple(vec!["apple".into(), 1.5.into()]),
        Value::Tuple(vec![2.into(), 1.into()]),
    ]);
    broken(
        "at `lines[1][0]`: invalid type: integer `2`, expected a string",
        Value::Dict(vec![("lines".into(), lines)]),
    );
    broken(
        "at `type`: one of `Quote`, `Paid`, `Split`, `Sent` was expected, as text or as the only key of a dict",
        Value::Dict(vec![("type".into(), 1.into())]),
    );
    assert_eq!(
        from_value::<Kind>("Paid".into()).unwrap_err().to_string(),
        "the variant `Paid` stands without what it holds"
    );
    assert_eq!(
        from_value::<(i32, i32)>(Value::List(vec![1.into(), 2.into(), 3.into()])).unwrap_err().to_string(),
        "there are 3 items, 1 too many"
    );
}

proptest! {
    #[test]
    fn whatever_goes_in_comes_out(
        rust in proptest::collection::btree_map(
            "\\PC{0,5}", (any::<i128>(), any::<Option<u64>>(), proptest::collection::vec(any::<(bool, String)>(), 0..3)), 0..4,
        ),
    ) {
        let mut out = Vec::new();
        pickle::write(&to_value(&rust).unwrap(), &mut out).unwrap();
        let back = from_value(pickle::read(&out).unwrap());
        prop_assert_eq!(back, Ok(rust));
    }
}
