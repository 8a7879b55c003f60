//! `date_trunc` of every time that microseconds have.
//!
//! DataFusion 55 truncates by way of nanoseconds, which end with the years 1677 and 2262: 9999-12-31, as tables have it
//! for "until further notice", is an error. The calendar repeats itself every 400 years, weekdays included: a time is
//! truncated as the same one of the years from 1700 to 2099.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowNativeTypeOp, AsArray};
use arrow::compute::kernels::arity::try_binary;
use arrow::datatypes::{DataType, FieldRef, TimeUnit, TimestampMicrosecondType as Micros};
use datafusion::common::Result;
use datafusion::functions::datetime;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_CYCLE: i64 = 146_097 * MICROS_PER_DAY;
/// 1700-01-01.
const FIRST: i64 = -98_615 * MICROS_PER_DAY;

/// `date_trunc`, to be registered in place of DataFusion's.
pub(crate) fn date_trunc() -> Arc<ScalarUDF> {
    let inner = datetime::date_trunc();
    Arc::new(ScalarUDF::from(DateTrunc { inner }))
}

/// DataFusion's `date_trunc`, but for times in UTC that nanoseconds don't have.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    inner: Arc<ScalarUDF>,
}

impl DateTrunc {
    fn truncated_in_its_cycle(
        &self,
        mut arguments: ScalarFunctionArgs,
        times: &ArrayRef,
        zone: Option<Arc<str>>,
    ) -> Result<ColumnarValue> {
        let times = times.as_primitive::<Micros>();
        let near = times.unary::<_, Micros>(|time| time - cycles_before(time));
        arguments.args[1] = ColumnarValue::Array(Arc::new(near.with_timezone_opt(zone.clone())));
        let truncated = self.inner.invoke_with_args(arguments)?;
        let truncated = truncated.into_array(times.len())?;
        let truncated = truncated.as_primitive::<Micros>();
        let there = try_binary::<_, _, _, Micros>(truncated, times, |near, time| {
            near.add_checked(cycles_before(time))
        })?;
        Ok(ColumnarValue::Array(Arc::new(
            there.with_timezone_opt(zone),
        )))
    }
}

/// The microseconds of the whole cycles between the years that nanoseconds have and this time.
fn cycles_before(time: i64) -> i64 {
    let since = time.checked_sub(FIRST);
    since.map_or(0, |since| {
        since.div_euclid(MICROS_PER_CYCLE) * MICROS_PER_CYCLE
    })
}

/// Whether days begin at the same time in every year.
fn is_of_one_offset(zone: Option<&str>) -> bool {
    zone.is_none_or(|zone| zone == "UTC" || zone.starts_with(['+', '-']))
}

impl ScalarUDFImpl for DateTrunc {
    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let kind = arguments.args.get(1).map(ColumnarValue::data_type);
        let Some(DataType::Timestamp(TimeUnit::Microsecond, zone)) = kind else {
            return self.inner.invoke_with_args(arguments);
        };
        let times = arguments.args[1].to_array(arguments.number_rows)?;
        let mut values = times.as_primitive::<Micros>().values().iter();
        if values.any(|time| cycles_before(*time) != 0) && is_of_one_offset(zone.as_deref()) {
            return self.truncated_in_its_cycle(arguments, &times, zone);
        }
        self.inner.invoke_with_args(arguments)
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        self.inner.return_type(kinds)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{batch, in_memory, physical, rows, session, texts};

    fn truncated(zone: &str, unit: &str, times: &[&str]) -> Vec<String> {
        let session = session();
        session.register_udf(date_trunc().as_ref().clone());
        let given = batch(vec![("s", texts(times))]);
        session.register_table("t", in_memory(&[given])).unwrap();
        let time = format!("arrow_cast(s, 'Timestamp(Microsecond, {zone})')");
        let sql = format!("SELECT date_trunc('{unit}', {time})::text FROM t");
        let found = rows(physical(&session, &sql), &session.state());
        let found = found.column(0).as_string_view().iter();
        found.map(|text| text.unwrap().to_owned()).collect()
    }

    #[test]
    fn far_times_have_weeks_months_and_years() {
        let times = [
            "9999-12-31T23:59:58.123456",
            "0001-01-03T04:05:06",
            "2024-02-29T12:00:00",
        ];
        for (unit, wanted) in [
            ("year", ["9999-01-01", "0001-01-01", "2024-01-01"]),
            ("quarter", ["9999-10-01", "0001-01-01", "2024-01-01"]),
            ("month", ["9999-12-01", "0001-01-01", "2024-02-01"]),
            // 9999-12-31 is a Friday, and 0001-01-01 a Monday.
            ("week", ["9999-12-27", "0001-01-01", "2024-02-26"]),
            ("day", ["9999-12-31", "0001-01-03", "2024-02-29"]),
        ] {
            let plain = wanted.map(|day| format!("{day}T00:00:00"));
            assert_eq!(truncated("None", unit, &times), plain, "{unit}");
            let utc = wanted.map(|day| format!("{day}T00:00:00Z"));
            assert_eq!(truncated("Some(\"UTC\")", unit, &times), utc, "{unit}");
        }
        let hours = [
            "9999-12-31T23:00:00Z",
            "0001-01-03T04:00:00Z",
            "2024-02-29T12:00:00Z",
        ];
        assert_eq!(truncated("Some(\"UTC\")", "hour", &times), hours);
        let offset = truncated("Some(\"+01:00\")", "day", &["9999-12-30T23:30:00Z"]);
        assert_eq!(offset, ["9999-12-31T00:00:00+01:00"]);
    }

    #[test]
    fn cycles_are_those_of_the_calendar() {
        for (days, cycles) in [
            (-98_616, -1),
            (-98_615, 0),
            (0, 0),
            (47_481, 0),
            (47_482, 1),
        ] {
            let found = cycles_before(days * MICROS_PER_DAY) / MICROS_PER_CYCLE;
            assert_eq!(found, cycles, "{days}");
        }
        assert_eq!(cycles_before(i64::MAX), 0);
    }
}
