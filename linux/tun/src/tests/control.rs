//! `ioctl`.

use super::*;

#[test]
fn it_offers_what_a_device_model_asks_for() {
    let rig = Rig::new();
    let memory = memory(&[]);
    assert_eq!(rig.file.ioctl(TUNGETFEATURES, 0, &memory), Ok(0));
    let features = u16::from_le_bytes(memory.0.lock()[..2].try_into().unwrap());
    assert_eq!(features, IFF_TAP | IFF_NO_PI | IFF_ONE_QUEUE | IFF_VNET_HDR);
}

#[test]
fn a_name_belongs_to_one_file_and_is_free_when_that_closes() {
    let rig = Rig::with_tap(IFF_VNET_HDR);
    let again = rig.tuns.open(None);
    let request = || ifreq("vif7.0-emu", IFF_TAP | IFF_NO_PI);
    assert_eq!(again.ioctl(TUNSETIFF, 0, &request()), Err(Errno::EBUSY));
    assert_eq!(rig.file.ioctl(TUNSETIFF, 0, &request()), Err(Errno::EEXIST));
    let Rig { port, file, .. } = rig;
    drop(file);
    assert!(port.tap.lock().is_none());
    assert_eq!(again.ioctl(TUNSETIFF, 0, &request()), Ok(0));
}

#[test]
fn two_names_of_one_device_are_not_both_taps() {
    let rig = Rig::with_tap(0);
    let other = rig.tuns.open(None);
    assert_eq!(other.ioctl(TUNSETIFF, 0, &ifreq("vif8.0-emu", IFF_TAP | IFF_NO_PI)), Err(Errno::EBUSY));
    drop(rig.file);
    assert_eq!(other.ioctl(TUNSETIFF, 0, &ifreq("vif8.0-emu", IFF_TAP | IFF_NO_PI)), Ok(0));
}

#[test]
fn what_is_no_tap_of_ours_is_refused() {
    let rig = Rig::new();
    let attach = |name, flags| rig.file.ioctl(TUNSETIFF, 0, &ifreq(name, flags));
    assert_eq!(attach("vif7.0-emu", IFF_TUN | IFF_NO_PI), Err(Errno::EINVAL));
    assert_eq!(attach("vif7.0-emu", IFF_TAP | 0x100), Err(Errno::EINVAL));
    assert_eq!(attach("tap0", IFF_TAP), Err(Errno::ENODEV));
    assert_eq!(attach("vif7.0-emu-and-more", IFF_TAP), Err(Errno::EINVAL));
    assert_eq!(rig.file.ioctl(TUNSETIFF, 60, &memory(&[])), Err(Errno::EFAULT));
    assert_eq!(rig.read(2000), Err(Errno::EBADFD));
    assert_eq!(rig.write(&[0; 64]), Err(Errno::EBADFD));
    assert_eq!(rig.file.poll(), PollEvents::ERR);
    assert_eq!(attach("vif7.0-emu", IFF_TAP), Ok(0));
}

#[test]
fn names_are_those_of_the_toolstack() {
    assert_eq!(crate::vif_of("vif12.3-emu"), Some(3));
    for name in ["vif12.3", "vif.3-emu", "vif1.-emu", "vif1.+3-emu", "tap0", "vif1.2.3-emu", ""] {
        assert_eq!(crate::vif_of(name), None, "{name}");
    }
}

#[test]
fn settings_are_checked_and_told() {
    let rig = Rig::with_tap(IFF_VNET_HDR);
    let set = |command, value: i32| rig.file.ioctl(command, 0, &memory(&value.to_le_bytes()));
    let get = |command| {
        let memory = memory(&[]);
        rig.file.ioctl(command, 0, &memory).unwrap();
        i32::from_le_bytes(memory.0.lock()[..4].try_into().unwrap())
    };
    assert_eq!(get(TUNGETVNETHDRSZ), 10);
    assert_eq!((set(TUNSETVNETHDRSZ, 12), get(TUNGETVNETHDRSZ)), (Ok(0), 12));
    assert_eq!(set(TUNSETVNETHDRSZ, 9), Err(Errno::EINVAL));
    assert_eq!((set(TUNSETSNDBUF, 1 << 20), get(TUNGETSNDBUF)), (Ok(0), 1 << 20));
    assert_eq!(set(TUNSETSNDBUF, 0), Err(Errno::EINVAL));
    let offload = |flags: u32| rig.file.ioctl(TUNSETOFFLOAD, flags.into(), &memory(&[]));
    assert_eq!(offload(0), Ok(0));
    assert_eq!(offload(F_CSUM | F_TSO4 | F_TSO6 | F_TSO_ECN), Ok(0));
    assert_eq!(offload(F_TSO4), Err(Errno::EINVAL));
    assert_eq!(offload(F_CSUM | 0x10), Err(Errno::EINVAL));
    let request = memory(&[]);
    assert_eq!(rig.file.ioctl(TUNGETIFF, 0, &request), Ok(0));
    assert_eq!(&request.0.lock()[..11], b"vif7.0-emu\0");
    assert_eq!(request.0.lock()[16..18], (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR).to_le_bytes());
    assert_eq!(rig.file.ioctl(SIOCGIFHWADDR, 0, &request), Ok(0));
    assert_eq!(request.0.lock()[16..24], [1, 0, 0, 0x16, 0x3e, 1, 2, 3]);
}
