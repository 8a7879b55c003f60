//! Deletion vectors, read from the log and the store.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor as KernelVector;
use delta_kernel::{DeltaResult, Error, FileMeta, FileSlice, StorageHandler};
use deltalake_core::kernel::DeletionVectorDescriptor;
use dfd_runtime::{Location, catching};
use futures::{StreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use roaring::RoaringTreemap;
use url::Url;

/// Files of vectors that are read at once.
const AT_ONCE: usize = 16;

/// The rows that each of these vectors of a table names, or why it can't be read. A file of vectors is read once.
pub(crate) async fn read_vectors(
    location: &Location,
    vectors: Vec<DeletionVectorDescriptor>,
) -> Vec<Result<RoaringTreemap, String>> {
    let root = location.url();
    let vectors = vectors
        .into_iter()
        .map(|vector| KernelVector::try_from(vector).map_err(text))
        .collect::<Vec<_>>();
    let places = vectors.iter().flatten();
    let places: HashSet<Url> = places
        .filter_map(|vector| vector.absolute_path(root).ok().flatten())
        .collect();
    let contents = stream::iter(places)
        .map(|place| async move {
            let bytes = content(location, &place).await;
            (place, bytes)
        })
        .buffer_unordered(AT_ONCE);
    let contents = Arc::new(VectorFiles(contents.collect().await));
    let rows = |vector: KernelVector| {
        let contents = Arc::clone(&contents);
        // The kernel takes for granted that an inline vector has the bytes of its head.
        let read = catching(|| vector.read(contents, root)).map_err(text)?;
        read.map_err(text)
    };
    vectors.into_iter().map(|vector| rows(vector?)).collect()
}

async fn content(location: &Location, place: &Url) -> Result<Bytes, String> {
    let root = location.url();
    if (place.scheme(), place.host()) != (root.scheme(), root.host()) {
        return Err("its deletion vector lies in another store than the table".to_owned());
    }
    let path = Path::from_url_path(place.path()).map_err(text)?;
    let found = location.store().get(&path).await.map_err(text)?;
    found.bytes().await.map_err(text)
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// What was read already, for a kernel that reads a file for each vector in it.
struct VectorFiles(HashMap<Url, Result<Bytes, String>>);

impl StorageHandler for VectorFiles {
    fn read_files(
        &self,
        files: Vec<FileSlice>,
    ) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<Bytes>>>> {
        let found = files
            .into_iter()
            .map(|(place, _)| match self.0.get(&place) {
                Some(Ok(bytes)) => Ok(bytes.clone()),
                Some(Err(reason)) => Err(Error::generic(reason)),
                None => Err(Error::file_not_found(place)),
            });
        Ok(Box::new(found.collect::<Vec<_>>().into_iter()))
    }

    fn list_from(&self, _: &Url) -> DeltaResult<Box<dyn Iterator<Item = DeltaResult<FileMeta>>>> {
        only_reads()
    }

    fn head(&self, _: &Url) -> DeltaResult<FileMeta> {
        only_reads()
    }

    fn put(&self, _: &Url, _: Bytes, _: bool) -> DeltaResult<()> {
        only_reads()
    }

    fn copy_atomic(&self, _: &Url, _: &Url) -> DeltaResult<()> {
        only_reads()
    }

    fn delete(&self, _: &Url) -> DeltaResult<()> {
        only_reads()
    }
}

fn only_reads<T>() -> DeltaResult<T> {
    Err(Error::generic("files of deletion vectors are only read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::deletion_vector::{VectorFile, inline_vector};
    use crate::scan::provider::DeltaTableProvider;
    use crate::test_tables::{
        TestTable, field, longs, metadata, protocol, queried, rows, run, sorted,
    };
    use serde_json::{Value, json};

    fn table() -> TestTable {
        let features = protocol(&["deletionVectors"]);
        let of = |fields: &[Value]| metadata(fields, &[], json!({}));
        TestTable::of(&[features, of(&[field("id", "long")])])
    }

    /// A file of four rows, without statistics.
    fn cut(table: &TestTable, path: &str, vector: &DeletionVectorDescriptor) -> Value {
        let stored = rows([("id", longs([1, 2, 3, 4]))]);
        let vector = serde_json::to_value(vector).unwrap();
        let add = table.write(path, &stored).with("deletionVector", vector);
        add.action()
    }

    fn found(table: &TestTable, query: &str) -> Vec<String> {
        let provider = DeltaTableProvider::opaque(table.open());
        sorted(&run(queried(Arc::new(provider), query)))
    }

    fn refused(table: &TestTable, vector: &DeletionVectorDescriptor) -> String {
        table.commit(1, &[cut(table, "cut.parquet", vector)]);
        let error = table.try_open(crate::snapshot::At::Newest).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("cut.parquet"), "{text}");
        text
    }

    #[test]
    fn files_without_statistics_are_cut_too() {
        let table = table();
        let file = VectorFile::of(&[[0, 1].into(), [3].into()]).unwrap();
        std::fs::write(table.path(&file.path), &file.bytes).unwrap();
        let inline = inline_vector(&[0, 2, 3].into()).unwrap();
        let vectors = file.vectors.iter().chain([&inline]);
        let files = vectors.zip(["a", "b", "c"]);
        let files: Vec<_> = files.map(|(v, path)| cut(&table, path, v)).collect();
        table.commit(1, &files);
        let all = ["1", "2", "2", "3", "3", "4"];
        assert_eq!(found(&table, "select id from t"), all);
        assert_eq!(found(&table, "select count(*) from t"), ["6"]);
        assert_eq!(found(&table, "select id from t where id > 3"), ["4"]);
    }

    #[test]
    fn a_vector_names_rows_of_its_file() {
        let vector = inline_vector(&[3, 4].into()).unwrap();
        let text = refused(&table(), &vector);
        assert!(
            text.contains("its deletion vector names row 4 of 4"),
            "{text}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let stored = VectorFile::of(&[[1].into()]).unwrap();
        let inline = inline_vector(&[1].into()).unwrap();
        let missing = &stored.vectors[0];
        let text = refused(&table(), missing);
        assert!(text.contains(&stored.path), "{text}");

        let damaged = table();
        let mut bytes = stored.bytes.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(damaged.path(&stored.path), bytes).unwrap();
        let text = refused(&damaged, missing);
        assert!(text.contains("CRC32 checksum mismatch"), "{text}");

        for path in ["", "0", "00000", "not z85 \"", "000000000000000"] {
            let path_or_inline_dv = path.to_owned();
            let vector = DeletionVectorDescriptor {
                path_or_inline_dv,
                ..inline.clone()
            };
            refused(&table(), &vector);
        }

        let elsewhere = DeletionVectorDescriptor {
            storage_type: deltalake_core::kernel::StorageType::AbsolutePath,
            path_or_inline_dv: "s3://elsewhere/v.bin".to_owned(),
            ..missing.clone()
        };
        let text = refused(&table(), &elsewhere);
        assert!(text.contains("in another store than the table"), "{text}");
    }
}
