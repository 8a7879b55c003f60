//! What takes a table back to an older version.

use std::future::ready;

use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::error::{Error, below};
use crate::log::{ActiveFile, ActiveFiles, DefinitionChange, ExistingFile};
use crate::snapshot::table_snapshot::TableSnapshot;

/// Files that are looked for at a time.
const MAX_CONCURRENT_REQUESTS: usize = 16;

/// What the version after a table's newest has to say, so that the table is what it was.
#[derive(Debug)]
pub struct Restore {
    /// Files of the newest version that the older didn't have.
    pub removes: ActiveFiles,
    /// Files of the older version that the newest doesn't have.
    pub adds: Vec<ExistingFile>,
    /// Those of them that aren't there any more, or whose deletion vectors aren't: their paths from the table's root.
    pub missing: Vec<String>,
    /// Schema, properties and protocol.
    pub definition: DefinitionChange,
    /// How many files the table has then.
    pub files: usize,
    /// And their size.
    pub bytes: i64,
}

impl TableSnapshot {
    /// What takes the table from this version back to an earlier one.
    ///
    /// # Errors
    /// The log or the store can't be read.
    pub async fn restored_to(&self, earlier: &Self) -> Result<Restore, Error> {
        let (now, then) = (self.active_files()?, earlier.active_files()?);
        let gone = earlier.files_but(&now)?;
        let missing = earlier.missing(&gone).await?;
        let definition = self.definition()?.restored_to(&earlier.definition()?);
        let failed = |error| Error::log(self.location(), earlier.version(), error);
        Ok(Restore {
            removes: now.but(&then),
            adds: gone.into_iter().map(|(_, file)| file).collect(),
            missing,
            definition: definition.map_err(failed)?,
            files: then.files.len(),
            bytes: then.bytes(),
        })
    }

    /// The files of this version that aren't among `others`, each with its decoded path.
    fn files_but(&self, others: &ActiveFiles) -> Result<Vec<(String, ExistingFile)>, Error> {
        let there = others.keys();
        let files = self.active_files()?.files.into_iter();
        let files = files.zip(self.log_files()?);
        let files = files.filter(|(file, _)| !there.contains(&file.key()));
        let restored = files.map(|(file, view)| {
            let stats = view.stats();
            (view.path().into_owned(), ExistingFile { file, stats })
        });
        Ok(restored.collect())
    }

    /// The files and deletion vectors that aren't there any more.
    async fn missing(&self, files: &[(String, ExistingFile)]) -> Result<Vec<String>, Error> {
        let mut places = Vec::new();
        for (path, restored) in files {
            places.push((path.clone(), self.place(path)?));
            places.extend(self.vector_place(&restored.file)?);
        }
        let looks = places.into_iter().map(|(path, place)| async move {
            match self.location().store().head(&place).await {
                Ok(_) => Ok(None),
                Err(object_store::Error::NotFound { .. }) => Ok(Some(path)),
                Err(error) => Err(Error::file(self.location().url(), path, error)),
            }
        });
        let looks = futures::stream::iter(looks).buffered(MAX_CONCURRENT_REQUESTS);
        looks
            .try_filter_map(|missing| ready(Ok(missing)))
            .try_collect()
            .await
    }

    /// The file of a deletion vector, where it has one, as the log and as its store call it.
    fn vector_place(&self, file: &ActiveFile) -> Result<Option<(String, Path)>, Error> {
        let Some(vector) = file.deletion_vector.clone() else {
            return Ok(None);
        };
        let root = self.location().url();
        let failed = |error| Error::file(root, &file.path, error);
        let vector = DeletionVectorDescriptor::try_from(vector).map_err(failed)?;
        let Some(url) = vector.absolute_path(root).map_err(failed)? else {
            return Ok(None);
        };
        let refused = |error: object_store::path::Error| Error::file(root, url.path(), error);
        let place = Path::from_url_path(url.path()).map_err(refused)?;
        Ok(Some((below(root, place.as_ref()), place)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::snapshot::At;
    use crate::test_tables::{Add, TestTable, field, longs, metadata, protocol, remove, rows, run};

    fn restored(table: &TestTable, version: u64) -> Result<Restore, Error> {
        let earlier = table.try_open(At::Version(version)).unwrap();
        run(table.open().restored_to(&earlier))
    }

    fn file(table: &TestTable, path: &str) -> Add {
        table.write(path, &rows([("id", longs([1, 2, 3]))]))
    }

    #[test]
    fn files_come_back_as_they_were() {
        let types = ["id long", "d decimal(20,2)", "at timestamp", "s string"];
        let fields = types.map(|text| {
            let (name, data_type) = text.split_once(' ').unwrap();
            field(name, data_type)
        });
        let features = protocol(&["deletionVectors"]);
        let table = TestTable::of(&[features, metadata(&fields, &[], json!({}))]);
        // Statistics that no reader would write again as they are.
        let stats = concat!(
            r#"{"numRecords":3,"tightBounds":false,"own":{"x":[1]},"minValues":{"id":1,"d":1.10,"#,
            r#""at":"2020-01-01T00:00:00.123+02:00"},"nullCount":{"id":0}}"#,
        );
        let odd = file(&table, "ä b.parquet").path("ä%20b.parquet");
        let odd = odd.with("stats", stats).with("tags", json!({"a": "b"}));
        let odd = odd.deleted(&[1]);
        let mut gone = remove("ä%20b.parquet");
        gone["remove"]["deletionVector"] = odd.get("deletionVector").clone();
        table.commit(1, &[odd.action(), file(&table, "stays").action()]);
        let added = &std::fs::read_to_string(table.commit_path(1)).unwrap();
        let added: Value = serde_json::from_str(added.lines().next().unwrap()).unwrap();
        table.commit(2, &[gone, file(&table, "later").action()]);
        let found = restored(&table, 1).unwrap();
        let removed: Vec<_> = found.removes.files.iter().map(|file| &file.path).collect();
        assert_eq!(removed, ["later"]);
        assert_eq!((found.files, found.adds.len()), (2, 1));
        let mut again = serde_json::to_value(&found.adds[0]).unwrap();
        again["dataChange"] = json!(true);
        assert_eq!(again, added["add"]);
        assert!(found.definition.protocol.is_none() && found.definition.metadata.is_none());
    }

    #[test]
    fn a_file_that_is_gone_is_named() {
        let table = TestTable::new(&[field("id", "long")], &[]);
        table.commit(1, &[file(&table, "first").action()]);
        table.commit(2, &[remove("first")]);
        std::fs::remove_file(table.path("first")).unwrap();
        assert_eq!(restored(&table, 1).unwrap().missing, ["first"]);
        assert_eq!(restored(&table, 0).unwrap().missing, [""; 0]);
    }

    #[test]
    fn another_vector_makes_another_file() {
        let features = protocol(&["deletionVectors"]);
        let table = TestTable::of(&[features, metadata(&[field("id", "long")], &[], json!({}))]);
        let whole = file(&table, "f").stats(json!({"numRecords": 3}));
        table.commit(1, &[whole.action()]);
        let cut = table
            .added("f")
            .stats(json!({"numRecords": 3}))
            .deleted(&[2]);
        table.commit(2, &[remove("f"), cut.action()]);
        let found = restored(&table, 1).unwrap();
        assert!(found.removes.files[0].deletion_vector.is_some());
        assert!(found.adds[0].file.deletion_vector.is_none());
    }
}
