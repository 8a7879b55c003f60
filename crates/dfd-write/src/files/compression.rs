//! How pages are compressed.

use std::str::FromStr;

use parquet::basic::{Compression as Codec, ZstdLevel};

/// How the pages of data files are compressed, and for which readers they are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Small, at little cost.
    #[default]
    Zstd,
    /// Larger, and without encodings that readers of before 2022 lack.
    Snappy,
    /// Not at all.
    None,
}

impl Compression {
    pub(crate) fn codec(self) -> Codec {
        match self {
            Self::Zstd => Codec::ZSTD(ZstdLevel::default()),
            Self::Snappy => Codec::SNAPPY,
            Self::None => Codec::UNCOMPRESSED,
        }
    }

    /// What names of files tell of it.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zstd",
            Self::Snappy => ".snappy",
            Self::None => "",
        }
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "zstd" => Ok(Self::Zstd),
            "snappy" => Ok(Self::Snappy),
            "none" => Ok(Self::None),
            other => Err(format!(
                "compression is zstd, snappy or none, not {other:?}"
            )),
        }
    }
}
