//! Echoes what it receives, over TCP and UDP, on the port of its first argument (7).
#![no_std]
#![no_main]

extern crate alloc;

use minios_std::net::{self, TcpListener, TcpStream, UdpSocket};
use minios_std::{env, log, println, process::ExitCode, shutdown, stats, thread};

minios_std::main!(main);

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
