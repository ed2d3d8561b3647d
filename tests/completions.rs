use crate::support::TestBench;

#[test]
fn completions_know_the_commands() {
    let bench = TestBench::empty();
    let output = bench.run(&["completions", "bash"]).success();
    assert!(output.stdout.contains("_bench"), "{output:?}");
}
