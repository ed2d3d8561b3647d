//! Pickles against the real Python, both ways.

use std::io::Write;
use std::process::{Command, Stdio};

use dontmanage_cache::{
    BigInt, Date, DateTime, Time, Timedelta, UtcOffset, Value,
    pickle::{self, PickleError},
};

/// Runs a Python program; `input` goes to its stdin, its stdout comes back.
fn python(program: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("python3")
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test: apt-get install python3");
    let mut stdin = child.stdin.take().expect("its stdin");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("python3 runs");
    writer.join().expect("the writer ends").expect("python3 reads its input");
    assert!(output.status.success(), "python3: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn time(hour: u8, minute: u8, second: u8, microsecond: u32) -> Time {
    Time::new(hour, minute, second, microsecond).expect("a time")
}

fn date(year: u16, month: u8, day: u8) -> Date {
    Date::new(year, month, day).expect("a date")
}

fn delta(days: i64, seconds: i64, microseconds: i64) -> Timedelta {
    Timedelta::new(days, seconds, microseconds).expect("a timedelta")
}

fn ints(numbers: &[i64]) -> Vec<Value> {
    numbers.iter().copied().map(Value::Int).collect()
}

type Case = (&'static str, Value);

/// Every type, as a Python expression and as a value of ours.
fn cases() -> Vec<Case> {
    [numbers_and_texts(), containers(), times()].concat()
}

fn numbers_and_texts() -> Vec<Case> {
    vec![
        ("None", Value::None),
        ("[True, False]", Value::List(vec![true.into(), false.into()])),
        (
            "[0, 1, -1, 255, 256, 65535, 65536, -32768, 2**31-1, -2**31, 2**31, 2**63-1, -2**63]",
            Value::List(ints(&[
                0,
                1,
                -1,
                255,
                256,
                65535,
                65536,
                -32768,
                i64::from(i32::MAX),
                i64::from(i32::MIN),
                1 << 31,
                i64::MAX,
                i64::MIN,
            ])),
        ),
        ("2**63", (1u64 << 63).into()),
        ("-2**63-1", "-9223372036854775809".parse::<BigInt>().expect("a number").into()),
        ("10**40", format!("1{}", "0".repeat(40)).parse::<BigInt>().expect("a number").into()),
        ("-(1 << 5000)", {
            let mut bytes = vec![0; 625];
            bytes.push(0xff);
            Value::BigInt(BigInt::from_le_bytes(&bytes))
        }),
        (
            "[0.0, -0.5, 1e300, float('inf'), float('-inf'), 0.1, 5e-324]",
            Value::List(
                [0.0, -0.5, 1e300, f64::INFINITY, f64::NEG_INFINITY, 0.1, 5e-324].map(Value::Float).to_vec(),
            ),
        ),
        (r#"['', 'a', "it's", 'é\n\\\r\x00', '😀', '\u2028', 'x' * 300]"#, {
            let texts = ["", "a", "it's", "é\n\\\r\0", "😀", "\u{2028}", &"x".repeat(300)];
            Value::List(texts.map(Value::from).to_vec())
        }),
        (r"[b'', b'\x00\xff\n', b'x' * 300]", {
            let long = [b'x'; 300];
            Value::List([&b""[..], b"\x00\xff\n", &long].map(Value::from).to_vec())
        }),
        (
            r"[bytearray(), bytearray(b'\x80a')]",
            Value::List(vec![Value::ByteArray(vec![]), Value::ByteArray(b"\x80a".to_vec())]),
        ),
    ]
}

fn containers() -> Vec<Case> {
    vec![
        (
            "[(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]",
            Value::List((0..5).map(|count| Value::Tuple((1..=count).map(Value::Int).collect())).collect()),
        ),
        ("[[], [[1]], {}, {'a': {'b': [None]}}, {1: 'x', (2,): 'y'}]", {
            let inner = Value::Dict(vec![("b".into(), Value::List(vec![Value::None]))]);
            Value::List(vec![
                Value::List(vec![]),
                Value::List(vec![Value::List(ints(&[1]))]),
                Value::Dict(vec![]),
                Value::Dict(vec![("a".into(), inner)]),
                Value::Dict(vec![(1.into(), "x".into()), (Value::Tuple(ints(&[2])), "y".into())]),
            ])
        }),
        ("list(range(3000))", Value::List((0..3000).map(Value::Int).collect())),
        ("[set(), {7}, frozenset(), frozenset({7})]", {
            Value::List(vec![
                Value::Set(vec![]),
                Value::Set(ints(&[7])),
                Value::FrozenSet(vec![]),
                Value::FrozenSet(ints(&[7])),
            ])
        }),
    ]
}

fn times() -> Vec<Case> {
    let india = UtcOffset::new(delta(0, 19_800, 0), Some("IST".to_owned())).expect("an offset");
    let west = UtcOffset::new(delta(0, -3600, 0), None).expect("an offset");
    vec![
        ("[d.date(1, 1, 1), d.date(9999, 12, 31), d.date(2024, 2, 29)]", {
            Value::List([date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)].map(Value::Date).to_vec())
        }),
        ("[d.time(), d.time(23, 59, 58, 999999), d.time(1, tzinfo=d.timezone.utc)]", {
            let utc = time(1, 0, 0, 0).with_offset(Some(UtcOffset::UTC));
            Value::List([time(0, 0, 0, 0), time(23, 59, 58, 999_999), utc].map(Value::Time).to_vec())
        }),
        (
            "[d.datetime(2024, 2, 29, 1, 2, 3, 4), \
              d.datetime(2024, 1, 1, tzinfo=d.timezone(d.timedelta(hours=5.5), 'IST')), \
              d.datetime(2024, 1, 1, tzinfo=d.timezone(d.timedelta(hours=-1)))]",
            {
                let midnight = || time(0, 0, 0, 0);
                Value::List(vec![
                    DateTime::new(date(2024, 2, 29), time(1, 2, 3, 4)).into(),
                    DateTime::new(date(2024, 1, 1), midnight().with_offset(Some(india))).into(),
                    DateTime::new(date(2024, 1, 1), midnight().with_offset(Some(west))).into(),
                ])
            },
        ),
        (
            "[d.timedelta(), d.timedelta(-1, 2, 3), d.timedelta(999999999, 86399, 999999)]",
            Value::List(
                [delta(0, 0, 0), delta(-1, 2, 3), delta(999_999_999, 86_399, 999_999)]
                    .map(Value::Timedelta)
                    .to_vec(),
            ),
        ),
    ]
}

/// What keeps its fold only in the newer protocols, as Python drops it in the older ones.
fn folded() -> (&'static str, Value) {
    let moment = DateTime::new(date(2024, 10, 27), time(2, 30, 0, 0).with_fold(true));
    let value = Value::Tuple(vec![moment.into(), time(2, 30, 0, 0).with_fold(true).into()]);
    ("(d.datetime(2024, 10, 27, 2, 30, fold=1), d.time(2, 30, fold=1))", value)
}

#[test]
fn python_reads_what_we_write() {
    let mut cases = cases();
    cases.push(folded());
    let mut input = Vec::new();
    for (expression, value) in &cases {
        let mut bytes = Vec::new();
        pickle::write(value, &mut bytes).expect("it can be written");
        input.extend(format!("{expression}\0{}\0", bytes.len()).bytes());
        input.extend(bytes);
    }
    let program = r"
import datetime as d, pickle, sys
data = sys.stdin.buffer.read()
count = 0
def same(a, b):
    if type(a) is not type(b) or a != b:
        return False
    if isinstance(a, (list, tuple)):
        return all(map(same, a, b))
    if isinstance(a, dict):
        return all(map(same, a, b)) and all(map(same, a.values(), b.values()))
    if isinstance(a, (d.datetime, d.time)):
        return a.fold == b.fold and str(a.tzinfo) == str(b.tzinfo)
    return repr(a) == repr(b)
while data:
    expression, size, data = data.split(b'\0', 2)
    got, data = pickle.loads(data[:int(size)]), data[int(size):]
    want = eval(expression)
    assert same(got, want), (expression, got)
    count += 1
print(count, end='')
";
    let count = python(program, &input);
    assert_eq!(String::from_utf8_lossy(&count), cases.len().to_string());
}

/// The outputs of a Python program that writes each behind its length.
fn outputs(program: &str, input: &[u8]) -> Vec<Vec<u8>> {
    let output = python(
        &format!(
            "import datetime, datetime as d, pickle, sys\ndef put(data): sys.stdout.buffer.write(len(data).to_bytes(4, 'big') + data)\n{program}"
        ),
        input,
    );
    let mut rest = &output[..];
    let mut all = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (bytes, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        all.push(bytes.to_vec());
        rest = after;
    }
    all
}

#[test]
fn we_read_what_python_writes_in_every_protocol() {
    let mut cases = cases();
    let old = cases.len();
    cases.push(folded());
    let expressions: Vec<&str> = cases.iter().map(|(expression, _)| *expression).collect();
    // Both of CPython's picklers: they remember objects in different ways.
    let program = "
for expression in sys.stdin.buffer.read().split(b'\\0'):
    value = eval(expression)
    for protocol in range(6):
        put(pickle.dumps(value, protocol))
        put(pickle._dumps(value, protocol))
";
    let pickles = outputs(program, expressions.join("\0").as_bytes());
    assert_eq!(pickles.len(), cases.len() * 12);
    for (at, bytes) in pickles.iter().enumerate() {
        let ((expression, want), protocol) = (&cases[at / 12], at % 12 / 2);
        if at / 12 >= old && protocol < 4 {
            continue;
        }
        assert_eq!(pickle::read(bytes).as_ref(), Ok(want), "{expression} in protocol {protocol}");
    }
}

#[test]
fn objects_used_twice_are_read_in_each_place() {
    let program = "
row = {'name': 'a', 'tags': ['x']}
for protocol in range(6):
    put(pickle.dumps([row, row, (row['tags'], row['tags'])], protocol))
";
    let row = || {
        let tags = Value::List(vec!["x".into()]);
        Value::Dict(vec![("name".into(), "a".into()), ("tags".into(), tags)])
    };
    let tags = || Value::List(vec!["x".into()]);
    let want = Value::List(vec![row(), row(), Value::Tuple(vec![tags(), tags()])]);
    let pickles = outputs(program, b"");
    assert_eq!(pickles.len(), 6);
    for (protocol, bytes) in pickles.iter().enumerate() {
        assert_eq!(pickle::read(bytes), Ok(want.clone()), "protocol {protocol}");
    }
}

#[test]
fn objects_of_a_class_are_refused_by_name() {
    for (expression, global) in [
        ("__import__('decimal').Decimal('1')", "decimal.Decimal"),
        ("__import__('fractions').Fraction(1, 2)", "fractions.Fraction"),
        ("[1, print]", "builtins.print"),
        ("__import__('collections').OrderedDict()", "collections.OrderedDict"),
    ] {
        let program = format!("import pickle, sys\nsys.stdout.buffer.write(pickle.dumps({expression}))");
        let got = pickle::read(&python(&program, b""));
        assert_eq!(got, Err(PickleError::Unsupported { global: global.to_owned() }), "{expression}");
    }
}

#[test]
fn values_are_shown_as_python_shows_them() {
    let cases = cases();
    let expressions: Vec<&str> = cases.iter().map(|(expression, _)| *expression).collect();
    let program = "
for expression in sys.stdin.buffer.read().split(b'\\0'):
    put(repr(eval(expression)).encode())
";
    let shown = outputs(program, expressions.join("\0").as_bytes());
    assert_eq!(shown.len(), cases.len());
    for ((expression, value), shown) in cases.iter().zip(shown) {
        assert_eq!(value.to_string(), String::from_utf8_lossy(&shown), "{expression}");
    }
}

#[test]
fn a_lone_surrogate_is_refused() {
    let bytes = python("import pickle, sys\nsys.stdout.buffer.write(pickle.dumps('\\ud800'))", b"");
    assert_eq!(pickle::read(&bytes), Err(PickleError::Text));
}
