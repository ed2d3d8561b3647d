use proptest::prelude::*;

use super::*;

/// Text that is rich in what means something somewhere.
fn awkward() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just(' '),
            Just('"'),
            Just('\''),
            Just('\\'),
            Just('%'),
            Just('$'),
            Just(';'),
            Just('#'),
            Just('`'),
            Just('{'),
            Just('*'),
            Just('['),
            Just('ü'),
            Just('\u{a0}'),
            any::<char>().prop_filter("controls are refused", |c| !c.is_control()),
        ],
        0..24,
    )
    .prop_map(String::from_iter)
}

/// supervisor's reader: what comes after ` ;` or ` #` is cut, blanks at the ends go, `%%` is `%`.
fn read_supervisor(value: &str) -> Option<String> {
    let line = format!("key={value}");
    let mut previous = 'x';
    let mut kept = String::new();
    for c in line.chars() {
        if (c == ';' || c == '#') && previous.is_whitespace() {
            break;
        }
        kept.push(c);
        previous = c;
    }
    let value = kept.strip_prefix("key=")?.trim();
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c == '%' && chars.next() != Some('%') {
            return None;
        }
        out.push(c);
    }
    Some(out)
}

/// systemd's reader of a list: quotes group words, a backslash escapes unless it is retained.
fn read_systemd(text: &str, retain_backslash: bool) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) if !retain_backslash => {
                word.get_or_insert_default().push(chars.next().expect("no line ends in a backslash"));
            }
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "an open quote in {text}");
    words.extend(word);
    words.iter().map(|word| word.replace("%%", "%")).collect()
}

#[test]
fn plain_words_stay_as_they_are() {
    for word in
        ["/home/user/benches/develop/config", "redis_cache.rdb", "allkeys-lru", "737mb", "büro-бенч-例"]
    {
        assert_eq!(redis(word).as_deref(), Ok(word));
        assert_eq!(shell("logs/worker.log").as_deref(), Ok("logs/worker.log"));
        assert_eq!(supervisor_command(&[word, "-w"]), Ok(format!("{word} -w")));
        assert_eq!(systemd_command(&[word, "-w"]), Ok(format!("{word} -w")));
    }
}

#[test]
fn control_characters_are_refused_for_every_target() {
    for text in ["a\nb", "a\rb", "a\0b", "a\u{1b}b", "a\u{85}b"] {
        let told = [
            redis(text),
            redis_line(&["x", text]),
            shell(text),
            procfile(text),
            supervisor(text),
            supervisor_command(&[text]),
            supervisor_environment("K", text),
            systemd(text),
            systemd_command(&[text]),
            systemd_environment("K", text),
            systemd_path(text),
        ];
        for (index, quoted) in told.into_iter().enumerate() {
            assert!(quoted.is_err_and(|Refused(why)| why.contains("control character")), "{index}: {text:?}");
        }
    }
}

#[test]
fn redis_escapes_are_read_as_redis_reads_them() {
    assert_eq!(split_redis(r#"save """#), Some(vec!["save".into(), String::new()]));
    assert_eq!(
        split_redis(r#" a "\x41\n\"" 'it\'s'  "#),
        Some(vec!["a".into(), "A\n\"".into(), "it's".into()])
    );
    assert_eq!(split_redis(r#"a "b"c"#), None);
}

#[test]
fn what_supervisor_cannot_hold_is_refused() {
    for value in ["a ;b", "a #b", " a", "a ", "a\u{a0};", "/x/%(here)s"] {
        assert!(supervisor(value).is_err(), "{value:?}");
    }
    for value in ["it's \"so\"", "\"quoted\"", "a ;b", "%(here)s"] {
        assert!(supervisor_environment("K", value).is_err(), "{value:?}");
    }
    assert!(supervisor_environment("1K", "v").is_err());
    assert_eq!(supervisor_log("/100%/x").as_deref(), Ok("/100%%%%/x"));
    let command = supervisor_command(&["%(here)s"]).expect("a word");
    assert!(!command.contains("%(here)s"), "{command}");
    assert_eq!(shlex::split(&command), Some(vec!["%%(here)s".to_owned()]));
}

#[test]
fn what_systemd_does_not_run_is_refused() {
    for program in ["/it's/x", "/say \"so\"/x", "/back\\slash/x"] {
        assert!(systemd_command(&[program]).is_err(), "{program}");
    }
}

proptest! {
    #[test]
    fn redis_reads_back_what_was_quoted(words in proptest::collection::vec(awkward(), 1..4)) {
        let line = redis_line(&words).expect("no controls");
        prop_assert_eq!(split_redis(&line), Some(words));
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted(words in proptest::collection::vec(awkward(), 1..4)) {
        let line: Vec<_> = words.iter().map(|word| shell(word).expect("no controls")).collect();
        prop_assert_eq!(shlex::split(&line.join(" ")), Some(words));
    }

    #[test]
    fn a_procfile_holds_any_command(command in awkward()) {
        let Ok(quoted) = procfile(&command) else {
            prop_assert_eq!(command.trim(), "");
            return Ok(());
        };
        let entries = crate::procfile::parse(&format!("web: {quoted}\n")).expect("a Procfile");
        prop_assert_eq!(&entries[0].command, command.trim());
    }

    #[test]
    fn supervisor_reads_back_what_was_quoted(words in proptest::collection::vec(awkward(), 1..4)) {
        let line = supervisor_command(&words).expect("no controls");
        let read = read_supervisor(&line).expect("no lone percent sign");
        prop_assert_eq!(shlex::split(&read), Some(words));
    }

    #[test]
    fn supervisor_reads_back_a_value_or_it_was_refused(value in awkward()) {
        if let Ok(quoted) = supervisor(&value) {
            prop_assert_eq!(read_supervisor(&quoted), Some(value));
        }
    }

    #[test]
    fn supervisor_reads_back_a_variable_or_it_was_refused(value in awkward()) {
        if let Ok(quoted) = supervisor_environment("KEY", &value) {
            let read = read_supervisor(&quoted).expect("no lone percent sign");
            let inner = read.strip_prefix("KEY=").expect("the name").trim_matches(['"', '\'']);
            prop_assert_eq!(inner, value);
        }
    }

    #[test]
    fn systemd_reads_back_what_was_quoted(words in proptest::collection::vec(awkward(), 1..4)) {
        let mut words = words;
        words.insert(0, "/bin/a $b%c".to_owned());
        let line = systemd_command(&words).expect("no controls");
        let mut read = read_systemd(&line, false);
        for word in &mut read[1..] {
            *word = word.replace("$$", "$");
        }
        prop_assert_eq!(read, words);
    }

    #[test]
    fn systemd_reads_back_a_variable(value in awkward()) {
        let line = systemd_environment("KEY", &value).expect("no controls");
        prop_assert_eq!(read_systemd(&line, false), vec![format!("KEY={value}")]);
    }

    #[test]
    fn systemd_reads_back_a_path(path in awkward().prop_map(|text| format!("/{text}"))) {
        let line = systemd_path(&path).expect("no controls");
        prop_assert_eq!(read_systemd(&line, true), vec![path]);
    }
}
