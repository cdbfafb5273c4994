//! Names of disks from their numbers, as xen-vbd-interface(7) has them.

use alloc::format;
use alloc::string::String;

const XVD_MAJOR: u32 = 202;
const SD_MAJOR: u32 = 8;
const IDE_MAJORS: [u32; 2] = [3, 22];

/// The name of the device number `id`: 51712 is `xvda`, 51713 `xvda1`, 768 `hda`. A number that the interface does not
/// define is `vbd-ID`.
pub fn device_name(id: u32) -> String {
    let (prefix, disk, partition) = match (id >> 28, (id >> 8) & 0xf_ffff) {
        (1, disk) => ("xvd", disk, id & 0xff),
        (0, XVD_MAJOR) => ("xvd", (id & 0xff) >> 4, id & 0xf),
        (0, SD_MAJOR) => ("sd", (id & 0xff) >> 4, id & 0xf),
        (0, major) if major == IDE_MAJORS[0] && id & 0xff < 128 => ("hd", (id & 0xff) >> 6, id & 0x3f),
        (0, major) if major == IDE_MAJORS[1] && id & 0xff < 128 => ("hd", 2 + ((id & 0xff) >> 6), id & 0x3f),
        _ => return format!("vbd-{id}"),
    };
    let letters = letters(disk);
    if partition == 0 { format!("{prefix}{letters}") } else { format!("{prefix}{letters}{partition}") }
}

/// 0 is `a`, 25 `z`, 26 `aa`.
fn letters(disk: u32) -> String {
    let mut letters = String::new();
    let mut left = disk + 1;
    while left > 0 {
        left -= 1;
        letters.insert(0, char::from(b'a' + (left % 26) as u8));
        left /= 26;
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::device_name;

    #[test]
    fn numbers_become_the_names_of_xen_vbd_interface() {
        for (id, name) in [
            (51712, "xvda"),
            (51713, "xvda1"),
            (51728, "xvdb"),
            (51712 + 255, "xvdp15"),
            ((1 << 28) | (16 << 8), "xvdq"),
            ((1 << 28) | (25 << 8) | 200, "xvdz200"),
            ((1 << 28) | (26 << 8), "xvdaa"),
            ((1 << 28) | (701 << 8), "xvdzz"),
            ((1 << 28) | (702 << 8), "xvdaaa"),
            (0x1fff_ffff, "xvdbgqcv255"),
            (2048, "sda"),
            (2048 + 17, "sdb1"),
            (768, "hda"),
            (768 + 64 + 3, "hdb3"),
            (5632, "hdc"),
            (5632 + 64, "hdd"),
            (768 + 128, "vbd-896"),
            (0, "vbd-0"),
            (2 << 28, "vbd-536870912"),
            (u32::MAX, "vbd-4294967295"),
        ] {
            assert_eq!(device_name(id), name, "{id}");
        }
    }
}
