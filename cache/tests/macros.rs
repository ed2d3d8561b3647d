//! What `#[redis_cache]` says to those who write what it can't do.

#[test]
fn what_cannot_be_cached_is_refused_with_advice() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/macros/*.rs");
}
