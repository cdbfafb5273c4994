//! Entry points for fuzz targets: any bytes, no panic, and what must hold of every result.

use linux_base::Errno;

use crate::signal::frame::{self, Interrupted};
use crate::signal::{Action, ActionFlags, AltStack, SigInfo, Signal};
use crate::{bytes, elf, script, stack};

/// An executable file: the header, and the program headers where it says they are.
pub fn elf(data: &[u8]) {
    let Ok(header) = elf::Header::parse(&bytes::array(data, 0)) else { return };
    let start = usize::try_from(header.program_headers).unwrap_or(usize::MAX);
    let table = data.get(start..).unwrap_or_default();
    match elf::Plan::parse(&header, table) {
        Ok(plan) => {
            let mut end = 0;
            for segment in &plan.segments {
                assert!(segment.start >= end && segment.start % 4096 == 0 && segment.offset % 4096 == 0);
                assert!(segment.start <= segment.file_end && segment.file_end <= segment.end);
                end = segment.pages_end();
            }
            assert_eq!(plan.len(), end - plan.start());
        }
        Err(errno) => assert_eq!(errno, Errno::ENOEXEC),
    }
}

/// The beginning of a script.
pub fn script(data: &[u8]) {
    if let Some(script) = script::parse(&data[..data.len().min(script::HEAD_LEN)]) {
        assert!(!script.interpreter.is_empty() && !script.interpreter.contains(&b' '));
        assert!(script.argument.is_none_or(|argument| !argument.is_empty()));
    }
}

/// A signal's frame as a program may have left it, and a frame made for a stack pointer and alternate stack out of the bytes.
pub fn signal_frame(data: &[u8]) {
    if let Ok(restored) = frame::restore(&bytes::array(data, 0)) {
        assert_eq!(restored.registers.rflags & !(frame::USER_FLAGS | 0x202), 0);
        let (len, _) = frame::fpu_len(&bytes::array(data, 400), 2696);
        assert!((512..=2696).contains(&len));
        let interrupted = Interrupted {
            registers: restored.registers,
            mask: restored.mask,
            alt_stack: AltStack::from_bytes(&bytes::array(data, 24)).unwrap_or_default(),
            fpu: &[0; 832],
            features: 7,
            exception: [0; 3],
        };
        let action = Action { handler: 8, flags: ActionFlags::ONSTACK, ..Action::default() };
        let info = SigInfo::from_bytes(Signal::USR1, &bytes::array(data, 100));
        if let Some(frame) = frame::build(&info, &action, &interrupted) {
            let head: [u8; frame::LEN] = bytes::array(&frame.bytes, 0);
            let again = frame::restore(&head).map(|again| again.registers);
            assert_eq!(again, Ok(restored.registers));
        }
    }
}

/// A first stack: the strings are separated by zeroes.
pub fn first_stack(data: &[u8]) {
    let strings: alloc::vec::Vec<_> = data.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    let (arguments, environment) = strings.split_at(strings.len() / 2);
    let contents =
        stack::Contents { arguments, environment, path: b"/x", random: [1; 16], auxiliary: &[(6, 4096)] };
    let top = 0x7fff_f000;
    if let Ok(image) = stack::build(top, &contents, 1 << 16) {
        assert_eq!((image.rsp % 16, image.rsp + image.bytes.len() as u64), (0, top));
    }
}
