//! Tests of footers: which bounds are believed, and which footers are kept.

use std::collections::HashMap;

use super::*;
use crate::test_tables::{TestTable, field, longs, rows, run, texts};
use arrow::array::{ArrayRef, Float16Array, Float32Array, Float64Array, StructArray};
use arrow::datatypes::{DataType, Field};
use datafusion::parquet::file::properties::WriterProperties;
use dfd_runtime::parquet_metadata_cache;

/// Columns: `id`, `half`, `single`, `double`, `s.x` (a double), `name`.
fn stored() -> arrow::array::RecordBatch {
    let single: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.5), None, Some(2.5)]));
    let double: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.5), Some(0.5), Some(2.5)]));
    let half = arrow::compute::cast(&single, &DataType::Float16).unwrap();
    assert!(half.as_any().is::<Float16Array>());
    let inner = Arc::new(Field::new("x", DataType::Float64, true));
    let inside = StructArray::from(vec![(inner, Arc::clone(&double))]);
    rows([
        ("id", longs([1, 2, 3])),
        ("half", half),
        ("single", single),
        ("double", double),
        ("s", Arc::new(inside)),
        ("name", texts([Some("a"), None, None])),
    ])
}

fn table() -> TestTable {
    TestTable::new(&[field("id", "long")], &[])
}

fn readers(
    location: &Location,
    cache: &Arc<FileMetadataCache>,
) -> (Readers, ExecutionPlanMetricsSet) {
    let metrics = ExecutionPlanMetricsSet::new();
    let names = TableNames {
        fields: Default::default(),
        mode: Default::default(),
    };
    let readers = Readers::new(location, names, Arc::clone(cache), &metrics);
    (readers, metrics)
}

fn roomy_cache() -> Arc<FileMetadataCache> {
    let cache = parquet_metadata_cache();
    cache.update_cache_limit(1 << 20);
    cache
}

/// A file of the table as it is in the store.
fn object(location: &Location, name: &str) -> PartitionedFile {
    let path = Path::from_url_path(location.url().path())
        .unwrap()
        .join(name);
    let meta = run(object_store::ObjectStoreExt::head(
        location.store().as_ref(),
        &path,
    ));
    PartitionedFile::new_from_meta(meta.unwrap())
}

/// The footer of a file as it is stored, and under the table's names.
fn footers(readers: &Readers, file: PartitionedFile) -> Result<[Arc<ParquetMetaData>; 2]> {
    let unused = ExecutionPlanMetricsSet::new();
    run(async {
        let stored = readers.footer(file.clone()).await?;
        let mut reader = readers.create_reader(0, file, None, &unused)?;
        Ok([stored, reader.get_metadata(None).await?])
    })
}

/// The footer of a file by a writer of this name.
fn footer_by(writer: &str) -> Arc<ParquetMetaData> {
    let table = table();
    let properties = WriterProperties::builder()
        .set_created_by(writer.to_owned())
        .set_max_row_group_row_count(Some(2));
    table.write_with("f", &stored(), properties.build());
    let location = table.location();
    let (readers, _) = readers(&location, &roomy_cache());
    let [footer, named] = footers(&readers, object(&location, "f")).unwrap();
    assert!(Arc::ptr_eq(&footer, &named));
    footer
}

/// By column: whether the first row group has bounds, whether its pages have, and its nulls.
fn bounds(footer: &ParquetMetaData) -> Vec<(bool, bool, Option<u64>)> {
    let pages = &footer.column_index().unwrap()[0];
    let columns = footer.row_group(0).columns().iter().zip(pages);
    let found = columns.map(|(column, pages)| {
        let statistics = column.statistics().unwrap();
        let has_bounds =
            statistics.min_bytes_opt().is_some() || statistics.max_bytes_opt().is_some();
        let has_pages = !matches!(pages, ColumnIndexMetaData::NONE);
        (has_bounds, has_pages, statistics.null_count_opt())
    });
    found.collect()
}

#[test]
fn other_writers_bounds_of_floats_are_not_believed() {
    for writer in ["parquet-mr version 1.13.1", "dfdx 1", "a dfd 1", ""] {
        assert_eq!(
            bounds(&footer_by(writer)),
            [
                (true, true, Some(0)),
                (false, false, Some(1)),
                (false, false, Some(1)),
                (false, false, Some(0)),
                (false, false, Some(0)),
                (true, true, Some(1)),
            ],
            "{writer}"
        );
    }
}

#[test]
fn bounds_of_floats_that_dfd_wrote_are_kept() {
    assert!(CREATED_BY.starts_with("dfd "));
    for writer in [CREATED_BY, "dfd 99.0.0"] {
        let nulls = [0, 1, 1, 0, 0, 1].map(|nulls| (true, true, Some(nulls)));
        assert_eq!(bounds(&footer_by(writer)), nulls, "{writer}");
    }
}

#[test]
fn bounds_go_of_the_columns_that_are_named_by_place() {
    let whole = footer_by(CREATED_BY);
    let before = bounds(&whole);
    let bare = without_bounds(whole.as_ref().clone(), |place, _| place == 3).unwrap();
    let mut expected = before;
    expected[3] = (false, false, Some(0));
    assert_eq!(bounds(&bare), expected);
    assert_eq!(bare.num_row_groups(), 2);
    let column = bare.row_group(1).column(3);
    assert_eq!(column.column_index_offset(), None);
    let untouched = whole.row_group(1).column(3);
    assert_eq!(column.data_page_offset(), untouched.data_page_offset());
    assert_eq!(bare.offset_index(), whole.offset_index());
    // A footer without pages' bounds has none afterwards.
    let builder = whole.as_ref().clone().into_builder().set_column_index(None);
    let bare = without_bounds(builder.build(), |_, _| false).unwrap();
    assert!(bare.column_index().is_none());
}

#[test]
fn a_footer_is_read_once_for_each_store() {
    let table = table();
    table.write("f", &stored());
    let cache = roomy_cache();
    let options = HashMap::from([("max_retries".to_owned(), "1".to_owned())]);
    let elsewhere = Location::try_new(table.url().as_str(), &options, None).unwrap();
    let counted = |location: &Location| {
        let (readers, metrics) = readers(location, &cache);
        let file = object(location, "f");
        footers(&readers, file).unwrap();
        let metrics = metrics.clone_inner();
        let of = |name| metrics.sum_by_name(name).unwrap().as_usize();
        let asked = of("requests") > 0;
        (of("footer_cache_misses"), of("footer_cache_hits"), asked)
    };
    // One look for the footer as it is stored, and one for that under the table's names.
    assert_eq!(counted(&table.location()), (1, 1, true));
    assert_eq!(counted(&table.location()), (0, 2, false));
    assert_eq!(counted(&elsewhere), (1, 1, true));
    assert_eq!(counted(&table.location()), (0, 2, false));
    assert_eq!(cache.len(), 2);
    // Another file under the same name is another one.
    let rows = stored().slice(0, 1);
    table.write("f", &rows);
    assert_eq!(counted(&table.location()), (1, 1, true));
}

#[test]
fn names_that_leave_a_choice_are_told() {
    let table = table();
    let two = rows([("Ab", longs([1])), ("aB", longs([2]))]);
    table.write("f", &two);
    let location = table.location();
    let names = TableNames {
        fields: vec![Field::new("ab", DataType::Int64, true)].into(),
        mode: Default::default(),
    };
    let metrics = ExecutionPlanMetricsSet::new();
    let readers = Readers::new(&location, names, roomy_cache(), &metrics);
    let file = object(&location, "f");
    let error = footers(&readers, file).unwrap_err().to_string();
    assert!(
        error.ends_with("its columns Ab and aB may both be the table's ab"),
        "{error}"
    );
}
