//! Targets of crates that have no entry point of their own.

use console::Console;
use minios_cli::{cfg, gates, image, pack, symbols as table};
use xen::fake::{Progress, World};
use xen::{Access, Clock, DomId, EventPort, SharedMemory, SharedPage};
use xen_sys::io::console as abi;

use crate::cmdline::CommandLine;

/// An application's TOML file.
pub fn cli_toml(data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    match cfg::generate("fuzz.toml", &source, &cfg::Settings::default()) {
        Ok(generated) => assert!(!generated.text.is_empty()),
        Err(problems) => assert!(!problems.0.is_empty() && problems.to_string().starts_with("fuzz.toml:")),
    }
    // What is packed reaches its kernel through the kernel's own parser.
    match pack::command_line("fuzz.toml", &source) {
        Ok((line, file)) => {
            let parsed = CommandLine::parse(&format!("{line} {}", file.unwrap_or_default()));
            assert!(
                line.len() < 1024 && parsed.get("root").is_some() && !parsed.arguments.is_empty(),
                "{line}"
            );
        }
        Err(error) => assert!(error.to_string().starts_with("fuzz.toml:"), "{error}"),
    }
}

/// A guest's command line.
pub fn command_line(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    let parsed = CommandLine::parse(&line);
    let words = parsed.settings.len() + parsed.arguments.len();
    assert!(words <= line.len(), "{words} words of {} bytes", line.len());
}

/// What a linker may have made.
pub fn guest_elf(data: &[u8]) {
    if let Ok(built) = image::build(data) {
        std::hint::black_box(built);
    }
    let _ = gates::check(data, &gates::Exceptions::default());
}

/// A symbol table as the guest finds it at the end of its image; the first eight bytes are an address to look up.
pub fn symbols(data: &[u8]) {
    let Some((address, bytes)) = data.split_first_chunk() else { return };
    if let Some(table) = table::SymbolTable::new(bytes) {
        let _ = table.lookup(u64::from_le_bytes(*address));
        assert!(table.iter().count() <= bytes.len());
    }
}

/// A console whose other end writes what it likes into the ring page; two bytes are the place of a word, four its value.
pub fn console_rings(data: &[u8]) {
    let world = World::new();
    let Ok(page) = SharedPage::new(&*world, DomId::DOM0, Access::ReadWrite) else { return };
    let Ok(port) = EventPort::alloc(&*world, DomId::DOM0) else { return };
    let (gref, number) = (page.gref().raw(), port.port().raw());
    let mut lies = data.to_vec().into_iter();
    world.add_peer(move |xen| {
        let (Some(high), Some(low)) = (lies.next(), lies.next()) else { return Progress::None };
        let mut word = || (0..4).fold(0, |word, _| word << 8 | u32::from(lies.next().unwrap_or(0)));
        let peer = xen.peer(DomId::DOM0);
        let (Ok(page), Some(port)) = (peer.map_rw(gref), peer.bind(number)) else { return Progress::None };
        let indices = [abi::IN_CONS, abi::IN_PROD, abi::OUT_CONS, abi::OUT_PROD];
        let (at, value) = match high {
            // Mostly the indices, and near to where they are.
            0..128 => {
                let index = indices[usize::from(low % 4)];
                (index, page.load_u32(index).wrapping_add(u32::from(high) << (low >> 4)))
            }
            128..192 => (indices[usize::from(low % 4)], word()),
            _ => ((usize::from(high) << 8 | usize::from(low)) * 4 % 4096, word()),
        };
        page.store_u32(at, value);
        port.notify();
        Progress::Made
    });
    let console = Console::new(&*world, page, port);
    let mut buf = [0; 100];
    for round in 0..data.len() / 4 {
        console.write_no_wait(&data[round..]);
        console.write(&data[..round]);
        let _ = console.wait_input(Some(world.now_ns() + 1_000_000));
        let _ = console.read(&mut buf[..1 + round % 99]);
        console.pump();
    }
    console.flush(Some(world.now_ns() + 1_000_000));
}
