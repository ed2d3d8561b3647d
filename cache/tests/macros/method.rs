use dontmanage_cache::redis_cache;

struct Shop {
    id: u32,
}

impl Shop {
    #[redis_cache]
    fn price(&self, number: u32) -> u32 {
        self.id * number
    }
}

fn main() {}
