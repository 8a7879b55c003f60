//! `dfd_hhmm_minutes`: a clock time written as a number, in minutes since midnight.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility, scalar_doc_sections::DOC_SECTION_DATETIME,
};

use crate::arguments::{expect_arity, nullable_field};

const NAME: &str = "dfd_hhmm_minutes";

/// `dfd_hhmm_minutes(hhmm)`: 517 is 05:17, that is 317 minutes.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct HhmmMinutes {
    signature: Signature,
}

impl HhmmMinutes {
    /// The function.
    pub fn new() -> Self {
        Self {
            signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable),
        }
    }
}

impl Default for HhmmMinutes {
    fn default() -> Self {
        Self::new()
    }
}

/// Null for what is no time of day; 2400 is the day's end, as timetables write it.
fn minutes(clock: i64) -> Option<i64> {
    let (hour, minute) = (clock.div_euclid(100), clock.rem_euclid(100));
    ((0..=2400).contains(&clock) && minute < 60).then_some(hour * 60 + minute)
}

impl ScalarUDFImpl for HhmmMinutes {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        expect_arity(NAME, &args, 1)?;
        Ok(nullable_field(NAME, DataType::Int64))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Scalar(ScalarValue::Int64(clock))] => Ok(ColumnarValue::Scalar(
                ScalarValue::Int64(clock.and_then(minutes)),
            )),
            [ColumnarValue::Array(array)] => match array.as_primitive_opt::<Int64Type>() {
                Some(clocks) => {
                    let out: Int64Array = clocks.iter().map(|clock| minutes(clock?)).collect();
                    Ok(ColumnarValue::Array(Arc::new(out) as ArrayRef))
                }
                None => exec_err!("{NAME} takes one Int64, not {}", array.data_type()),
            },
            _ => exec_err!("{NAME} takes one Int64"),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        static DOC: std::sync::LazyLock<Documentation> = std::sync::LazyLock::new(|| {
            Documentation::builder(
                DOC_SECTION_DATETIME,
                "Minutes since midnight of a clock time written as a number: 517 (05:17) is 317, \
                 2400 is 1440. Null for null and for what is no time of day.",
                "dfd_hhmm_minutes(hhmm)",
            )
            .with_argument("hhmm", "The time as hour times 100 plus minute, 0 to 2400.")
            .build()
        });
        Some(&DOC)
    }
}
