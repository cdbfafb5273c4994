//! `struct tcp_info` of Linux (`linux/tcp.h`, 6.1), from what [`net::TcpInfo`] tells.

use net::TcpInfo;

/// Its length.
pub(super) const LEN: usize = 232;
/// Bits of `tcpi_options`.
const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const WINDOW_SCALE: u8 = 4;
/// `tcpi_ca_state`.
const RECOVERY: u8 = 3;
const LOSS: u8 = 4;
/// What Linux says before there was a segment, or a loss.
const FIRST_SEGMENT: u32 = 536;
const FIRST_TIMEOUT: u32 = 1_000_000;
const FIRST_WINDOW: u32 = 10;
const NO_THRESHOLD: u32 = 0x7fff_ffff;
const REORDERING: u32 = 3;

/// The structure for a socket in this state; without a connection, as Linux has it for one that was never connected.
pub(super) fn encode(state: u8, info: Option<&TcpInfo>) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[0] = state;
    let Some(info) = info else {
        let first = [
            (8, FIRST_TIMEOUT),
            (16, FIRST_SEGMENT),
            (76, NO_THRESHOLD),
            (80, FIRST_WINDOW),
            (88, REORDERING),
        ];
        first.into_iter().for_each(|(at, value)| put(&mut bytes, at, &value.to_le_bytes()));
        return bytes;
    };
    bytes[1] = if info.timed_out {
        LOSS
    } else if info.recovers {
        RECOVERY
    } else {
        0
    };
    bytes[2] = info.backoff;
    bytes[4] = info.backoff;
    let (peer_scale, own_scale) = info.scales;
    bytes[5] = if info.timestamps { TIMESTAMPS } else { 0 }
        | if info.selective { SACK } else { 0 }
        | if peer_scale | own_scale != 0 { WINDOW_SCALE } else { 0 };
    bytes[6] = peer_scale & 15 | own_scale << 4;
    let segment = info.segment.max(1);
    let segments = |bytes: u32| bytes.div_ceil(segment);
    let threshold = if info.threshold >= 1 << 30 { NO_THRESHOLD } else { segments(info.threshold) };
    let counts = &info.counts;
    for (at, value) in [
        (8, info.timeout),
        (16, segment),
        (20, info.peer_segment),
        (24, segments(info.flight)),
        (28, segments(info.told)),
        (32, segments(info.lost)),
        (44, info.since_sent / 1000),
        (52, info.since_received / 1000),
        (56, info.since_received / 1000),
        (60, info.path_mtu),
        (64, info.receive_buffer),
        (68, info.round_trip),
        (72, info.variation),
        (76, threshold),
        (80, segments(info.window)),
        (84, info.path_mtu.saturating_sub(52)),
        (88, REORDERING),
        (96, info.receive_buffer),
        (100, counts.resent),
        (136, counts.segments_out),
        (140, counts.segments_in),
        (144, info.unsent),
        (148, info.least_round_trip),
        (152, counts.data_in),
        (156, counts.data_out),
        (192, (counts.acked_bytes / u64::from(segment)) as u32),
        (228, info.peer_window),
    ] {
        put(&mut bytes, at, &value.to_le_bytes());
    }
    for (at, value) in [
        // No pacing: no limit.
        (112, u64::MAX),
        (120, counts.acked_bytes),
        (128, counts.received_bytes),
        (200, counts.sent_bytes),
        (208, counts.resent_bytes),
    ] {
        put(&mut bytes, at, &value.to_le_bytes());
    }
    bytes
}

fn put(bytes: &mut [u8; LEN], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}
