use crate::command::{Descriptors, console, restores, vector};

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn the_monitors_come_before_what_libxl_has_written() {
    let descriptors = Descriptors { monitor: 3, own_monitor: 4, restore: None };
    let vector = vector(words(&["/usr/bin/qemu", "-L"]), words(&["-name", "a b"]), &descriptors);
    let wanted = [
        "/usr/bin/qemu",
        "-L",
        "-chardev",
        "socket,id=minios-libxl,fd=3,server=on,wait=off",
        "-mon",
        "chardev=minios-libxl,mode=control",
        "-chardev",
        "socket,id=minios-own,fd=4,server=on,wait=off",
        "-mon",
        "chardev=minios-own,mode=control",
        "-name",
        "a b",
    ];
    assert_eq!(vector, Some(words(&wanted)));
}

#[test]
fn a_restored_state_comes_from_its_descriptor() {
    let arguments = words(&["-incoming", "$STUBDOM_RESTORE_INCOMING_ARG", "-m", "$STUBDOM"]);
    assert!(restores(&arguments));
    assert!(!restores(&words(&["-incoming", "tcp:", "x$STUBDOM_RESTORE_INCOMING_ARG"])));
    let descriptors = Descriptors { monitor: 3, own_monitor: 4, restore: Some(5) };
    let vector = vector(words(&["qemu"]), arguments, &descriptors).expect("there is memory");
    assert_eq!(vector[9..], words(&["-incoming", "fd:5", "-m", "$STUBDOM"]));
}

#[test]
fn consoles_have_the_names_that_libxl_uses() {
    assert_eq!((console(0), console(3)), ("/dev/hvc0".into(), "/dev/hvc3".into()));
}
