//! The README names the commands that there are: all of them, and no others.

use std::collections::BTreeSet;

use super::support::TestBench;

/// Today's names for `config set redis_….url`, which the README leaves to "and the like".
const OF_TODAYS_TOOL: &str = "set-redis-";

/// The commands that `--help` lists.
fn commands(bench: &TestBench, of: &[&str]) -> BTreeSet<String> {
    let help = bench.run(&[of, &["--help"]].concat()).success().stdout;
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list
        .take_while(|line| !line.is_empty())
        // Descriptions go on, further in, on lines of their own.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// What stands between backticks in the first column of the README's table of commands.
fn named(readme: &str) -> Vec<String> {
    let rows = readme.lines().filter(|line| line.starts_with("| `bench "));
    let cells = rows.map(|row| row.replace("\\|", "/").split('|').nth(1).unwrap_or_default().to_owned());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_readme_names_the_commands_that_there_are() {
    let bench = TestBench::empty();
    let readme = include_str!("../README.md");
    let mut top = BTreeSet::new();
    for name in named(readme) {
        let mut words = name.trim_start_matches("bench ").split(' ');
        let command = words.next().expect("a command").to_owned();
        if let Some(below) = words.next().filter(|word| word.contains('/')) {
            let below: BTreeSet<_> = below.split('/').map(str::to_owned).collect();
            let there = commands(&bench, &[&command]);
            assert!(below.is_subset(&there), "`bench {command}` has {there:?}");
            // `config` has today's commands besides.
            assert!(command == "config" || below == there, "`bench {command}` has {there:?}");
        }
        top.insert(command);
    }
    let mut there = commands(&bench, &[]);
    there.retain(|name| !name.starts_with(OF_TODAYS_TOOL));
    assert_eq!(top, there);
}

#[test]
fn the_commands_to_type_exist() {
    let there = commands(&TestBench::empty(), &[]);
    let typed = include_str!("../README.md").lines().filter_map(|line| line.strip_prefix("    bench "));
    let mut seen = 0;
    for line in typed {
        let command = line.split(' ').next().unwrap_or_default();
        assert!(there.contains(command), "`bench {line}`");
        seen += 1;
    }
    assert!(seen > 5, "the README shows only {seen} commands");
}

#[test]
fn the_targets_to_make_exist() {
    let makefile = include_str!("../Makefile");
    let typed = include_str!("../README.md").lines().filter_map(|line| line.strip_prefix("    make "));
    let targets: BTreeSet<_> = typed.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(targets.is_superset(&["demo", "test"].into()), "the README shows only {targets:?}");
    for target in targets {
        assert!(makefile.contains(&format!("\n{target}: ")), "`make {target}`");
    }
}
