//! Named streams of random numbers from one root seed.
//!
//! Each use has a stream of its own (`arrivals`, `durations`, ...), so that one more draw in
//! one place never moves the numbers of another, and threads can't interleave them.

use rand::SeedableRng;
use rand_pcg::Pcg64;

/// A stream of random numbers: the same for the same root seed and name, on every machine.
#[must_use]
pub fn stream(root: u64, name: &str) -> Pcg64 {
    let low = mix(root, name.as_bytes());
    let high = mix(low, b"high");
    let mut seed = [0u8; 32];
    for (chunk, word) in seed.chunks_exact_mut(8).zip([low, high, mix(high, b"3"), mix(high, b"4")])
    {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    Pcg64::from_seed(seed)
}

/// A 64-bit number from a root seed and two indices; for draws that must not depend on order,
/// such as the tie-break between equal nodes for one pod.
#[must_use]
pub fn hash(root: u64, first: u64, second: u64) -> u64 {
    finish(finish(root ^ finish(first.wrapping_add(GOLDEN))) ^ second)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// FNV-1a over the name, then the finaliser of `SplitMix64` (Steele, Lea, Flood 2014).
fn mix(root: u64, name: &[u8]) -> u64 {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    finish(root.wrapping_add(GOLDEN) ^ finish(hash))
}

fn finish(mut z: u64) -> u64 {
    z = z.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn one_name_gives_one_stream_and_another_name_another() {
        let draw = |root, name| stream(root, name).next_u64();
        assert_eq!(draw(7, "arrivals"), draw(7, "arrivals"));
        assert_ne!(draw(7, "arrivals"), draw(7, "durations"));
        assert_ne!(draw(7, "arrivals"), draw(8, "arrivals"));
    }
}
