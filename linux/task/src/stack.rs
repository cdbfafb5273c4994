//! The first contents of a program's stack: count and pointers of arguments and environment, the auxiliary vector, and the
//! strings (System V ABI for x86-64, "Process Initialization"; `getauxval(3)`).

use alloc::vec::Vec;

use linux_base::{Errno, Result};

/// Longest single string (`MAX_ARG_STRLEN`), with its final zero.
pub const MAX_STRING: usize = 32 * 4096;

/// A tag of the auxiliary vector and its value (`AT_*` of `linux/auxvec.h`).
pub type Auxiliary = (u64, u64);

/// Tags whose values are addresses of what is laid out here.
const AT_NULL: u64 = 0;
const AT_PLATFORM: u64 = 15;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;

/// What goes onto the stack.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The arguments, without final zeroes.
    pub arguments: &'a [Vec<u8>],
    /// The environment.
    pub environment: &'a [Vec<u8>],
    /// The path that was executed.
    pub path: &'a [u8],
    /// 16 random bytes for the program.
    pub random: [u8; 16],
    /// The auxiliary vector, without platform, random bytes, path and end, which are added.
    pub auxiliary: &'a [Auxiliary],
}

/// The stack, to be copied to a program's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// The stack pointer, where the bytes begin.
    pub rsp: u64,
    /// The bytes, up to the top.
    pub bytes: Vec<u8>,
    /// First address of the arguments' strings and the one behind the last: `/proc/PID/cmdline`.
    pub arguments: (u64, u64),
    /// The same of the environment.
    pub environment: (u64, u64),
    /// The auxiliary vector as it lies there: `/proc/PID/auxv`.
    pub auxiliary: Vec<u8>,
}

/// Lays the stack out below `top`. `E2BIG` when it is longer than `limit` bytes, or a string than [`MAX_STRING`].
pub fn build(top: u64, contents: &Contents<'_>, limit: usize) -> Result<Image> {
    let strings = || contents.arguments.iter().chain(contents.environment);
    if strings().any(|string| string.len() >= MAX_STRING) {
        return Err(Errno::E2BIG);
    }
    // From the top: 8 zeroes, the path, environment, arguments, platform, random bytes; then what points to them.
    let text: usize = strings().map(|string| string.len() + 1).sum();
    let counted = strings().count();
    let words = 1 + counted + 2 + (contents.auxiliary.len() + 4) * 2;
    let platform = b"x86_64\0";
    let fixed = 8 + contents.path.len() + 1 + platform.len() + 16;
    let total = text.checked_add(fixed + words * 8 + 64).ok_or(Errno::E2BIG)?;
    if total > limit || total as u64 > top {
        return Err(Errno::E2BIG);
    }
    let strings_start = top - (text + fixed) as u64;
    let rsp = (strings_start - (words * 8) as u64) & !15;

    let mut image =
        Image { rsp, bytes: Vec::new(), arguments: (0, 0), environment: (0, 0), auxiliary: Vec::new() };
    image.bytes.try_reserve_exact((top - rsp) as usize)?;
    let mut tail = Vec::new();
    tail.try_reserve_exact(text + fixed)?;
    let at = |tail: &Vec<u8>| strings_start + tail.len() as u64;

    let random_at = at(&tail);
    tail.extend_from_slice(&contents.random);
    let platform_at = at(&tail);
    tail.extend_from_slice(platform);
    image.arguments.0 = at(&tail);
    push_word(&mut image.bytes, contents.arguments.len() as u64);
    push_strings(&mut image.bytes, &mut tail, strings_start, contents.arguments);
    image.arguments.1 = at(&tail);
    image.environment.0 = at(&tail);
    push_strings(&mut image.bytes, &mut tail, strings_start, contents.environment);
    image.environment.1 = at(&tail);
    let path_at = at(&tail);
    tail.extend_from_slice(contents.path);
    tail.extend_from_slice(&[0; 9]);

    let own = [(AT_PLATFORM, platform_at), (AT_RANDOM, random_at), (AT_EXECFN, path_at), (AT_NULL, 0)];
    for (tag, value) in contents.auxiliary.iter().chain(&own) {
        push_word(&mut image.auxiliary, *tag);
        push_word(&mut image.auxiliary, *value);
    }
    image.bytes.extend_from_slice(&image.auxiliary);
    image.bytes.resize((strings_start - rsp) as usize, 0);
    image.bytes.extend_from_slice(&tail);
    Ok(image)
}

fn push_word(bytes: &mut Vec<u8>, word: u64) {
    bytes.extend_from_slice(&word.to_le_bytes());
}

/// The strings go to `tail`, pointers to them and a zero to `bytes`.
fn push_strings(bytes: &mut Vec<u8>, tail: &mut Vec<u8>, tail_start: u64, strings: &[Vec<u8>]) {
    for string in strings {
        push_word(bytes, tail_start + tail.len() as u64);
        tail.extend_from_slice(string);
        tail.push(0);
    }
    push_word(bytes, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = 0x7fff_ffff_e000;

    fn strings(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    fn word(image: &Image, address: u64) -> u64 {
        let at = (address - image.rsp) as usize;
        u64::from_le_bytes(image.bytes[at..at + 8].try_into().unwrap())
    }

    fn text(image: &Image, address: u64) -> &[u8] {
        image.bytes[(address - image.rsp) as usize..].split(|byte| *byte == 0).next().unwrap()
    }

    #[test]
    fn a_program_finds_what_it_was_given() {
        for extra in 0..20 {
            let arguments = strings(&["ls", "-l", "", &"x".repeat(extra)]);
            let environment = strings(&["HOME=/root", "A="]);
            let contents = Contents {
                arguments: &arguments,
                environment: &environment,
                path: b"/bin/ls",
                random: *b"0123456789abcdef",
                auxiliary: &[(6, 4096), (9, 0x1040)],
            };
            let image = build(TOP, &contents, 1 << 20).unwrap();
            assert_eq!((image.rsp % 16, image.rsp + image.bytes.len() as u64), (0, TOP));
            assert_eq!(word(&image, image.rsp), 4);
            let mut at = image.rsp + 8;
            for expected in [&arguments, &environment] {
                for string in expected {
                    assert_eq!(text(&image, word(&image, at)), string);
                    at += 8;
                }
                assert_eq!(word(&image, at), 0);
                at += 8;
            }
            let mut found = Vec::new();
            loop {
                let pair = (word(&image, at), word(&image, at + 8));
                at += 16;
                match pair {
                    (AT_NULL, _) => break,
                    (AT_EXECFN, path) => assert_eq!(text(&image, path), b"/bin/ls"),
                    (AT_PLATFORM, platform) => assert_eq!(text(&image, platform), b"x86_64"),
                    (AT_RANDOM, random) => assert_eq!(&text(&image, random)[..16], b"0123456789abcdef"),
                    other => found.push(other),
                }
            }
            assert_eq!(found, contents.auxiliary);
            assert_eq!(image.arguments.1 - image.arguments.0, 3 + 3 + 1 + 1 + extra as u64);
            assert_eq!(text(&image, image.environment.0), b"HOME=/root");
        }
    }

    #[test]
    fn too_much_is_e2big() {
        let big = strings(&[&"x".repeat(MAX_STRING)]);
        let many = vec![b"x".to_vec(); 1000];
        let contents = |arguments| Contents {
            arguments,
            environment: &[],
            path: b"/x",
            random: [0; 16],
            auxiliary: &[],
        };
        assert_eq!(build(TOP, &contents(&big), 1 << 30), Err(Errno::E2BIG));
        assert_eq!(build(TOP, &contents(&many), 8192), Err(Errno::E2BIG));
        assert!(build(TOP, &contents(&many), 1 << 20).is_ok());
        assert_eq!(build(100, &contents(&many), 1 << 20), Err(Errno::E2BIG));
    }
}
