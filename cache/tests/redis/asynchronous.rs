//! Asynchronous functions under `#[redis_cache]`, on a runtime of twenty lines.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use dontmanage_cache::{
    Cache, Client, ClientOptions, KeyPrefix, current_cache, current_user, redis_cache, with_cache,
    with_cache_async,
};

use crate::server::{PATIENCE, Server, patient};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut future, end) = (pin!(future), Instant::now() + PATIENCE);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park_timeout(end.saturating_duration_since(Instant::now())),
        }
        assert!(Instant::now() < end, "the future was never woken");
    }
}

/// All of them by turns, on one thread.
async fn all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<(usize, Pin<Box<_>>)> = futures.into_iter().map(Box::pin).enumerate().collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        running.retain_mut(|(number, future)| match future.as_mut().poll(context) {
            Poll::Ready(answer) => {
                done.push((*number, answer));
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, answer)| answer).collect()
}

/// Lets the others have a turn.
async fn turn() {
    let mut had = false;
    std::future::poll_fn(|context| {
        if had {
            return Poll::Ready(());
        }
        had = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn cache(server: &Server, site: &str) -> Cache {
    let client = Client::with_options(server.url(), ClientOptions::new().deadlines(patient()));
    Cache::new(client, KeyPrefix::new(site).expect("a prefix"))
}

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

#[redis_cache(ttl = "60s")]
async fn slow_add(a: i64, b: i64) -> i64 {
    RUNS.set(RUNS.get() + 1);
    for _ in 0..10 {
        turn().await;
    }
    a + b
}

#[redis_cache]
async fn checked(number: i32) -> Result<i32, String> {
    RUNS.set(RUNS.get() + 1);
    turn().await;
    let number = u8::try_from(number).map_err(|error| error.to_string())?;
    Ok(number.into())
}

#[test]
fn tasks_of_one_thread_share_one_run_of_the_body() {
    let server = Server::start();
    let cache = cache(&server, "site");
    with_cache(&cache, || {
        let sums = block_on(all((0..20).map(|_| slow_add(40, 2)).collect()));
        assert_eq!((sums, RUNS.get()), (vec![42; 20], 1));
        assert_eq!((block_on(slow_add(40, 2)), RUNS.get()), (42, 1));
        assert_eq!(slow_add::clear_cache(), 1);
        assert_eq!((block_on(slow_add(40, 2)), RUNS.get()), (42, 2));
    });
    assert_eq!(cache.get_keys("").len(), 1, "no lock is left");
}

#[test]
fn errors_of_asynchronous_functions_are_not_kept() {
    let server = Server::start();
    with_cache(&cache(&server, "site"), || {
        assert!(block_on(checked(-1)).is_err() && block_on(checked(-1)).is_err());
        assert_eq!(RUNS.get(), 2);
        assert_eq!((block_on(checked(1)), block_on(checked(1))), (Ok(1), Ok(1)));
        assert_eq!(RUNS.get(), 3);
    });
    assert_eq!((block_on(checked(1)), RUNS.get()), (Ok(1), 4), "without a cache it is the plain function");
}

#[test]
fn a_task_that_is_dropped_leaves_the_call_to_the_next() {
    let server = Server::start();
    with_cache(&cache(&server, "site"), || {
        #[redis_cache]
        async fn first_hangs() -> u32 {
            RUNS.set(RUNS.get() + 1);
            if RUNS.get() == 1 {
                std::future::pending::<()>().await;
            }
            7
        }
        let mut first = Box::pin(first_hangs());
        block_on(std::future::poll_fn(|context| {
            assert!(first.as_mut().poll(context).is_pending());
            if RUNS.get() == 1 { Poll::Ready(()) } else { Poll::Pending }
        }));
        drop(first);
        assert_eq!(block_on(first_hangs()), 7);
        assert_eq!(RUNS.get(), 2);
    });
}

#[test]
fn a_task_has_its_cache_and_user_in_every_turn_and_nobody_elses() {
    let server = Server::start();
    let (one, other) = (cache(&server, "one"), cache(&server, "other"));
    let who = || async {
        let mut seen = Vec::new();
        for _ in 0..5 {
            let site = current_cache().map(|cache| cache.prefix().to_string());
            seen.push((site, current_user().map(|user| user.to_string())));
            turn().await;
        }
        seen.dedup();
        seen
    };
    let seen = block_on(all(vec![
        with_cache_async(&one, Some("ann"), who()),
        with_cache_async(&other, None, who()),
    ]));
    let named = |site: &str, user: Option<&str>| vec![(Some(site.to_owned()), user.map(str::to_owned))];
    assert_eq!(seen, [named("one", Some("ann")), named("other", None)]);
    assert_eq!(block_on(who()), [(None, None)]);
}

#[test]
fn futures_may_move_between_threads() {
    fn sendable<T: Send>(future: T) -> T {
        future
    }
    let server = Server::start();
    let cache = cache(&server, "site");
    let work = sendable(with_cache_async(&cache, None, slow_add(1, 2)));
    std::thread::scope(|scope| scope.spawn(|| assert_eq!(block_on(work), 3)).join().expect("it ends"));
}

#[test]
fn the_thread_of_the_tasks_never_waits_for_the_server() {
    let server = Server::start();
    let cache = cache(&server, "site");
    assert!(cache.connected());
    server.signal("-STOP");
    let beats = AtomicUsize::new(0);
    let woken = Instant::now() + Duration::from_millis(300);
    with_cache(&cache, || {
        block_on(async {
            let mut call = pin!(slow_add(5, 5));
            std::future::poll_fn(|context| {
                let start = Instant::now();
                assert!(call.as_mut().poll(context).is_pending(), "the server is stopped");
                assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
                beats.fetch_add(1, Ordering::Relaxed);
                context.waker().wake_by_ref();
                if Instant::now() > woken { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            server.signal("-CONT");
            assert_eq!(call.await, 10);
        });
    });
    assert!(beats.load(Ordering::Relaxed) > 100);
}

#[test]
fn blocking_work_is_done_where_the_program_says() {
    // Of the process, as the setting is: the other tests' work goes this way too.
    static JOBS: AtomicUsize = AtomicUsize::new(0);
    dontmanage_cache::set_offload(|job| {
        JOBS.fetch_add(1, Ordering::SeqCst);
        std::thread::spawn(job);
    });
    let server = Server::start();
    with_cache(&cache(&server, "site"), || {
        assert_eq!(block_on(slow_add(1, 1)), 2);
    });
    assert!(JOBS.load(Ordering::SeqCst) >= 2);
}
