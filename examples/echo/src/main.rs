//! Echoes what it receives, over TCP and UDP, on the port of its first argument (7).
//!
//! `vchan=PATH` serves dom0 over a vchan below that node, too; `vchan-client=PATH` connects to one that dom0 serves.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use minios_std::net::{self, TcpListener, TcpStream, UdpSocket};
use minios_std::vchan::{Client, DomId, Server, Sizes};
use minios_std::{env, log, println, process::ExitCode, shutdown, stats, thread, vchan};

minios_std::main!(main, options: &["vchan", "vchan-client"]);

fn main() -> Result<ExitCode, net::Error> {
    let port = match env::args().first().map(|port| port.parse::<u16>()) {
        None => 7,
        Some(Ok(port)) => port,
        Some(Err(_)) => {
            log::error!("argument `{}` is not a port from 0 to 65535", env::args()[0]);
            return Ok(ExitCode(2));
        }
    };
    let (listener, socket) = (TcpListener::bind(port)?, UdpSocket::bind(port)?);
    if let Some(path) = env::option("vchan") {
        spawn("vchan server", || serve_vchan(path));
    }
    if let Some(path) = env::option("vchan-client") {
        spawn("vchan client", || follow_vchan(path));
    }
    match net::wait_configured(Some(core::time::Duration::from_secs(10))) {
        Ok(interface) => println!("echo: {} port {port}, {:?}", interface.name, interface.addresses),
        Err(error) => log::warn!("no address yet: {error}"),
    }
    spawn("tcp", move || accept(&listener));
    spawn("udp", move || datagrams(&socket));
    shutdown::wait();
    println!("echo: {}", stats::now());
    Ok(ExitCode::SUCCESS)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new(name).spawn(work) {
        log::error!("{error}");
    }
}

fn accept(listener: &TcpListener) {
    loop {
        match listener.accept() {
            Ok((stream, _)) => spawn("connection", move || connection(&stream)),
            Err(error) => log::warn!("accept: {error}"),
        }
    }
}

/// Ends with the peer's end, or with an error that is the peer's affair.
fn connection(stream: &TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

fn datagrams(socket: &UdpSocket) {
    let mut buffer = [0; 2048];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                if let Err(error) = socket.send_to(&buffer[..len], from) {
                    log::warn!("{from}: {error}");
                }
            }
            Err(error) => log::warn!("receive: {error}"),
        }
    }
}

/// Serves dom0, one client after the other.
fn serve_vchan(path: &str) {
    let mut server = match Server::new(DomId::DOM0, path, Sizes::default()) {
        Ok(server) => server,
        Err(error) => return log::error!("{path}: {error}"),
    };
    println!("echo: vchan {path}");
    for number in 1.. {
        match server.accept() {
            Ok(client) => {
                let (count, end) = echo(|into| client.read(into), |bytes| client.write(bytes));
                println!("echo: vchan client {number}: {count} bytes, {end}");
            }
            Err(error) => return log::error!("{path}: {error}"),
        }
    }
}

/// Connects to what dom0 serves, and again when that ends.
fn follow_vchan(path: &str) {
    loop {
        match Client::connect(DomId::DOM0, path, None) {
            Ok(client) => {
                println!("echo: connected to {path}");
                let (count, end) = echo(|into| client.read(into), |bytes| client.write(bytes));
                println!("echo: vchan server: {count} bytes, {end}");
            }
            Err(error) => return log::error!("{path}: {error}"),
        }
    }
}

/// Sends back what comes, until the end; says how much it was, and why it ended.
fn echo(
    read: impl Fn(&mut [u8]) -> Result<usize, vchan::Error>,
    write: impl Fn(&[u8]) -> Result<usize, vchan::Error>,
) -> (u64, String) {
    let (mut total, mut buffer) = (0, [0; 4096]);
    loop {
        let count = match read(&mut buffer) {
            Ok(0) => return (total, "then it went".into()),
            Ok(count) => count,
            Err(error) => return (total, format!("then {error}")),
        };
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            match write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) => return (total, format!("then {error}")),
            }
        }
        total += count as u64;
    }
}
