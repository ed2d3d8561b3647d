//! The floor: commands that are ready, one write and one read each, and nothing looked at but the length.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// A bare socket.
pub struct Floor {
    socket: UnixStream,
    reply: Vec<u8>,
}

impl Floor {
    /// Connects.
    pub fn open(path: &str) -> std::io::Result<Self> {
        Ok(Self { socket: UnixStream::connect(path)?, reply: vec![0; 1 << 20] })
    }

    /// Sends a command. The reply is there when as many bytes came as the same command's first reply had,
    /// or, for that first one, when the server has no more to say.
    pub fn round_trip(&mut self, command: &[u8], length: Option<usize>) -> std::io::Result<usize> {
        self.socket.write_all(command)?;
        let mut got = 0;
        loop {
            let count = self.socket.read(&mut self.reply[got..])?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            got += count;
            match length {
                Some(length) if got >= length => return Ok(got),
                Some(_) => {}
                None => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    self.socket.set_nonblocking(true)?;
                    let rest = self.socket.read(&mut self.reply[got..]);
                    self.socket.set_nonblocking(false)?;
                    match rest {
                        Ok(count) if count > 0 => got += count,
                        _ => return Ok(got),
                    }
                }
            }
        }
    }
}

/// A command on the wire.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}
