//! Delta's types for those of Arrow.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};

use crate::error::RuleViolation;
use crate::schema::metadata::{Keep, strip_metadata};

/// Where columns may be null that a table gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nulls {
    /// Where the schema of the rows says so.
    #[default]
    AsGiven,
    /// Everywhere.
    Everywhere,
}

/// Gives all columns Delta's types, as [`to_delta_field`].
pub(crate) fn to_delta_schema(source: &Schema, nulls: Nulls) -> Result<Schema, RuleViolation> {
    let fields = source.fields().iter().map(|field| to_delta_field(field));
    let fields: Vec<_> = fields.collect::<Result<_, _>>()?;
    let fields = Fields::from(fields);
    Ok(Schema::new(match nulls {
        Nulls::AsGiven => fields,
        Nulls::Everywhere => strip_metadata(&fields, Keep::Nothing),
    }))
}

/// Gives a field Delta's type that holds all its values.
///
/// To Delta a null struct breaks the rule that a field in it isn't null, so that only structs which are
/// never null themselves keep such rules; those in lists and maps can have none.
///
/// # Errors
/// Delta has no such type; the field is named.
pub(crate) fn to_delta_field(field: &Field) -> Result<Field, RuleViolation> {
    let data_type = to_delta_type(field.data_type(), !field.is_nullable()).map_err(|found| {
        RuleViolation::NoType {
            column: field.name().clone(),
            found,
        }
    })?;
    Ok(Field::new(field.name(), data_type, field.is_nullable()))
}

fn to_delta_type(data_type: &DataType, keeps_not_null: bool) -> Result<DataType, DataType> {
    use DataType as T;
    Ok(match data_type {
        T::Boolean | T::Int8 | T::Int16 | T::Int32 | T::Int64 => data_type.clone(),
        T::Float32 | T::Float64 | T::Utf8 | T::Binary | T::Date32 => data_type.clone(),
        T::UInt8 => T::Int16,
        T::UInt16 => T::Int32,
        T::UInt32 => T::Int64,
        T::UInt64 => T::Decimal128(20, 0),
        T::Float16 => T::Float32,
        T::LargeUtf8 | T::Utf8View => T::Utf8,
        T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => T::Binary,
        T::Date64 => T::Date32,
        T::Timestamp(_, zone) => {
            T::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        T::Decimal32(precision, scale)
        | T::Decimal64(precision, scale)
        | T::Decimal128(precision, scale)
        | T::Decimal256(precision, scale)
            if *precision <= 38 && (0..=i16::from(*precision)).contains(&i16::from(*scale)) =>
        {
            T::Decimal128(*precision, *scale)
        }
        T::Dictionary(_, values) => to_delta_type(values, false)?,
        T::RunEndEncoded(_, values) => to_delta_type(values.data_type(), false)?,
        T::List(element)
        | T::LargeList(element)
        | T::FixedSizeList(element, _)
        | T::ListView(element)
        | T::LargeListView(element) => T::List(element_field(element)?),
        T::Struct(fields) => T::Struct(
            fields
                .iter()
                .map(|field| struct_field(field, keeps_not_null))
                .collect::<Result<_, _>>()?,
        ),
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(pair) => {
                let entry = T::Struct(pair.iter().map(element_field).collect::<Result<_, _>>()?);
                T::Map(Arc::new(Field::new(entries.name(), entry, false)), false)
            }
            other => return Err(other.clone()),
        },
        other => return Err(other.clone()),
    })
}

/// Gives a field of a struct Delta's type; the struct's own nulls would break a rule that it isn't null.
fn struct_field(field: &FieldRef, keeps_not_null: bool) -> Result<FieldRef, DataType> {
    let is_required = keeps_not_null && !field.is_nullable();
    let data_type = to_delta_type(field.data_type(), is_required)?;
    Ok(Arc::new(Field::new(field.name(), data_type, !is_required)))
}

/// Gives the elements of a list, or the keys or values of a map, Delta's type.
fn element_field(field: &FieldRef) -> Result<FieldRef, DataType> {
    let data_type = to_delta_type(field.data_type(), false)?;
    Ok(Arc::new(Field::new(
        field.name(),
        data_type,
        field.is_nullable(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, false)
    }

    #[test]
    fn structs_that_may_be_null_keep_no_rules() {
        let inner = DataType::Struct(vec![strict("a", DataType::UInt8)].into());
        let outer = |is_nullable| Field::new("r", inner.clone(), is_nullable);
        for is_nullable in [false, true] {
            let found = to_delta_field(&outer(is_nullable));
            let a = Field::new("a", DataType::Int16, is_nullable);
            let wanted = Field::new("r", DataType::Struct(vec![a].into()), is_nullable);
            assert_eq!(found.ok(), Some(wanted));
        }
        let list = strict("l", DataType::LargeList(Arc::new(strict("x", inner))));
        let a = Field::new("a", DataType::Int16, true);
        let item = strict("x", DataType::Struct(vec![a].into()));
        assert_eq!(
            to_delta_field(&list).ok(),
            Some(strict("l", DataType::List(Arc::new(item))))
        );
    }

    #[test]
    fn what_delta_lacks_is_named() {
        for kind in [
            DataType::Null,
            DataType::Time64(TimeUnit::Microsecond),
            DataType::Decimal256(39, 0),
            DataType::Decimal128(5, -2),
        ] {
            let list = DataType::new_list(kind.clone(), true);
            let told = to_delta_field(&strict("c", list)).map_err(|error| error.to_string());
            assert!(
                told.is_err_and(|told| told.contains("`c`") && told.contains(&kind.to_string()))
            );
        }
    }
}
