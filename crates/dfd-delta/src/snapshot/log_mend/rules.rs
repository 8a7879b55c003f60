//! What delta_kernel takes of the actions of a table.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Decimal128Type, DecimalType};
use datafusion::common::ScalarValue;
use delta_kernel::schema::{PrimitiveType, StructType};
use delta_kernel::table_features::ColumnMappingMode;

use crate::files::log_values::partition_value;
use crate::snapshot::log_mend::statistics::StatisticsSchema;

/// How the actions of a table of one schema are mended; without a schema what needs none.
#[derive(Default)]
pub(in crate::snapshot) struct Rules {
    /// The types of the columns, by their names and by their physical names.
    kinds: HashMap<String, PrimitiveType>,
    statistics: Option<StatisticsSchema>,
    /// The sizes of the sidecars that were mended, by their names.
    sidecars: HashMap<String, u64>,
}

impl Rules {
    /// Those of a table of this schema.
    pub(in crate::snapshot) fn of(schema: &StructType) -> Self {
        let mut kinds = HashMap::new();
        for field in schema.fields() {
            let delta_kernel::schema::DataType::Primitive(kind) = field.data_type() else {
                continue;
            };
            for mode in [ColumnMappingMode::None, ColumnMappingMode::Name] {
                kinds.insert(field.physical_name(mode).to_owned(), kind.clone());
            }
        }
        Self {
            kinds,
            statistics: StatisticsSchema::of(schema),
            sidecars: HashMap::new(),
        }
    }

    /// The same, with the sizes of sidecars that were mended.
    pub(in crate::snapshot) fn with_sidecars(self, sidecars: HashMap<String, u64>) -> Self {
        Self { sidecars, ..self }
    }

    /// What a partition value is to be in place of `text`.
    pub(super) fn partition_value(&self, column: &str, text: &str) -> Option<String> {
        let kind = self.kinds.get(column)?;
        let PrimitiveType::Decimal(decimal) = kind else {
            return None;
        };
        if kind.parse_scalar(text).is_ok() {
            return None;
        }
        let scale = i8::try_from(decimal.scale()).ok()?;
        let data_type = DataType::Decimal128(decimal.precision(), scale);
        match partition_value(Some(text), &data_type)? {
            ScalarValue::Decimal128(Some(value), precision, scale) => {
                Some(Decimal128Type::format_decimal(value, precision, scale))
            }
            _ => None,
        }
    }

    /// What statistics are to be in place of some of `texts`, with the places of these.
    pub(super) fn statistics(&self, texts: &[Option<&str>]) -> Vec<(usize, Option<String>)> {
        let schema = self.statistics.as_ref();
        schema.map_or_else(Vec::new, |schema| schema.mended(texts))
    }

    /// The size of a sidecar that was mended.
    pub(super) fn sidecar_size(&self, name: &str) -> Option<u64> {
        self.sidecars.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::test_tables::{field, mapped};

    fn rules() -> Rules {
        let fields = [
            field("m", "decimal(5,2)"),
            field("n", "decimal(10,0)"),
            field("d", "date"),
            mapped("renamed", "decimal(38,10)", 7, "col-7"),
        ];
        let schema = json!({"type": "struct", "fields": fields});
        Rules::of(&serde_json::from_value(schema).unwrap())
    }

    #[test]
    fn a_decimal_gets_the_scale_of_its_column() {
        let rules = rules();
        for (column, text, wanted) in [
            ("m", "1", "1.00"),
            ("m", "-0.5", "-0.50"),
            ("m", "1E+1", "10.00"),
            ("m", "0E-10", "0.00"),
            ("n", "1E+3", "1000"),
            ("n", "1.234E3", "1234"),
            ("n", "-7.0", "-7"),
            ("renamed", "12", "12.0000000000"),
            ("col-7", "1.2E-7", "0.0000001200"),
        ] {
            let found = rules.partition_value(column, text);
            let kernels = rules.kinds[column].parse_scalar(wanted).is_ok();
            assert!(kernels, "{wanted}");
            // What it takes as it is stays as it is.
            match rules.kinds[column].parse_scalar(text) {
                Ok(_) => assert_eq!(found, None, "{text}"),
                Err(_) => assert_eq!(found.as_deref(), Some(wanted), "{text}"),
            }
        }
    }

    #[test]
    fn what_is_no_value_of_the_column_stays() {
        let rules = rules();
        for (column, text) in [
            ("m", "1.00"),
            ("m", "1.505"),
            ("m", "1E+3"),
            ("m", "one"),
            ("m", ""),
            ("n", "0.5"),
            ("d", "garbage"),
            ("d", "1E+3"),
            ("unknown", "1E+3"),
        ] {
            assert_eq!(rules.partition_value(column, text), None, "{column} {text}");
        }
    }
}
