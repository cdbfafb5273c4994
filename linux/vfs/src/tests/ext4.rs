//! A tree over ext4, as a guest's root is.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use alloc::sync::Arc;
use core::ops::ControlFlow;

use linux_base::OpenFlags;
use linux_base::io::VecSink;
use linux_mm::{PAGE_SIZE, Pager};

use super::World;
use crate::inode::FileSystem;
use crate::regular::RegularFile;
use crate::tree::{Lower, Options, Tree};

/// Files in the large directory.
const MANY: usize = 700;

/// An image with files of many shapes, made by mke2fs.
fn image(name: &str) -> (Vec<u8>, Vec<u8>) {
    let scratch = std::env::temp_dir().join(format!("minios-vfs-ext4-{name}-{}", std::process::id()));
    let root = scratch.join("root");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(root.join("many")).unwrap();
    let content: Vec<u8> = (0..1_000_001usize).map(|at| ((at * 31) >> 3) as u8).collect();
    fs::write(root.join("large"), &content).unwrap();
    fs::write(root.join("one"), "linked").unwrap();
    fs::hard_link(root.join("one"), root.join("two")).unwrap();
    std::os::unix::fs::symlink("large", root.join("link")).unwrap();
    for index in 0..MANY {
        fs::write(root.join(format!("many/a-name-that-takes-some-room-{index}")), "").unwrap();
    }
    let program =
        ["/sbin/mke2fs", "/usr/sbin/mke2fs"].map(PathBuf::from).into_iter().find(|path| path.exists());
    let program = program.expect("this test needs mke2fs of e2fsprogs (apt install e2fsprogs)");
    let image = scratch.join("image");
    let mut command = Command::new(program);
    command.args(["-q", "-F", "-t", "ext4", "-d"]).arg(&root).arg(&image).arg("16M");
    assert!(command.output().unwrap().status.success());
    let bytes = fs::read(&image).unwrap();
    let _ = fs::remove_dir_all(&scratch);
    (bytes, content)
}

#[test]
fn a_root_on_ext4_is_read_and_changed() {
    let (image, content) = image("changed");
    let ext4 = Arc::new(::fs::Ext4::mount(image, 256 * 1024).unwrap());
    let lower = Some(Lower::new(ext4.clone(), None));
    let tree = Tree::new(Options { lower, kind: "overlay", ..Options::default() }).unwrap();
    let world = World::over(tree);

    // Hard links count, and go one by one.
    let (one, two) = (world.stat("/one").unwrap(), world.stat("/two").unwrap());
    assert_eq!((one.ino, one.nlink), (two.ino, 2));
    world.write("/two", "changed");
    assert_eq!(world.read("/one").unwrap(), "changed");
    world.unlink("/one").unwrap();
    assert_eq!((world.stat("/two").unwrap().nlink, world.read("/two").unwrap()), (1, "changed".into()));

    // Small and large reads see the same bytes.
    let file = world.open("/link", OpenFlags::empty()).unwrap();
    let mut bytes = Vec::new();
    while bytes.len() < 100_000 {
        let limit = bytes.len() + 777;
        file.read(None, &mut VecSink::new(&mut bytes, limit), 0).unwrap();
    }
    while file.read(None, &mut VecSink::new(&mut bytes, 1 << 21), 0).unwrap() > 0 {}
    assert!(bytes == content);
    let node = file.downcast::<RegularFile>().unwrap().node();
    let last = node.page(content.len() as u64 / PAGE_SIZE as u64, false).unwrap().unwrap();
    let mut tail = [1; PAGE_SIZE];
    last.read(0, &mut tail);
    let left = content.len() % PAGE_SIZE;
    assert!(tail[..left] == content[content.len() - left..] && tail[left..].iter().all(|byte| *byte == 0));

    // A list that is interrupted again and again misses nothing and repeats nothing, though names go meanwhile.
    for name in ["b", "a"] {
        world.write(&format!("/many/{name}"), "");
    }
    let directory = world.open("/many", OpenFlags::DIRECTORY).unwrap();
    let mut names = Vec::new();
    loop {
        let mut batch = Vec::new();
        crate::directory::list(&directory, &mut |entry| {
            if batch.len() == 7 {
                return ControlFlow::Break(());
            }
            batch.push(String::from_utf8(entry.name.to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
        if batch.is_empty() {
            break;
        }
        batch.retain(|name| !name.starts_with('.'));
        for name in &batch {
            world.unlink(&format!("/many/{name}")).unwrap();
        }
        names.extend(batch);
    }
    assert_eq!(&names[MANY..], ["b", "a"]);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), MANY + 2);
    world.rmdir("/many").unwrap();
}

#[test]
fn a_read_only_mount_tells_of_the_disk() {
    let (image, _) = image("read-only");
    let ext4 = Arc::new(::fs::Ext4::mount(image, 256 * 1024).unwrap());
    let options = Options { lower: Some(Lower::new(ext4, None)), is_read_only: true, ..Options::default() };
    let tree = Tree::new(Options { kind: "ext4", magic: 0xef53, ..options }).unwrap();
    let usage = tree.usage();
    assert_eq!((usage.magic, usage.blocks * usage.block_size), (0xef53, 16 << 20));
    assert!(usage.free > 0 && usage.free < usage.blocks && usage.free_inodes < usage.inodes);
    let world = World::over(tree);
    let about = world.stat("/large").unwrap();
    assert_eq!((about.size, about.blocks >= 1954), (1_000_001, true));
    assert_eq!(world.list("/many").unwrap().len(), MANY);
}
