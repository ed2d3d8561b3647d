//! Clearing the answers of one function, and of no other.

use super::canonical::HASH_DIGITS;
use super::options::Memo;
use super::ticket::LOCK;
use crate::cache::{Cache, CacheError};
use crate::client::Call as CallKind;
use crate::key::escape_glob;
use crate::scan::Walk;
use crate::shared_copy::Changed;

/// Whose answers are cleared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Calls<'a> {
    /// The site's.
    Site,
    /// One user's of the site.
    User(&'a str),
    /// Those of every user of the site.
    EveryUser,
    /// Those of all sites together.
    Shared,
}

impl Memo {
    /// Removes the function's answers, and makes those that are being computed not be kept. How many
    /// answers there were.
    pub fn clear(&self, cache: &Cache, whose: Calls<'_>) -> Result<u64, CacheError> {
        let (head, tail, any_user) = match whose {
            Calls::Site => (cache.make_key(self.stem()), Vec::new(), false),
            Calls::Shared => (self.stem().as_bytes().to_vec(), Vec::new(), false),
            Calls::User(user) => {
                (cache.make_key(crate::Key::from(self.stem()).user(user)), Vec::new(), false)
            }
            Calls::EveryUser => (cache.make_key("user:"), format!(":{}", self.stem()).into_bytes(), true),
        };
        let mut pattern = escape_glob(&head);
        pattern.push(b'*');
        if any_user {
            pattern.extend(escape_glob(&tail));
            pattern.push(b'*');
        }
        let mut removed = 0;
        let walked = cache.client.run(CallKind::Write, |redis| {
            let mut walk = Walk::new(Some(pattern.clone()));
            let mut doomed: Vec<Vec<u8>> = Vec::new();
            let mut locks = 0;
            while let Some(step) = walk.step(redis, &doomed)? {
                removed += step.removed.saturating_sub(locks);
                doomed = step.keys;
                doomed.retain(|key| is_call(key, &head, &tail));
                doomed.sort_unstable();
                doomed.dedup();
                locks = doomed.iter().filter(|key| key.ends_with(LOCK)).count() as u64;
            }
            Ok(())
        });
        cache.strict().follow(Changed::Any, |copy| {
            let calls: Vec<_> = copy
                .iter()
                .map(|(key, _)| key)
                .filter(|key| is_call(key, &head, &tail))
                .map(<[u8]>::to_vec)
                .collect();
            for key in &calls {
                copy.remove(key);
            }
        });
        walked?;
        Ok(removed)
    }
}

/// Whether a full key is a call's answer or lock: `head`, then anything if there is a `tail`, which then
/// stands right before the hash. A function's name holds no `:`, so a user's name can't hide its begin.
fn is_call(key: &[u8], head: &[u8], tail: &[u8]) -> bool {
    let answer = key.strip_suffix(LOCK).unwrap_or(key);
    let Some(at) = answer.len().checked_sub(HASH_DIGITS) else { return false };
    let (before, hash) = answer.split_at(at);
    hash.iter().all(u8::is_ascii_hexdigit)
        && before
            .strip_prefix(head)
            .is_some_and(|rest| if tail.is_empty() { rest.is_empty() } else { rest.ends_with(tail) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_keys_of_the_function_are_its_calls() {
        let hash = "0123456789abcdef0123456789abcdef";
        let is = |key: &str| is_call(format!("{key}{hash}").as_bytes(), b"D|m.f::", b"");
        assert!(is("D|m.f::"));
        assert!(!is("D|m.f::x"), "something else");
        assert!(!is("D|m.ff::") && !is("D|m.f:") && !is("D|user:u:m.f::") && !is("E|m.f::"));
        assert!(is_call(format!("D|m.f::{hash}:lock").as_bytes(), b"D|m.f::", b""));
        assert!(!is_call(b"D|m.f::", b"D|m.f::", b"") && !is_call(b"", b"D|m.f::", b""));

        let of_users = |key: &str| is_call(format!("{key}{hash}").as_bytes(), b"D|user:", b":m.f::");
        assert!(of_users("D|user:ann@x.co:m.f::") && of_users("D|user:a:b:m.f::"));
        assert!(!of_users("D|m.f::") && !of_users("D|user:ann:m.ff::") && !of_users("D|user:m.f::"));
    }
}
