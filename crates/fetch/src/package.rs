//! What can be fetched: packages of files, and what is known about each file.

use crate::digest::Digest;

/// Files that belong together, such as the two archives of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The name that a user gives.
    pub name: String,
    /// What it is, in a few words.
    pub title: String,
    /// What its licence allows, in one sentence.
    pub licence: String,
    /// The files, in the order in which they are fetched.
    pub files: Vec<RemoteFile>,
}

/// One file on servers, and what is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// The name that it has on the servers of `--mirror` and on the disk: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Whole addresses (`http://` or `https://`), in the order in which they are tried.
    pub addresses: Vec<String>,
    /// Its number of bytes.
    pub size: Size,
    /// What is known about its digest.
    pub digest: Expected,
    /// What is done with it.
    pub content: Content,
}

/// A number of bytes, or its bounds where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Smallest possible number.
    pub least: u64,
    /// Largest possible number. More is never written.
    pub most: u64,
}

impl Size {
    /// A known number of bytes.
    pub const fn exactly(n_bytes: u64) -> Self {
        Self { least: n_bytes, most: n_bytes }
    }

    /// Whether a file may have so many bytes.
    pub const fn allows(self, n_bytes: u64) -> bool {
        self.least <= n_bytes && n_bytes <= self.most
    }
}

/// What is known about the digest of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Published by somebody who has the file. A file with another digest is refused.
    Published(Digest),
    /// The digest of a copy, which nobody has published. A file with another digest is accepted, and the difference is reported.
    Seen(Digest),
    /// Nothing is known. The digest of the file that came is reported.
    Unknown,
}

/// What is done with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The file itself is wanted.
    File(Form),
    /// It is an archive, and everything inside it is wanted.
    Tree {
        /// How the archive is packed.
        packing: Packing,
        /// The folder inside the archive and below the target that shows whether it was unpacked: a record of complete archives is written
        /// there. Parts are divided by `/`.
        root: String,
        /// What the archive may hold.
        limits: Limits,
    },
    /// It is an archive, and only some files inside it are wanted.
    Members {
        /// How the archive is packed.
        packing: Packing,
        /// The files that are wanted. They are put directly into the target.
        members: Vec<Member>,
        /// What the archive may hold.
        limits: Limits,
    },
}

/// The form of a file whose digest may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any bytes.
    Bytes,
    /// A message of Protocol Buffers, as the files of Caffe are.
    Message,
}

/// How an archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// `.tar`
    Tar,
    /// `.tar.gz`
    TarGz,
}

/// A file inside an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in the archive, without a folder. It gets the same name in the target.
    pub name: String,
    /// Its digest.
    pub digest: Digest,
}

/// What an archive may hold at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub n_bytes: u64,
    /// Files and folders.
    pub n_entries: u64,
}

impl RemoteFile {
    /// Bytes that the files inside an archive take at most; 0 for another file.
    pub(crate) fn unpacked(&self) -> u64 {
        match &self.content {
            Content::File(_) => 0,
            // A .tar is at least as large as the files inside it.
            Content::Tree { packing: Packing::Tar, limits, .. }
            | Content::Members { packing: Packing::Tar, limits, .. } => limits.n_bytes.min(self.size.most),
            Content::Tree { limits, .. } | Content::Members { limits, .. } => limits.n_bytes,
        }
    }

    /// Whether the file is an archive, which is removed after it was unpacked.
    pub(crate) fn is_archive(&self) -> bool {
        !matches!(self.content, Content::File(_))
    }
}
