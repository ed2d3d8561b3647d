use dontmanage_cache::redis_cache;

#[redis_cache]
fn shown<T: std::fmt::Display>(what: T) -> String {
    what.to_string()
}

#[redis_cache]
fn implied(what: impl std::fmt::Display) -> String {
    what.to_string()
}

fn main() {}
