//! Measures calls to one redis-server, each alone, in whatever regime the process was put into.
//!
//!     cache-bench SOCKET         a line "CLIENT WORKLOAD COUNT" in, a line "P50 P99 LONGEST" in µs out
//!
//! Clients: `floor` (a bare socket, for commands that are ready), `signed`, `unsigned` (the cache) and
//! `redis-rs`. The line `probe` asks for the same value until another line comes; it answers
//! that it does, and in the end like a client.

mod calls;
mod floor;

use std::io::{BufRead, Write};
use std::time::Instant;

use calls::Clients;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let socket = std::env::args().nth(1).ok_or("usage: cache-bench SOCKET")?;
    let mut clients = Clients::new(&socket)?;
    let mut out = std::io::stdout();
    let mut lines = std::io::stdin().lock().lines();
    while let Some(line) = lines.next() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let times = match words[..] {
            ["probe"] => probe(&mut clients, &mut lines, &mut out)?,
            [client, workload, count] => {
                let count: usize = count.parse()?;
                let mut call = clients.call(client, workload)?;
                for _ in 0..count / 10 {
                    call()?;
                }
                let mut times = Vec::with_capacity(count);
                for _ in 0..count {
                    let begin = Instant::now();
                    call()?;
                    times.push(begin.elapsed().as_nanos());
                }
                times
            }
            _ => return Err(format!("not understood: {line}").into()),
        };
        writeln!(out, "{}", shown(times))?;
        out.flush()?;
    }
    Ok(())
}

/// Asks for a value again and again, on a thread of its own, until the next line comes.
fn probe(
    clients: &mut Clients,
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    out: &mut impl Write,
) -> Outcome<Vec<u128>> {
    let mut socket = clients.floor()?;
    let command = floor::command(&[b"GET", b"floor|small"]);
    let length = socket.round_trip(&command, None)?;
    writeln!(out, "probing")?;
    out.flush()?;
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let mut times = Vec::new();
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                let begin = Instant::now();
                socket.round_trip(&command, Some(length))?;
                times.push(begin.elapsed().as_nanos());
            }
            Ok::<_, std::io::Error>(times)
        });
        lines.next().transpose()?;
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(prober.join().map_err(|_| "the prober panicked")??)
    })
}

fn shown(mut times: Vec<u128>) -> String {
    times.sort_unstable();
    let micros = |at: usize| {
        let nanos = times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or(0);
        format!("{}.{:03}", nanos / 1000, nanos % 1000)
    };
    [micros(times.len() / 2), micros(times.len() * 99 / 100), micros(times.len())].join(" ")
}
