//! Random operations, here and in a directory of the host, which must say the same.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use alloc::sync::Arc;

use linux_base::io::{SliceSource, VecSink};
use linux_base::{Errno, OpenFile, OpenFlags};

use super::World;
use super::overlay::{self, Where};
use crate::Follow;
use crate::tree::{Options, Tree};

/// A small generator of reproducible noise.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn name(&mut self) -> &'static str {
        ["a", "b", "c", "d", "e"][self.below(5)]
    }

    /// A path that stays below the directory of the test: `..` only behind a name, which is never the directory itself.
    fn path(&mut self) -> String {
        let mut path = String::new();
        for depth in 0..=[0, 0, 0, 1, 1, 2][self.below(6)] {
            if depth > 0 {
                path.push('/');
            }
            path.push_str(self.name());
            match self.below(24) {
                0 => path.push_str("/../a"),
                1 => path.push_str("/."),
                2 => path.push('/'),
                3 => path = format!("./{path}"),
                _ => {}
            }
        }
        path
    }
}

/// What an operation said: some text, or an error's number.
type Said = Result<String, i32>;

struct Both {
    world: World,
    host: PathBuf,
    umask: u32,
    /// Files that stay open.
    open: Vec<(Arc<OpenFile>, fs::File)>,
    compares_directories: bool,
}

impl Drop for Both {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.host);
    }
}

fn ours<T>(result: linux_base::Result<T>, tell: impl FnOnce(T) -> String) -> Said {
    result.map(tell).map_err(|errno| i32::from(errno.number()))
}

fn theirs<T>(result: std::io::Result<T>, tell: impl FnOnce(T) -> String) -> Said {
    result.map(tell).map_err(|error| error.raw_os_error().unwrap_or_else(|| panic!("{error}")))
}

fn nothing<T>(_: T) -> String {
    String::new()
}

impl Both {
    fn new(tree: Arc<Tree>, name: &str) -> Self {
        let shm = Path::new("/dev/shm");
        let above = if shm.is_dir() { shm.to_path_buf() } else { std::env::temp_dir() };
        let host = above.join(format!("minios-vfs-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&host);
        fs::DirBuilder::new().mode(0o777).create(&host).unwrap();
        let about = fs::metadata(&host).unwrap();
        let mut world = World::over(tree);
        let mut all = vec![String::from("/")];
        while let Some(path) = all.pop() {
            let place = world.context().walk(None, path.as_bytes(), Follow::No).unwrap();
            world.context().chown(&place, Some(about.uid()), Some(about.gid())).unwrap();
            if world.stat(&path).unwrap().mode.is_directory() {
                all.extend(world.list(&path).unwrap().iter().map(|name| format!("{path}/{name}")));
            }
        }
        world.become_user(about.uid());
        world.credentials.gid = linux_base::cred::Ids::all(about.gid());
        Self {
            world,
            umask: !about.mode() & 0o777,
            open: Vec::new(),
            compares_directories: above == shm,
            host,
        }
    }

    /// One random operation; what it was, and what each said.
    fn step(&mut self, noise: &mut Noise) -> (String, Said, Said) {
        let context = crate::Context { umask: self.umask, ..self.world.context() };
        let (path, other) = (noise.path(), noise.path());
        let at = self.host.join(&path);
        let bytes = path.as_bytes();
        // More links than this, and most names lead nowhere.
        let kind = noise.below(17);
        match if kind == 7 && noise.below(4) > 0 { 3 } else { kind } {
            0 | 1 => {
                let host = fs::create_dir(&at);
                (
                    format!("mkdir {path}"),
                    ours(context.mkdir(None, bytes, 0o777), nothing),
                    theirs(host, nothing),
                )
            }
            2 => (
                format!("rmdir {path}"),
                ours(context.rmdir(None, bytes), nothing),
                theirs(fs::remove_dir(&at), nothing),
            ),
            3 => (
                format!("unlink {path}"),
                ours(context.unlink(None, bytes), nothing),
                theirs(fs::remove_file(&at), nothing),
            ),
            4 | 5 => {
                let here = context.rename(None, bytes, None, other.as_bytes(), Default::default());
                let host = fs::rename(&at, self.host.join(&other));
                (format!("rename {path} {other}"), ours(here, nothing), theirs(host, nothing))
            }
            6 => {
                let here = context.link(None, bytes, Follow::No, None, other.as_bytes());
                let host = fs::hard_link(&at, self.host.join(&other));
                (format!("link {path} {other}"), ours(here, nothing), theirs(host, nothing))
            }
            7 => {
                let target = if noise.below(2) == 0 {
                    noise.name().to_string()
                } else {
                    format!("{}/{}", noise.name(), noise.name())
                };
                let here = context.symlink(target.as_bytes(), None, bytes);
                let host = std::os::unix::fs::symlink(&target, &at);
                (format!("symlink {target} {path}"), ours(here, nothing), theirs(host, nothing))
            }
            8 => {
                let here = ours(context.read_link(None, bytes), |target| String::from_utf8(target).unwrap());
                let host = theirs(fs::read_link(&at), |target| target.to_str().unwrap().to_string());
                (format!("readlink {path}"), here, host)
            }
            9 => {
                let tell = |mode: u32, len: u64| {
                    format!("{mode:o} {}", if mode & 0o170000 == 0o040000 { 0 } else { len })
                };
                let here = ours(context.stat(None, bytes, Follow::Yes), |stat| tell(stat.mode.0, stat.size));
                (
                    format!("stat {path}"),
                    here,
                    theirs(fs::metadata(&at), |about| tell(about.mode(), about.len())),
                )
            }
            10 => {
                let len = noise.below(20_000) as u64;
                let here = context.truncate(None, bytes, len);
                let host = fs::OpenOptions::new().write(true).open(&at).and_then(|file| file.set_len(len));
                (format!("truncate {path} {len}"), ours(here, nothing), theirs(host, nothing))
            }
            11 => {
                let mode =
                    [0o755, 0o644, 0o700, 0o4711, 0o2770, 0o1777, 0o000, 0o555, 0o777, 0o777, 0o755, 0o775]
                        [noise.below(12)];
                let here =
                    context.walk(None, bytes, Follow::Yes).and_then(|place| context.chmod(&place, mode));
                let host = fs::set_permissions(&at, fs::Permissions::from_mode(mode));
                (format!("chmod {mode:o} {path}"), ours(here, nothing), theirs(host, nothing))
            }
            12..=14 => self.open_one(noise, &path),
            _ => self.use_open(noise),
        }
    }

    fn open_one(&mut self, noise: &mut Noise, path: &str) -> (String, Said, Said) {
        let context = crate::Context { umask: self.umask, ..self.world.context() };
        // Those whose errors the standard library does not decide itself.
        let extra = [
            OpenFlags::empty(),
            OpenFlags::CREAT,
            OpenFlags::CREAT | OpenFlags::EXCL,
            OpenFlags::CREAT | OpenFlags::TRUNC,
            OpenFlags::TRUNC,
            OpenFlags::NOFOLLOW,
            OpenFlags::DIRECTORY,
            OpenFlags::CREAT | OpenFlags::NOFOLLOW,
        ][noise.below(8)];
        let is_reader = noise.below(3) == 0;
        let flags = extra | if is_reader { OpenFlags::empty() } else { OpenFlags::RDWR };
        let mode = [0o666, 0o600, 0o777][noise.below(3)];
        let here = context.open(None, path.as_bytes(), flags, mode);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(!is_reader).mode(mode).custom_flags(extra.bits() as i32);
        let host = options.open(self.host.join(path));
        let what = format!("open {path} {flags:?} {mode:o}");
        match (here, host) {
            (Ok(here), Ok(host)) => {
                if self.open.len() >= 6 {
                    self.open.swap_remove(noise.below(6));
                }
                self.open.push((here, host));
                (what, Ok(String::new()), Ok(String::new()))
            }
            (here, host) => (what, ours(here, nothing), theirs(host, nothing)),
        }
    }

    fn use_open(&mut self, noise: &mut Noise) -> (String, Said, Said) {
        if self.open.is_empty() {
            return ("nothing".into(), Ok(String::new()), Ok(String::new()));
        }
        let index = noise.below(self.open.len());
        let (here, host) = &self.open[index];
        let (at, len) = (noise.below(20_000) as u64, noise.below(9000));
        match noise.below(4) {
            0 | 1 => {
                let bytes: Vec<u8> = (0..len).map(|_| b'a' + noise.below(26) as u8).collect();
                let ours =
                    ours(here.write(Some(at), &mut SliceSource::new(&bytes), 0), |len| len.to_string());
                (
                    format!("write {index} {at} {len}"),
                    ours,
                    theirs(host.write_at(&bytes, at), |len| len.to_string()),
                )
            }
            2 => {
                let mut bytes = Vec::new();
                let read = here.read(Some(at), &mut VecSink::new(&mut bytes, len), 0);
                let ours = ours(read, |_| String::from_utf8(bytes).unwrap());
                let mut bytes = vec![0; len];
                let theirs = theirs(host.read_at(&mut bytes, at), |len| {
                    String::from_utf8(bytes[..len].to_vec()).unwrap()
                });
                (format!("read {index} {at} {len}"), ours, theirs)
            }
            _ => {
                let ours = ours(self.world.context().truncate_file(here, at), nothing);
                (format!("ftruncate {index} {at}"), ours, theirs(host.set_len(at), nothing))
            }
        }
    }

    /// All that can be seen, of both.
    fn compare(&self) {
        for (here, host) in &self.open {
            let (here, host) = (here.file().stat().unwrap(), host.metadata().unwrap());
            if here.mode.is_regular() {
                assert_eq!((here.nlink, here.size), (host.nlink() as u32, host.len()));
            }
        }
        self.compare_below(Path::new(""));
    }

    fn compare_below(&self, path: &Path) {
        let mut root = World::over(Tree::tmpfs().unwrap());
        let context = {
            root.become_user(0);
            crate::Context { credentials: &root.credentials, ..self.world.context() }
        };
        let name = |path: &Path| format!("./{}", path.display());
        let directory = context.open(None, name(path).as_bytes(), OpenFlags::DIRECTORY, 0).unwrap();
        let mut here = Vec::new();
        let list = crate::directory::list(&directory, &mut |entry| {
            here.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.kind));
            core::ops::ControlFlow::Continue(())
        });
        assert_eq!(list, Ok(()));
        here.retain(|(name, _)| name != "." && name != "..");
        here.sort();
        let host_path = self.host.join(path);
        let Ok(listed) = fs::read_dir(&host_path) else { return };
        let mut host: Vec<_> =
            listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        host.sort();
        assert_eq!(here.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), host, "in {path:?}");
        for (child, kind) in here {
            let child = path.join(child);
            let about = context.stat(None, name(&child).as_bytes(), Follow::No).unwrap();
            let Ok(host) = fs::symlink_metadata(self.host.join(&child)) else { continue };
            assert_eq!((about.mode.0, about.mode.dirent_type()), (host.mode(), kind), "{child:?}");
            if !about.mode.is_directory() {
                assert_eq!((about.nlink, about.size), (host.nlink() as u32, host.len()), "{child:?}");
            } else if self.compares_directories {
                assert_eq!(u64::from(about.nlink), host.nlink(), "{child:?}");
            }
            if about.mode.is_regular() {
                if let Ok(content) = fs::read(self.host.join(&child)) {
                    let file = context.open(None, name(&child).as_bytes(), OpenFlags::empty(), 0).unwrap();
                    let mut bytes = Vec::new();
                    while file.read(None, &mut VecSink::new(&mut bytes, 1 << 20), 0).unwrap() > 0 {}
                    assert!(bytes == content, "content of {child:?}");
                }
            } else if about.mode.is_directory() {
                self.compare_below(&child);
            }
        }
    }

    fn run(mut self, seed: u64, steps: usize) {
        let mut noise = Noise(seed);
        let mut log = Vec::new();
        let mut went_well = 0;
        for step in 0..steps {
            let (what, here, host) = self.step(&mut noise);
            // An empty error number never comes up, so the two cannot agree by accident.
            went_well += usize::from(here.is_ok());
            log.push(format!("{what}: {}", if here.is_ok() { "ok" } else { "error" }));
            let tail = || log[log.len().saturating_sub(12)..].join("\n");
            let errno = |said: &Said| said.as_ref().err().map(|number| Errno::from_number(*number as u16));
            assert!(
                here == host,
                "seed {seed} step {step}: {:?} here, {:?} there\n{}",
                errno(&here),
                errno(&host),
                tail()
            );
            if step % 50 == 49 {
                self.compare();
            }
            if noise.below(100) == 0 {
                self.world.vfs.names.purge(self.world.vfs.root().dentry());
                crate::reclaim::reclaim(20);
            }
        }
        assert!(went_well * 6 > steps, "{went_well} of {steps} went well: too few to mean much");
    }
}

#[test]
fn tmpfs_says_what_the_host_says() {
    for seed in 1..=24 {
        let tree = Tree::new(Options { mode: 0o755, ..Options::default() }).unwrap();
        Both::new(tree, &format!("tmpfs-{seed}")).run(seed * 7919, 1500);
    }
}

#[test]
fn an_overlay_says_what_a_directory_of_the_same_content_says() {
    let text: String = (0..9000).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    let items = [
        ("a/", ""),
        ("a/b/", ""),
        ("a/b/c", "deep"),
        ("a/b/d/", ""),
        ("a/c", text.as_str()),
        ("b/", ""),
        ("b/a", "x"),
        ("d", &text),
    ];
    for seed in 1..=24 {
        let both = Both::new(
            overlay::tree(&items, false, [Where::Disk, Where::Memory][seed as usize % 2]),
            &format!("overlay-{seed}"),
        );
        for (name, content) in items {
            let path = both.host.join(name.trim_end_matches('/'));
            if name.ends_with('/') {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            } else {
                fs::write(&path, content).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
            }
        }
        both.compare();
        both.run(seed * 104_729, 1500);
    }
}
