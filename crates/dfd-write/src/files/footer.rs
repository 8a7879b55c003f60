//! Footers that are written again because a bound in them leaves a NaN out.
//!
//! To Spark a NaN is greater than all numbers; the bounds in a footer pass over it, and Spark's Parquet
//! believes them. Whether a column has one is known only at a file's end, so there its footer is
//! written again.

use std::io::{Read, Write, copy, repeat};

use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataWriter};
use parquet::file::writer::TrackedWrite;

/// Encodes a footer that begins at `start` of its file, with the page indexes before it.
pub(crate) fn encode_footer(
    start: usize,
    footer: &ParquetMetaData,
) -> Result<Vec<u8>, ParquetError> {
    let mut tail = Tail {
        left: start,
        bytes: Vec::new(),
    };
    let mut tracked = TrackedWrite::new(&mut tail);
    // Offsets count from the first byte that this has seen.
    copy(&mut repeat(0).take(start as u64), &mut tracked)?;
    ParquetMetaDataWriter::new_with_tracked(tracked, footer).finish()?;
    Ok(tail.bytes)
}

/// Keeps what is written after the first bytes.
struct Tail {
    /// Bytes that aren't kept yet.
    left: usize,
    bytes: Vec<u8>,
}

impl Write for Tail {
    fn write(&mut self, given: &[u8]) -> std::io::Result<usize> {
        let passed = self.left.min(given.len());
        self.left -= passed;
        self.bytes.extend_from_slice(&given[passed..]);
        Ok(given.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use crate::testing::{batch, int64s};

    #[test]
    fn a_footer_is_found_where_it_is_put() {
        let rows = batch(vec![("a", int64s([Some(1), None]))]);
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.flush().unwrap();
        let data_bytes = writer.bytes_written();
        let footer = writer.finish().unwrap();
        let mut file = std::mem::take(writer.inner_mut());
        file.truncate(data_bytes);
        file.append(&mut encode_footer(data_bytes, &footer).unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap();
        let read: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [rows]);
    }
}
