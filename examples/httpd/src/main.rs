//! The web server: a thread for each connection, files from the mounted tree below `/` or the first argument.
//!
//! The protocol is in the library part ([`httpd::http`]); here are sockets, threads and limits.
#![no_std]
#![no_main]
#![forbid(unsafe_op_in_unsafe_fn)]

extern crate alloc;

mod connection;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use httpd::site::VfsSite;
use minios_std::fs as files;
use minios_std::net::{TcpListener, TcpOptions};
use minios_std::sync::WaitQueue;
use minios_std::time::Duration;
use minios_std::{env, log, net, println, shutdown, stats, thread};

minios_std::main!(main);

type Site = VfsSite<&'static fs::Vfs>;

/// What a connection may need besides its queues: stack, request and response.
const CONNECTION_BYTES: usize = 32 * 1024;
const STACK_LEN: usize = 16 * 1024;
const BACKLOG: usize = 256;
const PORT: u16 = 80;

/// What the server counts, and waits for.
#[derive(Default)]
struct Server {
    open: AtomicUsize,
    /// Requests being answered.
    busy: AtomicUsize,
    connections: AtomicU64,
    requests: AtomicU64,
    /// A connection or an answer has ended.
    ended: WaitQueue,
}

fn main() -> Result<(), String> {
    let root = env::args().first().map_or("/", String::as_str);
    // The network's back end and the disk's are waited for at the same time.
    let network = thread::spawn(net::up).map_err(|error| error.to_string())?;
    let tree = files::tree().map_err(|error| error.to_string())?;
    let kind = tree.metadata(root).map_err(|error| error.to_string())?.kind;
    if kind != files::Kind::Directory {
        return Err(alloc::format!("`{root}` is not a directory"));
    }
    let site: Arc<Site> = Arc::new(VfsSite::new(tree, root));

    network.join().map_err(|error| error.to_string())?;
    let options = TcpOptions { rx_buffer: 4 << 10, tx_buffer: send_buffer(), ..TcpOptions::default() };
    let listener = TcpListener::bind_with(PORT, BACKLOG, options).map_err(|error| error.to_string())?;
    match net::wait_configured(Some(Duration::from_secs(10))) {
        Ok(interface) => println!("httpd: serving {root} on port {PORT} of {:?}", interface.addresses),
        Err(error) => log::warn!("no address yet: {error}"),
    }
    println!("httpd: {}", stats::now());

    let server = Arc::new(Server::default());
    let (theirs, limit) = (server.clone(), connection_limit());
    log::info!("up to {limit} connections at once");
    let acceptor = thread::Builder::new("accept").stack_len(STACK_LEN);
    acceptor.spawn(move || accept(&listener, &site, &theirs, limit)).map_err(|error| error.to_string())?;

    shutdown::wait();
    drain(&server);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "httpd: requests={} connections={} {}",
        count(&server.requests),
        count(&server.connections),
        stats::now()
    );
    for device in net::device_stats().unwrap_or_default() {
        log::info!("{device:?}");
    }
    Ok(())
}

/// Bytes that a connection may have on the way: the more memory, the more, since it bounds how fast a file is sent. All queues
/// together take no more than the half of the memory that the network has for them; they grow only while there is plenty.
fn send_buffer() -> usize {
    (stats::now().free_pages * 4096 / 16).clamp(32 << 10, 512 << 10)
}

/// As many as the other half of the memory that is free now can hold.
fn connection_limit() -> usize {
    (stats::now().free_pages * 4096 / 2 / CONNECTION_BYTES).max(4)
}

/// Accepts for ever; at the limit, new connections wait in the backlog.
fn accept(listener: &TcpListener, site: &Arc<Site>, server: &Arc<Server>, limit: usize) {
    loop {
        let seen = server.ended.seq();
        if server.open.load(Ordering::Relaxed) >= limit {
            server.ended.wait(seen, None);
            continue;
        }
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                log::warn!("accept: {error}");
                thread::sleep(Duration::from_millis(10));
                continue;
            }
        };
        server.open.fetch_add(1, Ordering::Relaxed);
        server.connections.fetch_add(1, Ordering::Relaxed);
        let (site, server) = (site.clone(), server.clone());
        let ours = server.clone();
        let spawned = thread::Builder::new("connection").stack_len(STACK_LEN).spawn(move || {
            connection::serve(&stream, &site, &server);
            drop(stream);
            server.open.fetch_sub(1, Ordering::Relaxed);
            server.ended.wake_all();
        });
        if let Err(error) = spawned {
            log::warn!("a connection is refused: {error}");
            ours.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Lets the answers that have begun end, for some seconds.
fn drain(server: &Server) {
    let deadline = minios_std::time::Instant::now() + Duration::from_secs(5);
    loop {
        let seen = server.ended.seq();
        if server.busy.load(Ordering::Relaxed) == 0 || minios_std::time::Instant::now() >= deadline {
            return;
        }
        server.ended.wait(seen, Some(deadline.as_nanos()));
    }
}
