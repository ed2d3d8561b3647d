use dontmanage_cache::redis_cache;

#[redis_cache(ttl = "60")]
fn no_unit() {}

#[redis_cache(ttl = 0)]
fn no_time() {}

#[redis_cache(tll = 60)]
fn misspelt() {}

#[redis_cache(ttl = 60, ttl = 70)]
fn twice() {}

#[redis_cache(user, shared)]
fn whose() {}

#[redis_cache(ttl = "none", stale = "1h")]
fn never_old() {}

#[redis_cache(stale = "none")]
fn always_old() {}

#[redis_cache(ttl)]
fn no_value() {}

#[redis_cache(name = "")]
fn no_name() {}

fn main() {}
