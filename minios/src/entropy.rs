//! Random numbers: ChaCha20 with fast key erasure, keyed at boot from RDRAND and from what differs between boots.

/// A ChaCha20 generator whose key is replaced with each use, so that a leaked key tells nothing of the past.
pub struct Generator {
    key: [u32; 8],
}

impl Generator {
    /// Keys it. Every bit of every seed word changes the key.
    pub fn new(seeds: &[u64]) -> Self {
        let mut generator = Self { key: [0x6d69_6e69, 0x6f73_2072, 0x616e_646f, 0x6d00_0001, 1, 2, 3, 4] };
        for seed in seeds {
            generator.mix(*seed);
        }
        generator
    }

    /// Mixes more into the key.
    pub fn mix(&mut self, seed: u64) {
        self.key[0] ^= seed as u32;
        self.key[1] ^= (seed >> 32) as u32;
        self.next_block();
    }

    /// Fills the buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let block = self.next_block();
            for (index, byte) in chunk.iter_mut().enumerate() {
                *byte = block[index / 4].to_le_bytes()[index % 4];
            }
        }
    }

    /// 256 bits to give out; the other 256 of the block become the key.
    fn next_block(&mut self) -> [u32; 8] {
        let block = chacha20_block(&self.key, 0, [0; 3]);
        let mut out = [0; 8];
        self.key.copy_from_slice(&block[..8]);
        out.copy_from_slice(&block[8..]);
        out
    }
}

/// The block function of RFC 8439, section 2.3.
fn chacha20_block(key: &[u32; 8], counter: u32, nonce: [u32; 3]) -> [u32; 16] {
    let mut state = [0u32; 16];
    state[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    state[4..12].copy_from_slice(key);
    state[12] = counter;
    state[13..].copy_from_slice(&nonce);
    let start = state;
    for _ in 0..10 {
        for [a, b, c, d] in [
            [0, 4, 8, 12],
            [1, 5, 9, 13],
            [2, 6, 10, 14],
            [3, 7, 11, 15],
            [0, 5, 10, 15],
            [1, 6, 11, 12],
            [2, 7, 8, 13],
            [3, 4, 9, 14],
        ] {
            state[a] = state[a].wrapping_add(state[b]);
            state[d] = (state[d] ^ state[a]).rotate_left(16);
            state[c] = state[c].wrapping_add(state[d]);
            state[b] = (state[b] ^ state[c]).rotate_left(12);
            state[a] = state[a].wrapping_add(state[b]);
            state[d] = (state[d] ^ state[a]).rotate_left(8);
            state[c] = state[c].wrapping_add(state[d]);
            state[b] = (state[b] ^ state[c]).rotate_left(7);
        }
    }
    for (word, start) in state.iter_mut().zip(start) {
        *word = word.wrapping_add(start);
    }
    state
}

#[cfg(target_os = "none")]
pub(crate) use guest::init;
#[cfg(target_os = "none")]
pub use guest::{fill, has_rdrand, random_u64};

#[cfg(target_os = "none")]
mod guest {
    use super::Generator;
    use crate::sync::SpinLock;
    use crate::{boot, time};

    static GENERATOR: SpinLock<Option<Generator>> = SpinLock::new(None);

    /// Whether the processor has RDRAND (CPUID leaf 1, ECX bit 30).
    pub fn has_rdrand() -> bool {
        core::arch::x86_64::__cpuid(1).ecx >> 30 & 1 == 1
    }

    /// One word of RDRAND; `None` when it has none after ten tries, or a value that broken ones return for ever.
    fn rdrand() -> Option<u64> {
        for _ in 0..10 {
            let (value, ok): (u64, u8);
            // SAFETY: CPUID said that the instruction is there.
            unsafe {
                core::arch::asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) ok, options(nomem, nostack));
            }
            if ok != 0 && value != 0 && value != u64::MAX {
                return Some(value);
            }
        }
        None
    }

    fn tsc() -> u64 {
        // SAFETY: every x86-64 processor has a TSC.
        unsafe { core::arch::x86_64::_rdtsc() }
    }

    pub(crate) fn init() {
        let info = boot::info();
        let mut generator = Generator::new(&[
            tsc(),
            time::wall_clock_ns(),
            info.shared_info,
            info.store_mfn,
            info.console_mfn,
        ]);
        let words = if has_rdrand() {
            (0..8).filter_map(|_| rdrand()).map(|word| generator.mix(word)).count()
        } else {
            0
        };
        // Without RDRAND: the jitter of the TSC over reads of the clock. Weak, and better than nothing. With it, a little
        // of the same in case RDRAND is not what it says.
        for _ in 0..if words == 8 { 4 } else { 64 } {
            generator.mix(tsc() ^ time::now_ns().rotate_left(32));
        }
        *GENERATOR.lock() = Some(generator);
    }

    /// Fills the buffer with random bytes.
    pub fn fill(buffer: &mut [u8]) {
        let mut generator = GENERATOR.lock();
        let generator = generator.get_or_insert_with(|| Generator::new(&[tsc()]));
        generator.mix(tsc());
        generator.fill(buffer);
    }

    /// A random number.
    pub fn random_u64() -> u64 {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_that_of_rfc_8439() {
        // Section 2.3.2.
        let mut key = [0u32; 8];
        for (index, word) in key.iter_mut().enumerate() {
            let first = index as u8 * 4;
            *word = u32::from_le_bytes([first, first + 1, first + 2, first + 3]);
        }
        let block = chacha20_block(&key, 1, [0x0900_0000, 0x4a00_0000, 0]);
        assert_eq!(block[..4], [0xe4e7_f110, 0x1559_3bd1, 0x1fdd_0f50, 0xc471_20a3]);
        assert_eq!(block[12..], [0xd19c_12b5, 0xb94e_16de, 0xe883_d0cb, 0x4e3c_50a2]);
    }

    #[test]
    fn every_seed_bit_matters_and_output_never_repeats() {
        let mut seen = std::collections::BTreeSet::new();
        for bit in 0..64 {
            let mut generator = Generator::new(&[1 << bit, 7]);
            let mut buffer = [0; 40];
            for _ in 0..4 {
                generator.fill(&mut buffer);
                assert!(buffer.iter().any(|byte| *byte != 0));
                assert!(seen.insert(buffer.to_vec()));
            }
        }
    }
}
