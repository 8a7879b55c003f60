//! The encoder of one file, which sees its first rows before it says how columns are encoded.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use dfd_arrow::BatchBytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;

use crate::error::Error;
use crate::files::dictionaries::{SAMPLE_ROWS, without_vain_dictionaries};

/// Bytes of the rows that are looked at first, at most.
const MAX_SAMPLE_BYTES: u64 = 8 << 20;

/// Encodes the rows of one file into a buffer.
pub(crate) struct FileEncoder {
    schema: SchemaRef,
    properties: WriterProperties,
    max_sample_bytes: u64,
    sample: Sample,
    buffer: Vec<u8>,
    writer: Option<ArrowWriter<Vec<u8>>>,
}

/// Rows that are not encoded yet.
#[derive(Default)]
struct Sample {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: u64,
    counter: BatchBytes,
}

impl FileEncoder {
    /// Prepares a file of about `target_bytes`, which is encoded into `buffer`.
    pub(crate) fn new(
        schema: SchemaRef,
        properties: WriterProperties,
        target_bytes: u64,
        buffer: Vec<u8>,
    ) -> Self {
        Self {
            schema,
            properties,
            max_sample_bytes: target_bytes.min(MAX_SAMPLE_BYTES),
            sample: Sample::default(),
            buffer,
            writer: None,
        }
    }

    /// Takes rows; says whether a row group came to its end, so that there is something to send.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<bool, Error> {
        if let Some(writer) = &mut self.writer {
            return write_to(writer, rows);
        }
        self.sample.add(rows);
        if self.sample.rows < SAMPLE_ROWS && self.sample.bytes < self.max_sample_bytes {
            return Ok(false);
        }
        self.begin()
    }

    /// Chooses the encodings by the rows that came so far, and encodes them.
    fn begin(&mut self) -> Result<bool, Error> {
        let Sample { batches, .. } = std::mem::take(&mut self.sample);
        let options = ArrowWriterOptions::new()
            .with_properties(without_vain_dictionaries(&self.properties, &batches)?)
            // Parquet's own types say everything: readers that know Arrow's find no other ones.
            .with_skip_arrow_metadata(true);
        let buffer = std::mem::take(&mut self.buffer);
        let schema = SchemaRef::clone(&self.schema);
        let writer = ArrowWriter::try_new_with_options(buffer, schema, options)?;
        let writer = self.writer.insert(writer);
        let mut has_ended_group = false;
        for rows in &batches {
            has_ended_group |= write_to(writer, rows)?;
        }
        Ok(has_ended_group)
    }

    /// Bytes of the file so far, about; none of the rows that are looked at first.
    pub(crate) fn bytes(&self) -> u64 {
        let writer = self.writer.as_ref();
        writer.map_or(0, |writer| {
            (writer.bytes_written() + writer.in_progress_size()) as u64
        })
    }

    /// What is encoded and was not taken.
    pub(crate) fn encoded(&mut self) -> &mut Vec<u8> {
        match &mut self.writer {
            Some(writer) => writer.inner_mut(),
            None => &mut self.buffer,
        }
    }

    /// Encodes the rest and the footer. Gives the footer, and the bytes before it.
    pub(crate) fn finish(&mut self) -> Result<(ParquetMetaData, usize), Error> {
        if self.writer.is_none() {
            self.begin()?;
        }
        let Some(writer) = &mut self.writer else {
            return Err(Error::Inconsistent("a file was not begun"));
        };
        writer.flush()?;
        let data_bytes = writer.bytes_written();
        Ok((writer.finish()?, data_bytes))
    }
}

impl Sample {
    fn add(&mut self, rows: &RecordBatch) {
        self.rows += rows.num_rows();
        self.bytes += self.counter.count(rows) as u64;
        self.batches.push(rows.clone());
    }
}

fn write_to(writer: &mut ArrowWriter<Vec<u8>>, rows: &RecordBatch) -> Result<bool, Error> {
    let groups = writer.flushed_row_groups().len();
    writer.write(rows)?;
    Ok(writer.flushed_row_groups().len() > groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::properties::{Compression, writer_properties};
    use crate::testing::{batch, int64s};

    /// The footer of `rows` unique numbers that came in batches of 8,192.
    fn footer(rows: i64, target_bytes: u64) -> ParquetMetaData {
        let numbers = batch(vec![("id", int64s((0..rows).map(Some)))]);
        let properties = writer_properties(&numbers.schema(), Compression::Zstd).unwrap();
        let mut encoder = FileEncoder::new(numbers.schema(), properties, target_bytes, Vec::new());
        for first in (0..numbers.num_rows()).step_by(8_192) {
            let length = 8_192.min(numbers.num_rows() - first);
            encoder.write(&numbers.slice(first, length)).unwrap();
        }
        encoder.finish().unwrap().0
    }

    fn has_dictionary(footer: &ParquetMetaData) -> bool {
        let column = footer.row_group(0).column(0);
        column.dictionary_page_offset().is_some()
    }

    #[test]
    fn small_batches_are_looked_at_together() {
        for rows in [20_000, SAMPLE_ROWS as i64, 200_000] {
            let footer = footer(rows, u64::MAX);
            assert_eq!(footer.file_metadata().num_rows(), rows);
            assert!(!has_dictionary(&footer), "{rows}");
        }
    }

    #[test]
    fn a_small_target_is_not_exceeded_for_a_look() {
        let footer = footer(8_000, 1);
        assert_eq!(footer.file_metadata().num_rows(), 8_000);
        assert!(has_dictionary(&footer));
    }

    #[test]
    fn a_file_without_rows_has_a_footer() {
        assert_eq!(footer(0, u64::MAX).file_metadata().num_rows(), 0);
    }
}
