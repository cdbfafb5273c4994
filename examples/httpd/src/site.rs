//! The files of a [`Vfs`] below one directory, as a site.
//!
//! Symbolic links are followed, out of that directory too: they are the work of whoever made the disk.

use crate::http::{Entry, Site, SiteError};
use alloc::vec::Vec;
use core::borrow::Borrow;
use fs::{Error, File, Vfs};

/// A directory of a tree of files.
#[derive(Debug)]
pub struct VfsSite<V> {
    vfs: V,
    /// Without a slash at its end.
    root: Vec<u8>,
}

impl<V: Borrow<Vfs>> VfsSite<V> {
    /// Serves what `vfs` has below `root`, an absolute path.
    pub fn new(vfs: V, root: &str) -> Self {
        Self { vfs, root: root.trim_end_matches('/').into() }
    }

    /// The tree that it serves from.
    pub fn vfs(&self) -> &Vfs {
        self.vfs.borrow()
    }
}

impl<V: Borrow<Vfs>> Site for VfsSite<V> {
    type Handle = File;

    fn lookup(&self, path: &[u8]) -> Result<Entry<File>, SiteError> {
        let whole = [&self.root, path].concat();
        match self.vfs().open(&whole) {
            Ok(file) => Ok(Entry::File { len: file.len(), mtime: file.metadata().mtime, handle: file }),
            Err(Error::IsADirectory { .. }) => Ok(Entry::Directory),
            Err(
                Error::NotFound { .. }
                | Error::NotADirectory { .. }
                | Error::NameTooLong { .. }
                | Error::TooManySymlinks { .. },
            ) => Err(SiteError::NotFound),
            Err(Error::NotAFile { .. } | Error::InvalidPath { .. }) => Err(SiteError::Forbidden),
            Err(error) => {
                log::error!("{}: {error}", alloc::string::String::from_utf8_lossy(&whole));
                Err(SiteError::Failed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Body, Limits, RequestReader, Responder};
    use alloc::sync::Arc;
    use fs::{Archive, BlockError, DirVisitor, FileSystem, Inode, Metadata};

    /// A tar archive of `(name, type, link, content)`.
    fn tar(entries: &[(&str, u8, &str, &str)]) -> Arc<[u8]> {
        let mut out = Vec::new();
        for (name, kind, link, content) in entries {
            let mut header = [0u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[100..107].copy_from_slice(b"0000644");
            header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
            header[136..147].copy_from_slice(b"00000000001");
            header[156] = *kind;
            header[157..157 + link.len()].copy_from_slice(link.as_bytes());
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            out.extend_from_slice(&header);
            out.extend_from_slice(content.as_bytes());
            out.resize(out.len().next_multiple_of(512), 0);
        }
        out.into()
    }

    /// The status of a request, and what the body would be.
    fn fetch(site: &VfsSite<Vfs>, target: &str) -> (u16, String) {
        let mut reader = RequestReader::new(Limits::default());
        let request = format!("GET {target} HTTP/1.0\r\n\r\n");
        reader.space()[..request.len()].copy_from_slice(request.as_bytes());
        reader.commit(request.len());
        let response = Responder::new().respond(&reader.next_request().unwrap().unwrap(), site, 0);
        let body = match response.body {
            Body::None => String::new(),
            Body::File { handle, start, len } => {
                let mut body = vec![0; len as usize];
                assert_eq!(handle.read_at(start, &mut body), Ok(body.len()));
                String::from_utf8(body).unwrap()
            }
        };
        (response.status.code(), body)
    }

    #[test]
    fn files_directories_and_links_are_served_from_below_the_root() {
        let archive = tar(&[
            ("www/index.html", b'0', "", "welcome"),
            ("www/dir/page.html", b'0', "", "page"),
            ("www/link", b'2', "dir/page.html", ""),
            ("www/loop", b'2', "loop", ""),
            ("www/pipe", b'6', "", ""),
            ("secret", b'0', "", "no"),
        ]);
        let mut vfs = Vfs::new();
        vfs.mount("/", Arc::new(Archive::open(archive).unwrap())).unwrap();
        let site = VfsSite::new(vfs, "/www/");
        for (target, status, body) in [
            ("/", 200, "welcome"),
            ("/index.html", 200, "welcome"),
            ("/link", 200, "page"),
            ("/dir", 301, ""),
            ("/dir/", 403, ""),
            ("/dir/page.html", 200, "page"),
            ("/index.html/", 404, ""),
            ("/index.html/x", 404, ""),
            ("/loop", 404, ""),
            ("/pipe", 403, ""),
            ("/secret", 404, ""),
            ("/../secret", 400, ""),
            (&format!("/{}", "x".repeat(300)), 404, ""),
            (&format!("/{}", "x/".repeat(3000)), 404, ""),
        ] {
            assert_eq!(fetch(&site, target), (status, body.into()), "{target}");
        }
    }

    #[test]
    fn a_failing_file_system_is_a_500_and_no_file_system_a_404() {
        struct Failing;
        impl FileSystem for Failing {
            fn root(&self) -> Inode {
                Inode(1)
            }
            fn lookup(&self, _: Inode, _: &[u8]) -> fs::Result<Inode> {
                Err(BlockError::Failed { offset: 0, len: 1, reason: "gone" }.into())
            }
            fn metadata(&self, _: Inode) -> fs::Result<Metadata> {
                self.lookup(Inode(1), b"").map(|_| unreachable!())
            }
            fn read_at(&self, _: Inode, _: u64, _: &mut [u8]) -> fs::Result<usize> {
                Ok(0)
            }
            fn read_dir(&self, _: Inode, _: &mut DirVisitor<'_>) -> fs::Result<()> {
                Ok(())
            }
            fn read_link(&self, _: Inode) -> fs::Result<Vec<u8>> {
                Ok(Vec::new())
            }
        }
        let mut vfs = Vfs::new();
        vfs.mount("/", Arc::new(Failing)).unwrap();
        assert_eq!(fetch(&VfsSite::new(vfs, "/"), "/file").0, 500);
        assert_eq!(fetch(&VfsSite::new(Vfs::new(), "/"), "/").0, 404);
    }
}
