//! One connection: requests in, answers out, in order.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use fs::File;
use httpd::http::{Body, Limits, RequestReader, Responder, Response, Status};
use minios_std::net::{Error, Result, TcpStream};
use minios_std::time::{self, Duration};

use crate::{Server, Site};

/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(15);
/// How long a peer may take to receive some of an answer.
const STALLED: Duration = Duration::from_secs(30);
/// After an error: how much is still read, and for how long, so that the answer is not lost in a reset.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// Answers are collected up to here before they are written.
const BATCH: usize = 8 * 1024;
/// A file is read in pieces of so many bytes: what one request to a disk can carry.
const PIECE: usize = 44 * 1024;

pub fn serve(stream: &TcpStream, site: &Site, server: &Server) {
    stream.set_read_timeout(Some(IDLE));
    stream.set_write_timeout(Some(STALLED));
    let limits = Limits { head_bytes: 4096, ..Limits::default() };
    let mut connection = Connection {
        stream,
        site,
        server,
        reader: RequestReader::new(limits),
        responder: Responder::new(),
        out: Vec::new(),
    };
    // What goes wrong between the two ends of a connection is not the server's concern.
    let _ = connection.run();
}

struct Connection<'a> {
    stream: &'a TcpStream,
    site: &'a Site,
    server: &'a Server,
    reader: RequestReader,
    responder: Responder,
    out: Vec<u8>,
}

/// Whether the connection goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Request,
    Close,
}

impl Connection<'_> {
    fn run(&mut self) -> Result<()> {
        loop {
            let busy = Busy::new(self.server);
            let next = self.answer_all()?;
            self.send()?;
            drop(busy);
            if next == Next::Close {
                return self.close();
            }
            match self.stream.read(self.reader.space()) {
                Ok(0) => return Ok(()),
                Ok(count) => self.reader.commit(count),
                Err(Error::TimedOut) if self.reader.is_mid_request() => {
                    self.refuse(Status::RequestTimeout);
                    self.send()?;
                    return self.close();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Answers the requests that have come whole.
    fn answer_all(&mut self) -> Result<Next> {
        loop {
            let now = time::recent_since_epoch().as_secs() as i64;
            let response: Response<File> = match self.reader.next_request() {
                Ok(None) => return Ok(Next::Request),
                Ok(Some(request)) => {
                    if request.expects_continue {
                        self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    self.responder.respond(&request, self.site, now)
                }
                Err(error) => {
                    self.refuse(error.status());
                    return Ok(Next::Close);
                }
            };
            self.server.requests.fetch_add(1, Ordering::Relaxed);
            self.out.extend_from_slice(self.responder.head());
            if let Body::File { handle, start, len } = response.body {
                self.send_file(&handle, start, len)?;
            }
            if response.close {
                return Ok(Next::Close);
            }
            if self.out.len() >= BATCH {
                self.send()?;
            }
        }
    }

    fn refuse(&mut self, status: Status) {
        self.server.requests.fetch_add(1, Ordering::Relaxed);
        let now = time::recent_since_epoch().as_secs() as i64;
        let _: Response<File> = self.responder.refuse(status, now);
        self.out.extend_from_slice(self.responder.head());
    }

    /// A part of a file, behind what is to be sent already.
    fn send_file(&mut self, file: &File, mut at: u64, len: u64) -> Result<()> {
        let end = at + len;
        while at < end {
            let before = self.out.len();
            let piece = PIECE.min(usize::try_from(end - at).unwrap_or(PIECE));
            self.out.resize(before + piece, 0);
            let count = match file.read_at(at, &mut self.out[before..]) {
                Ok(count @ 1..) => count,
                outcome => {
                    // The length is promised already: only a reset tells the peer that the rest is missing.
                    minios_std::log::error!("reading a file failed at byte {at}: {outcome:?}");
                    self.stream.abort();
                    return Err(Error::ConnectionAborted);
                }
            };
            self.out.truncate(before + count);
            at += count as u64;
            if at < end || self.out.len() >= BATCH {
                self.send()?;
            }
        }
        // Between requests a connection needs little.
        self.out.shrink_to(BATCH);
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let result = self.stream.write_all(&self.out);
        self.out.clear();
        result
    }

    /// Ends the connection so that the last answer arrives: what the peer still sends is read and thrown away.
    fn close(&mut self) -> Result<()> {
        self.stream.shutdown_write()?;
        self.stream.set_read_timeout(Some(LINGER));
        let mut read = 0;
        while read < LINGER_BYTES {
            self.out.resize(1024, 0);
            match self.stream.read(&mut self.out)? {
                0 => break,
                count => read += count,
            }
        }
        Ok(())
    }
}

/// Counts an answer while it is being made.
struct Busy<'a>(&'a Server);

impl<'a> Busy<'a> {
    fn new(server: &'a Server) -> Self {
        server.busy.fetch_add(1, Ordering::Relaxed);
        Self(server)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.wake_all();
    }
}
