//! Artifacts: results of long computations, each kept as one MessagePack file. The file's name contains a digest of everything that the
//! result depends on.
//!
//! A *stage* is one step of a computation, such as `encode`. This example keeps the result of a stage and loads it again:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use fisherlens_artifact::{Address, Header, Key, Store, array};
//! use ndarray::{Array2, array};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Shard {
//!     #[serde(with = "array")]
//!     vectors: Array2<f32>,
//! }
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(folder.path())?;
//!
//! // The key depends on the stage, its format version and every setting.
//! let settings = BTreeMap::from([("step", 4)]);
//! let key = Key::builder("encode", 3).setting("settings", &settings).finish();
//! let address = Address::new("encode", 3, key, Some("train-0000"));
//! assert!(store.load::<Shard>(&address)?.is_none());
//!
//! let seconds = 0.1;
//! let shard = Shard { vectors: array![[1.0, 2.0], [3.0, 4.0]] };
//! store.save(&address, &Header::new(&settings, seconds)?, &shard)?;
//!
//! let loaded = store.load::<Shard>(&address)?.expect("the artifact was just saved");
//! assert_eq!(loaded.value.vectors, shard.vectors);
//! assert_eq!(loaded.header.settings["step"].as_integer(), Some(4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where an artifact is
//! `<root>/<stage>-v<format version>/<first 16 digits of the key>/<part>.msgpack`; the part is `artifact`, or the name
//! of a shard such as `train-0003`. A [`Key`] is a digest of stage, format version, settings and the keys of the
//! inputs, so a run with changed settings never reads a file of the old settings.
//!
//! # What is in a file
//! One MessagePack map, in this order:
//!
//! | entry | type | content |
//! |---|---|---|
//! | `magic` | string | `fisherlens artifact 1` |
//! | `stage`, `format_version`, `key`, `part` | string, integer, string, string | the address again; the key in all 64 digits |
//! | `settings` | map | the settings that it was made with |
//! | `inputs` | map | names and keys of the inputs, as far as the stage records them |
//! | `seconds`, `created` | float, integer | how long the computation took; when it ended, in seconds since 1970 |
//! | `payload` | map | the stage's value; structs are maps, arrays `{dtype, shape, data}` (see [`mod@array`]) |
//! | `checksum` | 32 bytes | BLAKE3 digest of all bytes of the file before these 32 |
//!
//! The checksum is the last entry, and its 32 bytes are the last bytes of the file. Python reads a file with
//!
//! ```python
//! import msgpack, numpy as np
//! o = msgpack.unpackb(open(f, "rb").read())
//! a = o["payload"]["vectors"]
//! vectors = np.frombuffer(a["data"], a["dtype"]).reshape(a["shape"])
//! ```
//!
//! and checks it with `blake3.blake3(open(f, "rb").read()[:-32]).digest() == o["checksum"]`.
//!
//! # When something goes wrong
//! A file is first written under a temporary name in its folder and synced to disk; then it gets its name, and the folder is synced. So a
//! run that is killed leaves either the whole file or no file. If two runs write the same artifact, the file that is renamed last stays.
//! The checksum is verified whenever a file is loaded. Errors ([`ArtifactError`]) name the file and say what to do.

mod address;
pub mod array;
mod envelope;
mod error;
mod key;
mod lock;
mod mapped;
mod single;
mod store;

pub use address::Address;
pub use array::Block;
pub use envelope::Header;
pub use error::ArtifactError;
pub use key::{Key, KeyBuilder};
pub use lock::StoreLock;
pub use mapped::Mapped;
pub use single::{Sealed, read_any, read_bytes, read_file, write_bytes, write_file};
pub use store::{Entry, Loaded, Store};
