use dontmanage_cache::redis_cache;

#[redis_cache]
fn lent(text: &str) -> &str {
    text
}

#[redis_cache]
fn apart((a, b): (i32, i32)) -> i32 {
    a + b
}

#[redis_cache]
fn opaque() -> impl Iterator<Item = u32> {
    0..3
}

#[redis_cache]
const fn constant() -> i32 {
    3
}

#[redis_cache]
unsafe fn trusting() -> i32 {
    3
}

fn main() {}
