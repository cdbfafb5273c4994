//! `ioctl_tty(2)`.

use alloc::sync::Arc;

use linux_base::abi::general::*;
use linux_base::abi::ioctl::*;
use linux_base::file::UserMemory;
use linux_base::{Errno, Result};

use crate::discipline::Effects;
use crate::output::Stopped;
use crate::termios::{Termios, WindowSize};
use crate::tty::Tty;

/// Through which file a call comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Through {
    /// The terminal itself.
    Terminal { can_read: bool },
    /// The master of a pseudo-terminal; its calls mean the terminal, and job control does not apply.
    Master,
}

type Memory<'a> = &'a (dyn UserMemory + 'a);

pub(crate) fn ioctl(
    tty: &Arc<Tty>,
    through: Through,
    command: u32,
    at: u64,
    memory: Memory<'_>,
) -> Result<i64> {
    let is_master = through == Through::Master;
    match command {
        TCGETS => memory.write(at, &tty.termios().to_bytes()[..Termios::SIZE])?,
        TCGETS2 => memory.write(at, &tty.termios().to_bytes())?,
        TCSETS | TCSETSW | TCSETSF | TCSETS2 | TCSETSW2 | TCSETSF2 => {
            set_termios(tty, is_master, command, at, memory)?;
        }
        TIOCGWINSZ => {
            let window = tty.state.lock().window;
            memory.write(at, &window.to_bytes())?;
        }
        TIOCSWINSZ => {
            let mut bytes = [0; 8];
            memory.read(at, &mut bytes)?;
            tty.set_window(WindowSize::from_bytes(bytes));
        }
        TIOCGPGRP => memory.write_u32(at, tty.foreground(is_master)?.cast_unsigned())?,
        TIOCSPGRP => set_foreground(tty, at, memory)?,
        TIOCGSID => memory.write_u32(at, tty.session(is_master)?.cast_unsigned())?,
        TIOCSCTTY => match through {
            Through::Terminal { can_read } => tty.set_controlling(at == 1, can_read)?,
            Through::Master => return Err(Errno::EIO),
        },
        TIOCNOTTY if is_master => return Err(Errno::ENOTTY),
        TIOCNOTTY => tty.leave()?,
        FIONREAD => memory.write_u32(at, readable_len(tty, is_master))?,
        TIOCOUTQ => {
            let len = if is_master { 0 } else { tty.state.lock().line.output.ready.len() };
            memory.write_u32(at, u32::try_from(len).unwrap_or(u32::MAX))?;
        }
        TCFLSH => flush(tty, is_master, at)?,
        TCXONC => flow(tty, is_master, at)?,
        // Output goes out at once, and there is no line to send a break on.
        TCSBRK | TCSBRKP | TIOCSBRK | TIOCCBRK => {
            if !is_master {
                tty.check_change()?;
            }
        }
        TIOCEXCL => tty.state.lock().is_exclusive = true,
        TIOCNXCL => tty.state.lock().is_exclusive = false,
        TIOCGEXCL => {
            let is_exclusive = tty.state.lock().is_exclusive;
            memory.write_u32(at, is_exclusive.into())?;
        }
        TIOCGETD => memory.write_u32(at, 0)?,
        TIOCSETD => {
            if memory.read_u32(at)? != 0 {
                return Err(Errno::EINVAL);
            }
        }
        TIOCGDEV => memory.write_u32(at, tty.device.encode() as u32)?,
        TIOCVHANGUP => {
            if !tty.jobs().is_admin() {
                return Err(Errno::EPERM);
            }
            tty.hang_up();
        }
        // Typing for others is what Linux refuses by now, too.
        TIOCSTI => return Err(Errno::EIO),
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

fn set_termios(tty: &Tty, is_master: bool, command: u32, at: u64, memory: Memory<'_>) -> Result<()> {
    if !is_master {
        tty.check_change()?;
    }
    let mut bytes = [0; Termios::SIZE];
    memory.read(at, &mut bytes)?;
    let speeds = if matches!(command, TCSETS2 | TCSETSW2 | TCSETSF2) {
        let speed = |offset| memory.read_u32(at.wrapping_add(Termios::SIZE as u64 + offset));
        Some([speed(0)?, speed(4)?])
    } else {
        None
    };
    let new = tty.termios().changed_by(&bytes, speeds);
    tty.set_termios(new, matches!(command, TCSETSF | TCSETSF2));
    Ok(())
}

fn set_foreground(tty: &Tty, at: u64, memory: Memory<'_>) -> Result<()> {
    tty.set_foreground(memory.read_u32(at)?.cast_signed())
}

fn readable_len(tty: &Tty, is_master: bool) -> u32 {
    let state = tty.state.lock();
    let len = if is_master { state.line.output.ready.len() } else { state.line.readable_len() };
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn flush(tty: &Tty, is_master: bool, what: u64) -> Result<()> {
    if !is_master {
        tty.check_change()?;
    }
    let (input, output) = match u32::try_from(what) {
        Ok(TCIFLUSH) => (true, false),
        Ok(TCOFLUSH) => (false, true),
        Ok(TCIOFLUSH) => (true, true),
        _ => return Err(Errno::EINVAL),
    };
    // What is input to the master is output to the terminal.
    let (typed, written) = if is_master { (output, input) } else { (input, output) };
    let mut effects = Effects::default();
    tty.take_output(|state| {
        if typed {
            state.flush_input();
            effects.packet |= TIOCPKT_FLUSHREAD as u8;
        }
        if written {
            state.line.output.flush();
            effects.packet |= TIOCPKT_FLUSHWRITE as u8;
        }
        Ok(0)
    })?;
    tty.apply(effects);
    tty.ask_for_input();
    Ok(())
}

fn flow(tty: &Tty, is_master: bool, what: u64) -> Result<()> {
    if !is_master {
        tty.check_change()?;
    }
    let mut effects = Effects::default();
    {
        let mut state = tty.state.lock();
        let line = &mut state.line;
        match u32::try_from(what) {
            Ok(TCOOFF) => line.stop(Stopped::Called, &mut effects),
            Ok(TCOON) => {
                if line.output.stopped == Some(Stopped::Called) {
                    line.output.stopped = Some(Stopped::Typed);
                    line.start(&mut effects);
                }
            }
            Ok(TCIOFF) => send_character(line, VSTOP),
            Ok(TCION) => send_character(line, VSTART),
            _ => return Err(Errno::EINVAL),
        }
    }
    tty.apply(effects);
    Ok(())
}

fn send_character(line: &mut crate::discipline::Discipline, index: u32) {
    let byte = line.termios.cc(index);
    if byte != 0 {
        line.output.write_raw(&[byte]);
    }
}
