//! Filters on their way from the session of another library to a table of dfd's.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::{Result, TableReference, plan_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{AggregateUDF, Extension, LogicalPlan, ScalarUDF, WindowUDF};
use datafusion_proto::logical_plan::LogicalExtensionCodec;

use crate::plan_codec::registry::Registry;

/// Functions of filters that were written and not yet read, at most: one for each call in a filter.
const MAX_FUNCTIONS: usize = 1 << 16;

/// The codec of a foreign session, but that scalar functions cross by reference.
///
/// The one that the session means is the one that is called. By name it would be looked up among those of
/// the foreign session, which datafusion-ffi wraps all, hundreds, for every look at a filter; and
/// one that has the name of another, as Spark's have DataFusion's, would be taken for that.
pub struct FilterCodec {
    foreign: Arc<dyn LogicalExtensionCodec>,
    functions: Registry<ScalarUDF>,
}

impl fmt::Debug for FilterCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FilterCodec")
    }
}

impl FilterCodec {
    /// A codec over that of the foreign session.
    pub fn new(foreign: Arc<dyn LogicalExtensionCodec>) -> Self {
        Self {
            foreign,
            functions: Registry::of(MAX_FUNCTIONS),
        }
    }
}

impl LogicalExtensionCodec for FilterCodec {
    fn try_decode(
        &self,
        buffer: &[u8],
        inputs: &[LogicalPlan],
        context: &TaskContext,
    ) -> Result<Extension> {
        self.foreign.try_decode(buffer, inputs, context)
    }

    fn try_encode(&self, node: &Extension, buffer: &mut Vec<u8>) -> Result<()> {
        self.foreign.try_encode(node, buffer)
    }

    fn try_decode_table_provider(
        &self,
        buffer: &[u8],
        name: &TableReference,
        schema: SchemaRef,
        context: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        self.foreign
            .try_decode_table_provider(buffer, name, schema, context)
    }

    fn try_encode_table_provider(
        &self,
        name: &TableReference,
        table: Arc<dyn TableProvider>,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        self.foreign.try_encode_table_provider(name, table, buffer)
    }

    fn try_decode_udf(&self, name: &str, buffer: &[u8]) -> Result<Arc<ScalarUDF>> {
        let number = buffer.try_into().map(u64::from_le_bytes);
        match number.ok().and_then(|number| self.functions.take(number)) {
            Some(function) => Ok(function),
            None => plan_err!("a filter calls {name}, which was not written with it"),
        }
    }

    fn try_encode_udf(&self, function: &ScalarUDF, buffer: &mut Vec<u8>) -> Result<()> {
        let number = self.functions.register(Arc::new(function.clone()));
        buffer.extend(number.to_le_bytes());
        Ok(())
    }

    fn try_decode_udaf(&self, name: &str, buffer: &[u8]) -> Result<Arc<AggregateUDF>> {
        self.foreign.try_decode_udaf(name, buffer)
    }

    fn try_encode_udaf(&self, function: &AggregateUDF, buffer: &mut Vec<u8>) -> Result<()> {
        self.foreign.try_encode_udaf(function, buffer)
    }

    fn try_decode_udwf(&self, name: &str, buffer: &[u8]) -> Result<Arc<WindowUDF>> {
        self.foreign.try_decode_udwf(name, buffer)
    }

    fn try_encode_udwf(&self, function: &WindowUDF, buffer: &mut Vec<u8>) -> Result<()> {
        self.foreign.try_encode_udwf(function, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;
    use datafusion::functions::expr_fn::lower;
    use datafusion::logical_expr::{Volatility, col, create_udf};
    use datafusion_proto::logical_plan::DefaultLogicalExtensionCodec;
    use datafusion_proto::logical_plan::from_proto::parse_exprs;
    use datafusion_proto::logical_plan::to_proto::serialize_exprs;

    #[test]
    fn the_function_that_is_written_is_the_one_that_is_read() -> Result<()> {
        let codec = FilterCodec::new(Arc::new(DefaultLogicalExtensionCodec {}));
        // The context has another `upper`.
        let upper = create_udf(
            "upper",
            vec![DataType::Utf8],
            DataType::Utf8,
            Volatility::Immutable,
            Arc::new(|values| Ok(values[0].clone())),
        );
        let filter = upper.call(vec![col("p")]).eq(lower(col("p")));
        let written = serialize_exprs([&filter], &codec)?;
        let context = dfd_runtime::task_context_provider().task_ctx();
        let read = parse_exprs(&written, context.as_ref(), &codec)?;
        assert_eq!(read, [filter]);
        assert_eq!(codec.functions.waiting(), 0);
        // A number is good once.
        assert!(parse_exprs(&written, context.as_ref(), &codec).is_err());
        Ok(())
    }

    #[test]
    fn a_number_that_was_not_written_is_refused_with_the_functions_name() {
        let codec = FilterCodec::new(Arc::new(DefaultLogicalExtensionCodec {}));
        for bytes in [&b""[..], b"abc", &7_u64.to_le_bytes()] {
            let error = codec.try_decode_udf("upper", bytes).unwrap_err();
            assert_eq!(
                error.strip_backtrace(),
                "Error during planning: a filter calls upper, which was not written with it"
            );
        }
    }

    #[test]
    fn functions_that_nobody_reads_are_bounded() -> Result<()> {
        let codec = FilterCodec {
            foreign: Arc::new(DefaultLogicalExtensionCodec {}),
            functions: Registry::of(2),
        };
        let function = datafusion::functions::string::upper();
        let mut numbers = Vec::new();
        for _ in 0..3 {
            let mut bytes = Vec::new();
            codec.try_encode_udf(&function, &mut bytes)?;
            numbers.push(bytes);
        }
        assert_eq!(codec.functions.waiting(), 2);
        assert!(codec.try_decode_udf("upper", &numbers[0]).is_err());
        assert_eq!(codec.try_decode_udf("any", &numbers[1])?.name(), "upper");
        assert_eq!(codec.try_decode_udf("any", &numbers[2])?.name(), "upper");
        Ok(())
    }

    #[test]
    fn all_else_is_asked_of_the_foreign_codec() {
        let foreign = DefaultLogicalExtensionCodec {};
        let codec = FilterCodec::new(Arc::new(DefaultLogicalExtensionCodec {}));
        let context = TaskContext::default();
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        let name = TableReference::bare("t");
        let told = |codec: &dyn LogicalExtensionCodec| {
            let table = codec.try_decode_table_provider(b"", &name, Arc::clone(&schema), &context);
            [
                codec.try_decode_udaf("sum", b"x").map(drop),
                codec.try_decode_udwf("rank", b"x").map(drop),
                codec.try_decode(b"", &[], &context).map(drop),
                table.map(drop),
            ]
            .map(|found| found.unwrap_err().strip_backtrace())
        };
        assert_eq!(told(&codec), told(&foreign));
        assert_eq!(format!("{codec:?}"), "FilterCodec");
    }
}
