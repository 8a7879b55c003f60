//! Deletion vectors: as row selections, and as the protocol stores them (section "Deletion Vector Format").

use bytes::Bytes;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use delta_kernel::actions::deletion_vector_writer::{
    DeletionVector, StreamingDeletionVectorWriter,
};
use deltalake_core::kernel::{DeletionVectorDescriptor, StorageType};
use roaring::RoaringTreemap;
use uuid::Uuid;

/// Which rows of a file are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// Those that are named.
    Only,
    /// All others.
    AllBut,
}

/// The rows of a file of `num_rows` that are in `named`, or that aren't.
pub(crate) fn selection_of(
    read: Read,
    named: &RoaringTreemap,
    num_rows: u64,
) -> ParquetRowSelection {
    let run = |is_named: bool, count: u64| RowSelector {
        row_count: usize::try_from(count).unwrap_or(usize::MAX),
        skip: is_named == (read == Read::AllBut),
    };
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut next = 0;
    for row in named.iter().take_while(|row| *row < num_rows) {
        match selectors.last_mut() {
            Some(named) if row == next && next > 0 => named.row_count += 1,
            _ => {
                if row > next {
                    selectors.push(run(false, row - next));
                }
                selectors.push(run(true, 1));
            }
        }
        next = row + 1;
    }
    if num_rows > next {
        selectors.push(run(false, num_rows - next));
    }
    ParquetRowSelection::new(RowSelection::from(selectors))
}

/// The numbers of the rows that a selection leaves out.
pub(crate) fn rows_left_out(selection: &ParquetRowSelection) -> RoaringTreemap {
    let mut left_out = RoaringTreemap::new();
    let mut next = 0;
    for run in selection.selection().iter() {
        let end = next + run.row_count as u64;
        if run.skip {
            left_out.insert_range(next..end);
        }
        next = end;
    }
    left_out
}

/// Of the largest deletion vector that stands in the log itself, the bytes.
const MAX_INLINE_BYTES: usize = 256;
/// What the bytes of a deletion vector begin with.
const MAGIC: [u8; 4] = 1_681_511_377_u32.to_le_bytes();

/// A deletion vector that stands in the log itself; None where it would be too large there.
pub fn inline_vector(rows: &RoaringTreemap) -> Option<DeletionVectorDescriptor> {
    let mut stored = MAGIC.to_vec();
    if rows.serialized_size() + stored.len() > MAX_INLINE_BYTES {
        return None;
    }
    rows.serialize_into(&mut stored).ok()?;
    let size_in_bytes = i32::try_from(stored.len()).ok()?;
    // Base 85 takes four bytes at a time.
    stored.resize(stored.len().next_multiple_of(4), 0);
    Some(DeletionVectorDescriptor {
        storage_type: StorageType::Inline,
        path_or_inline_dv: z85::encode(stored),
        offset: None,
        size_in_bytes,
        cardinality: i64::try_from(rows.len()).ok()?,
    })
}

/// Deletion vectors in a file.
#[derive(Debug)]
pub struct VectorFile {
    /// From the table's root.
    pub path: String,
    /// The file.
    pub bytes: Bytes,
    /// Each vector in it, in their order.
    pub vectors: Vec<DeletionVectorDescriptor>,
}

impl VectorFile {
    /// A new file with these vectors.
    ///
    /// # Errors
    /// They don't fit into a file.
    pub fn of<'a>(
        vectors: impl IntoIterator<Item = &'a RoaringTreemap>,
    ) -> Result<Self, delta_kernel::Error> {
        let id = Uuid::new_v4();
        let mut bytes = Vec::new();
        let mut writer = StreamingDeletionVectorWriter::new(&mut bytes);
        let written = vectors.into_iter().map(|rows| {
            let written = writer.write_deletion_vector(Rows(rows))?;
            Ok(DeletionVectorDescriptor {
                storage_type: StorageType::UuidRelativePath,
                path_or_inline_dv: z85::encode(id.as_bytes()),
                offset: Some(written.offset),
                size_in_bytes: written.size_in_bytes,
                cardinality: written.cardinality,
            })
        });
        let written = written.collect::<Result<_, delta_kernel::Error>>()?;
        writer.finalize()?;
        Ok(Self {
            path: format!("deletion_vector_{id}.bin"),
            bytes: bytes.into(),
            vectors: written,
        })
    }
}

struct Rows<'a>(&'a RoaringTreemap);

impl<'a> DeletionVector for Rows<'a> {
    type IndexIterator = roaring::treemap::Iter<'a>;

    fn into_iter(self) -> Self::IndexIterator {
        self.0.iter()
    }

    fn cardinality(&self) -> u64 {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::test_tables::{TestTable, field, longs, metadata, protocol, rows as batch};

    fn named(rows: impl IntoIterator<Item = u64>) -> RoaringTreemap {
        rows.into_iter().collect()
    }

    #[test]
    fn rows_that_are_named_and_all_others_are_complements() {
        let rows = named([0, 1, 4, 9, 12]);
        let runs = |read| -> Vec<(bool, usize)> {
            let selected = selection_of(read, &rows, 10);
            let runs = selected.selection().iter();
            runs.map(|run| (run.skip, run.row_count)).collect()
        };
        let only = [(false, 2), (true, 2), (false, 1), (true, 4), (false, 1)];
        assert_eq!(runs(Read::Only), only);
        assert_eq!(runs(Read::AllBut), only.map(|(skip, count)| (!skip, count)));
        let none = selection_of(Read::AllBut, &named([]), 3);
        assert_eq!(none.selection().row_count(), 3);
        assert!(rows_left_out(&none).is_empty());
        let all_but = selection_of(Read::AllBut, &rows, 20);
        assert_eq!(rows_left_out(&all_but), rows);
    }

    /// The rows that a scan leaves out for this vector, of a file of `count`.
    fn read_back(table: &TestTable, vector: &DeletionVectorDescriptor, count: u64) -> Vec<u64> {
        let stored = batch([("id", longs(0..i64::try_from(count).unwrap()))]);
        let add = table
            .write("f", &stored)
            .stats(json!({"numRecords": count}));
        let add = add.with("deletionVector", serde_json::to_value(vector).unwrap());
        table.commit(1, &[add.action()]);
        let snapshot = table.open();
        let scanned = &snapshot.files()[0].scanned;
        let selection = scanned.extension::<ParquetRowSelection>().unwrap();
        rows_left_out(selection).iter().collect()
    }

    fn table() -> TestTable {
        let fields = [field("id", "long")];
        let features = protocol(&["deletionVectors"]);
        TestTable::of(&[features, metadata(&fields, &[], json!({}))])
    }

    #[test]
    fn small_vectors_stand_in_the_log() {
        for rows in [vec![3], vec![0, 1, 2, 250], (0..40).step_by(2).collect()] {
            let vector = inline_vector(&named(rows.clone())).unwrap();
            assert_eq!(vector.storage_type, StorageType::Inline);
            assert_eq!(usize::try_from(vector.cardinality), Ok(rows.len()));
            assert_eq!(read_back(&table(), &vector, 300), rows);
        }
        assert_eq!(inline_vector(&named((0..400).step_by(2))), None);
    }

    #[test]
    fn a_file_has_many_vectors() {
        let vectors = [named((0..400).step_by(2)), named([7]), named(100..300)];
        let file = VectorFile::of(&vectors).unwrap();
        for (rows, vector) in vectors.iter().zip(&file.vectors) {
            let table = table();
            std::fs::write(table.path(&file.path), &file.bytes).unwrap();
            let wanted: Vec<u64> = rows.iter().collect();
            assert_eq!(read_back(&table, vector, 500), wanted);
        }
    }
}
