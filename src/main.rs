//! `bench`: runs a DontManage bench.
fn main() {}
