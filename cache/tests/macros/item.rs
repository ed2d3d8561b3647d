use dontmanage_cache::redis_cache;

#[redis_cache]
struct Price {
    amount: f64,
}

fn main() {}
