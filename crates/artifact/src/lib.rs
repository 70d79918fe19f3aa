//! Artifacts: what a stage computed, kept as one MessagePack file under the digest of everything it depends on.
//!
//! # Where
//! `<root>/<stage>-v<format version>/<first 16 digits of the key>/<part>.msgpack`; the part is `artifact`, or the name
//! of a shard such as `train-0003`. A [`Key`] is a digest of stage, format version, settings and the keys of the
//! inputs, so a changed setting never meets an old file.
//!
//! # What is in a file
//! One MessagePack map, in this order:
//!
//! | entry | type | content |
//! |---|---|---|
//! | `magic` | string | `fisherlens artifact 1` |
//! | `stage`, `format_version`, `key`, `part` | string, integer, string, string | the address again; the key in all 64 digits |
//! | `settings` | map | the settings it was made by |
//! | `inputs` | map | names and keys of the inputs, where the stage tells them |
//! | `seconds`, `created` | float, integer | how long it took; seconds since 1970 |
//! | `payload` | map | the stage's value; structs are maps, arrays `{dtype, shape, data}` (see [`mod@array`]) |
//! | `checksum` | 32 bytes | BLAKE3 of every byte of the file before these 32 |
//!
//! The checksum is the last entry and its 32 bytes the last of the file, so Python needs no more than
//!
//! ```python
//! import msgpack, numpy as np
//! o = msgpack.unpackb(open(f, "rb").read())
//! a = o["payload"]["vectors"]
//! vectors = np.frombuffer(a["data"], a["dtype"]).reshape(a["shape"])
//! ```
//!
//! and, to check it, `blake3.blake3(open(f, "rb").read()[:-32]).digest() == o["checksum"]`.
//!
//! # When something goes wrong
//! A file is written aside in its folder, synced, renamed, and the folder synced: a run that is killed leaves either
//! the whole file or none, and of two runs that write the same artifact the later rename wins. The checksum is
//! verified on every reading; an error names the file and says what to do.

pub mod array;
mod envelope;
mod key;
mod single;
mod store;

pub use array::{Block, Element, FromBlock, ToBlock};
pub use envelope::Header;
pub use key::{Key, KeyBuilder, ParseKeyError};
pub use single::{read_bytes, read_file, write_file};
pub use store::{Address, Entry, Loaded, Store};
