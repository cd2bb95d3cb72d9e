//! How much an archive may cost.

use serde::{Deserialize, Serialize};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Bounds of one walk. The defaults let the largest real wheels pass (900 MB packed, 4 GB unpacked, 20,000 files) several
/// times over and stop a bomb within its first gigabytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Entries in one archive.
    pub entries: u64,
    /// Bytes of all entries together, unpacked.
    pub total_bytes: u64,
    /// Bytes of one entry, unpacked.
    pub entry_bytes: u64,
    /// Unpacked bytes per packed byte, over the whole archive so far. Deflate reaches 1032 on zeros, real archives 30.
    pub ratio: u64,
    /// Unpacked bytes that no ratio is asked for: small archives of tables and test data pack very well.
    pub ratio_free_bytes: u64,
    /// Bytes of one entry's path.
    pub path_length: usize,
    /// Folders inside folders.
    pub depth: usize,
    /// Bytes of a zip archive's central directory, which is read into memory.
    pub directory_bytes: u64,
    /// Bytes of the headers before one tar entry, long names and pax records included, which are read into memory.
    pub header_bytes: u64,
    /// Bytes of the metadata file, which is read into memory.
    pub metadata_bytes: u64,
    /// Members of a gzip or bzip2 file; one is usual.
    pub members: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 200_000,
            total_bytes: 16 * GIB,
            entry_bytes: 8 * GIB,
            ratio: 200,
            ratio_free_bytes: 64 * MIB,
            path_length: 1024,
            depth: 64,
            directory_bytes: 64 * MIB,
            header_bytes: 256 * KIB,
            metadata_bytes: 4 * MIB,
            members: 1000,
        }
    }
}
