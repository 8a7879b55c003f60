//! Features of a table that writers have to honour.

use delta_kernel::schema::{ColumnMetadataKey, DataType as DeltaType, StructType};
use delta_kernel::table_configuration::TableConfiguration;
use dfd_delta::{Work, unsupported};

use crate::error::RuleViolation;

/// The newest writer version, whose features are listed by name.
const MAX_WRITER_VERSION: i32 = 7;

/// Refuses a table with a writer feature that `work` doesn't honour.
pub(crate) fn require_supported(
    table: &TableConfiguration,
    work: Work,
) -> Result<(), RuleViolation> {
    let protocol = table.protocol();
    let version = protocol.min_writer_version();
    if version > MAX_WRITER_VERSION {
        return Err(RuleViolation::Feature(format!("writer version {version}")));
    }
    let features = protocol.writer_features().unwrap_or_default();
    let names: Vec<String> = features.iter().map(ToString::to_string).collect();
    match unsupported(&names, work).first() {
        Some(feature) => Err(RuleViolation::Feature(format!("the feature {feature}"))),
        None => Ok(()),
    }
}

/// Refuses a table with an identity column: its values are given out by the log.
pub(crate) fn refuse_identity_columns(schema: &StructType) -> Result<(), RuleViolation> {
    let key = ColumnMetadataKey::IdentityStart.as_ref();
    let mut fields = schema.fields();
    match fields.find(|field| field.metadata().contains_key(key)) {
        Some(field) => Err(RuleViolation::Feature(format!(
            "the identity column `{}`",
            field.name()
        ))),
        None => Ok(()),
    }
}

/// Refuses a table with variants: Arrow has them as structs, and written as those they aren't variants any more.
pub(crate) fn refuse_variants(schema: &StructType) -> Result<(), RuleViolation> {
    let mut fields = schema.fields();
    match fields.find(|field| has_variant(field.data_type())) {
        Some(field) => Err(RuleViolation::Feature(format!(
            "the variant column `{}`",
            field.name()
        ))),
        None => Ok(()),
    }
}

fn has_variant(data_type: &DeltaType) -> bool {
    match data_type {
        DeltaType::Variant(_) => true,
        DeltaType::Struct(inner) => inner.fields().any(|field| has_variant(field.data_type())),
        DeltaType::Array(list) => has_variant(list.element_type()),
        DeltaType::Map(map) => has_variant(map.key_type()) || has_variant(map.value_type()),
        DeltaType::Primitive(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::testing::{Table, column, column_with};

    fn refusal(table: &Table) -> Option<String> {
        let configuration = table.configuration();
        let schema = configuration.logical_schema();
        let checked = require_supported(&configuration, Work::Stage)
            .and_then(|()| refuse_identity_columns(&schema))
            .and_then(|()| refuse_variants(&schema));
        checked.err().map(|error| error.to_string())
    }

    fn with_features(features: &[&str]) -> Table {
        Table::new(&[column("a", "long", true)]).protocol(json!({
            "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features,
        }))
    }

    #[test]
    fn features_that_ask_nothing_of_files_are_supported() {
        assert_eq!(
            refusal(&with_features(&["appendOnly", "domainMetadata"])),
            None
        );
        assert_eq!(refusal(&with_features(&["identityColumns"])), None);
        let old = json!({"minReaderVersion": 1, "minWriterVersion": 4});
        assert_eq!(
            refusal(&Table::new(&[column("a", "long", true)]).protocol(old)),
            None
        );
    }

    #[test]
    fn other_features_are_named() {
        for feature in ["rowTracking", "clustering", "someday"] {
            let refused = refusal(&with_features(&[feature]));
            assert!(
                refused.is_some_and(|text| text.contains(feature)),
                "{feature}"
            );
        }
    }

    #[test]
    fn identity_columns_are_named() {
        let table = Table::new(&[column_with("n", "long", "delta.identity.start", 1)]);
        assert!(refusal(&table).is_some_and(|text| text.contains("identity column `n`")));
    }

    #[test]
    fn variants_are_found_at_every_depth() {
        let list = json!({"type": "array", "elementType": "variant", "containsNull": true});
        let table =
            Table::new(&[column("a", "long", true), column("v", list, true)]).protocol(json!({
                "minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": ["variantType"], "writerFeatures": ["variantType"],
            }));
        assert!(refusal(&table).is_some_and(|text| text.contains("variant column `v`")));
    }
}
