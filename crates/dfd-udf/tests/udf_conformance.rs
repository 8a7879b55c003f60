//! The gate that every function of the crate passes; see `docs/architecture/udf_quality_gate.md`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::ScalarValue;
use datafusion_common::config::ConfigOptions;
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, TypeSignature, Volatility,
};

/// The argument types of the function's one exact signature.
fn types(udf: &ScalarUDF) -> Vec<DataType> {
    match &udf.signature().type_signature {
        TypeSignature::Exact(types) => types.clone(),
        other => panic!("{}: the gate knows no samples for {other:?}", udf.name()),
    }
}

/// Values inside and outside of any domain, nulls among them; `shift` varies them by argument.
fn sample(kind: &DataType, shift: usize) -> ArrayRef {
    match kind {
        DataType::Float64 => {
            let mut values = vec![
                Some(0.0),
                Some(40.64),
                None,
                Some(-73.78),
                Some(91.0),
                Some(f64::NAN),
                Some(-90.0),
                Some(f64::INFINITY),
            ];
            values.rotate_left(shift);
            Arc::new(Float64Array::from(values))
        }
        DataType::Int64 => Arc::new(Int64Array::from(vec![
            Some(0),
            Some(517),
            None,
            Some(2400),
            Some(2401),
            Some(-1),
            Some(1260),
            Some(i64::MIN),
        ])),
        other => panic!("no sample of {other}"),
    }
}

fn samples(udf: &ScalarUDF) -> Vec<ArrayRef> {
    types(udf)
        .iter()
        .enumerate()
        .map(|(i, kind)| sample(kind, i))
        .collect()
}

fn fields(args: &[ColumnarValue]) -> Vec<FieldRef> {
    args.iter()
        .map(|arg| Arc::new(Field::new("arg", arg.data_type(), true)))
        .collect()
}

fn return_field(udf: &ScalarUDF, fields: &[FieldRef]) -> datafusion_common::Result<FieldRef> {
    let literals = vec![None; fields.len()];
    udf.return_field_from_args(ReturnFieldArgs {
        arg_fields: fields,
        scalar_arguments: &literals,
    })
}

fn invoke(udf: &ScalarUDF, args: Vec<ColumnarValue>, rows: usize) -> ColumnarValue {
    let arg_fields = fields(&args);
    let return_field = return_field(udf, &arg_fields).unwrap();
    let out = udf
        .invoke_with_args(ScalarFunctionArgs {
            args,
            arg_fields,
            number_rows: rows,
            return_field: Arc::clone(&return_field),
            config_options: Arc::new(ConfigOptions::default()),
        })
        .unwrap();
    assert_eq!(&out.data_type(), return_field.data_type(), "{}", udf.name());
    out
}

fn arrays(udf: &ScalarUDF, columns: &[ArrayRef]) -> ArrayRef {
    let rows = columns[0].len();
    let args = columns.iter().cloned().map(ColumnarValue::Array).collect();
    let out = invoke(udf, args, rows).into_array(rows).unwrap();
    assert_eq!(out.len(), rows, "{}: length", udf.name());
    out
}

#[test]
fn scalars_and_arrays_agree_in_any_mix() {
    for udf in dfd_udf::functions() {
        let columns = samples(&udf);
        let whole = arrays(&udf, &columns);
        for row in 0..columns[0].len() {
            for mask in 0..1_u32 << columns.len() {
                let args = columns
                    .iter()
                    .enumerate()
                    .map(|(i, column)| match mask >> i & 1 {
                        0 => ColumnarValue::Array(column.slice(row, 1)),
                        _ => {
                            ColumnarValue::Scalar(ScalarValue::try_from_array(column, row).unwrap())
                        }
                    })
                    .collect();
                let out = invoke(&udf, args, 1);
                if mask == (1 << columns.len()) - 1 {
                    assert!(
                        matches!(out, ColumnarValue::Scalar(_)),
                        "{}: scalar path",
                        udf.name()
                    );
                }
                let out = out.into_array(1).unwrap();
                assert_eq!(
                    &out,
                    &whole.slice(row, 1),
                    "{} row {row} mask {mask}",
                    udf.name()
                );
            }
        }
    }
}

#[test]
fn empty_sliced_and_null_inputs() {
    for udf in dfd_udf::functions() {
        let columns = samples(&udf);
        let whole = arrays(&udf, &columns);
        let sliced: Vec<_> = columns.iter().map(|c| c.slice(2, 4)).collect();
        assert_eq!(
            &arrays(&udf, &sliced),
            &whole.slice(2, 4),
            "{}: slice",
            udf.name()
        );
        let empty: Vec<_> = columns.iter().map(|c| c.slice(0, 0)).collect();
        assert_eq!(arrays(&udf, &empty).len(), 0);
        let nulls: Vec<_> = types(&udf).iter().map(|t| new_null_array(t, 5)).collect();
        assert_eq!(
            arrays(&udf, &nulls).null_count(),
            5,
            "{}: nulls",
            udf.name()
        );
    }
}

#[test]
fn the_return_field_tells_of_the_nulls_that_come_out() {
    for udf in dfd_udf::functions() {
        let required: Vec<FieldRef> = types(&udf)
            .into_iter()
            .map(|kind| Arc::new(Field::new("arg", kind, false)) as FieldRef)
            .collect();
        // Arguments without nulls still meet the domain's border.
        let columns: Vec<ArrayRef> = samples(&udf).iter().map(|c| c.slice(4, 1)).collect();
        assert!(columns.iter().all(|c| c.null_count() == 0) || columns.len() > 1);
        let field = return_field(&udf, &required).unwrap();
        assert!(
            arrays(&udf, &columns).null_count() == 0 || field.is_nullable(),
            "{}",
            udf.name()
        );
    }
}

#[test]
fn immutable_documented_and_strict_about_arity() {
    for udf in dfd_udf::functions() {
        assert_eq!(
            udf.signature().volatility,
            Volatility::Immutable,
            "{}",
            udf.name()
        );
        let doc = udf
            .documentation()
            .unwrap_or_else(|| panic!("{} has no documentation", udf.name()));
        assert!(doc.description.len() > 20 && doc.syntax_example.starts_with(udf.name()));
        assert_eq!(
            doc.arguments.as_ref().map(Vec::len),
            Some(types(&udf).len())
        );
        let mut short: Vec<FieldRef> = types(&udf)
            .into_iter()
            .map(|kind| Arc::new(Field::new("arg", kind, true)) as FieldRef)
            .collect();
        short.pop();
        assert!(return_field(&udf, &short).is_err(), "{}: arity", udf.name());
    }
}

fn function(name: &str) -> Arc<ScalarUDF> {
    dfd_udf::functions()
        .into_iter()
        .find(|udf| udf.name() == name)
        .unwrap()
}

#[test]
fn golden_haversine() {
    // JFK to LHR; a quarter of a meridian; antipodes.
    let column = |values: [f64; 3]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let out = arrays(
        &function("dfd_haversine_km"),
        &[
            column([40.6413, 0.0, 0.0]),
            column([-73.7781, 0.0, 0.0]),
            column([51.47, 90.0, 0.0]),
            column([-0.4543, 0.0, 180.0]),
        ],
    );
    let out = out.as_any().downcast_ref::<Float64Array>().unwrap();
    let pi_r = std::f64::consts::PI * 6371.0088;
    for (got, want, within) in [
        (out.value(0), 5540.0, 5.0),
        (out.value(1), pi_r / 2.0, 1e-6),
        (out.value(2), pi_r, 1e-6),
    ] {
        assert!((got - want).abs() < within, "{got} is not {want}");
    }
}

#[test]
fn golden_hhmm() {
    let clocks: ArrayRef = Arc::new(Int64Array::from(vec![0, 59, 60, 517, 2359, 2400, 2401, -1]));
    let out = arrays(&function("dfd_hhmm_minutes"), &[clocks]);
    let wanted = Int64Array::from(vec![
        Some(0),
        Some(59),
        None,
        Some(317),
        Some(1439),
        Some(1440),
        None,
        None,
    ]);
    assert_eq!(out.as_any().downcast_ref::<Int64Array>().unwrap(), &wanted);
}
