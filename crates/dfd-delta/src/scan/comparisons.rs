//! Comparisons that keep SQL's meaning where DataFusion's own fail or lose rows.
//!
//! DataFusion compares a timestamp with a date, a text or another timestamp in nanoseconds, which
//! end in 2262. Delta's are microseconds, and 9999-12-31 is how many tables say "still valid"; so
//! both sides are compared in microseconds where that is exact. In a list of floating-point numbers
//! it tells 0.0 from -0.0, which are equal: each stands for both.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::functions::core::coalesce::CoalesceFunc;
use datafusion::functions::core::greatest::GreatestFunc;
use datafusion::functions::core::least::LeastFunc;
use datafusion::functions::core::nullif::NullIfFunc;
use datafusion::logical_expr::expr::{Between, InList, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr, ExprSchemable, Operator, and, or};
use dfd_arrow::exact_cast;

/// The expression with its comparisons, at any depth, as above; its value is the same where it had one.
///
/// # Errors
/// The expression names a column that `schema` doesn't have.
pub fn exact_comparisons(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|node| {
        let exact = match &node {
            Expr::BinaryExpr(comparison) => binary(comparison, schema),
            Expr::Between(between) => range(between, schema),
            Expr::InList(list) => in_list(list, schema),
            Expr::IsNull(value) => exact(value, schema).map(|value| Expr::IsNull(value.into())),
            Expr::IsNotNull(value) => {
                exact(value, schema).map(|value| Expr::IsNotNull(value.into()))
            }
            _ => None,
        };
        Ok(match exact {
            Some(exact) => Transformed::yes(exact),
            None => Transformed::no(node),
        })
    })
}

/// A comparison in nanoseconds as one in microseconds.
fn binary(comparison: &BinaryExpr, schema: &DFSchema) -> Option<Expr> {
    let BinaryExpr { left, op, right } = comparison;
    let sides = (micros(left, schema)?, micros(right, schema)?);
    let (left, op, right) = match sides {
        (Micros::Exact(left), Micros::Exact(right)) => (left, *op, right),
        (Micros::Exact(left), Micros::After(right)) => (left, before_next(*op)?, right),
        (Micros::After(left), Micros::Exact(right)) => (right, before_next(op.swap()?)?, left),
        (Micros::After(_), Micros::After(_)) => return None,
    };
    is_comparison(op).then(|| Expr::BinaryExpr(BinaryExpr::new(left.into(), op, right.into())))
}

/// A value that is one of microseconds without loss.
fn exact(value: &Expr, schema: &DFSchema) -> Option<Expr> {
    micros(value, schema)?.exact()
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        op,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

/// The operator for a right side that lies between what is given and the next microsecond.
fn before_next(op: Operator) -> Option<Operator> {
    match op {
        Operator::Lt | Operator::LtEq => Some(Operator::LtEq),
        Operator::Gt | Operator::GtEq => Some(Operator::Gt),
        _ => None,
    }
}

fn range(between: &Between, schema: &DFSchema) -> Option<Expr> {
    let compared = |op, bound: &Expr| {
        let (value, bound) = (between.expr.clone(), bound.clone());
        binary(&BinaryExpr::new(value, op, bound.into()), schema)
    };
    Some(if between.negated {
        or(
            compared(Operator::Lt, &between.low)?,
            compared(Operator::Gt, &between.high)?,
        )
    } else {
        and(
            compared(Operator::GtEq, &between.low)?,
            compared(Operator::LtEq, &between.high)?,
        )
    })
}

fn in_list(list: &InList, schema: &DFSchema) -> Option<Expr> {
    let (expr, items) = in_micros(list, schema).or_else(|| {
        let items = with_both_zeros(&list.list)?;
        Some((list.expr.as_ref().clone(), items))
    })?;
    let list = InList::new(expr.into(), items, list.negated);
    Some(Expr::InList(list))
}

fn in_micros(list: &InList, schema: &DFSchema) -> Option<(Expr, Vec<Expr>)> {
    let expr = exact(&list.expr, schema)?;
    let items = list.list.iter().map(|item| exact(item, schema));
    let items = items.collect::<Option<_>>()?;
    Some((expr, items))
}

/// The list with the other zero beside each; None where there is none to add.
fn with_both_zeros(list: &[Expr]) -> Option<Vec<Expr>> {
    let negated = list.iter().filter_map(|item| {
        let Expr::Literal(value, metadata) = item else {
            return None;
        };
        let other = match value {
            ScalarValue::Float32(Some(zero)) if *zero == 0.0 => ScalarValue::from(-zero),
            ScalarValue::Float64(Some(zero)) if *zero == 0.0 => ScalarValue::from(-zero),
            _ => return None,
        };
        Some(Expr::Literal(other, metadata.clone()))
    });
    let missing: Vec<_> = negated.filter(|other| !list.contains(other)).collect();
    (!missing.is_empty()).then(|| [list, &missing].concat())
}

/// An expression of nanoseconds in microseconds.
#[derive(Debug, Clone, PartialEq)]
enum Micros {
    /// The same time.
    Exact(Expr),
    /// The microsecond after which it lies, and before the next.
    After(Expr),
}

impl Micros {
    fn exact(self) -> Option<Expr> {
        match self {
            Self::Exact(expr) => Some(expr),
            Self::After(_) => None,
        }
    }

    fn cast(self, to: &DataType) -> Option<Self> {
        Some(match self {
            Self::Exact(expr) => Self::Exact(as_type(&expr, to, None)?),
            Self::After(expr) => Self::After(as_type(&expr, to, None)?),
        })
    }
}

/// The expression in microseconds; None where it isn't one of nanoseconds that was made of coarser times.
fn micros(expr: &Expr, schema: &DFSchema) -> Option<Micros> {
    match expr {
        Expr::Literal(ScalarValue::TimestampNanosecond(nanos, zone), _) => {
            Some(of_nanos(*nanos, zone.clone()))
        }
        Expr::Cast(cast) => of_cast(cast, schema),
        Expr::Case(case) => of_case(case, schema),
        Expr::ScalarFunction(call) if gives_an_argument(call) => {
            let arguments = call.args.iter().map(|argument| exact(argument, schema));
            let arguments = arguments.collect::<Option<_>>()?;
            let call = ScalarFunction::new_udf(Arc::clone(&call.func), arguments);
            Some(Micros::Exact(Expr::ScalarFunction(call)))
        }
        _ => None,
    }
}

/// Whether the function's value is one of its arguments, or null.
fn gives_an_argument(call: &ScalarFunction) -> bool {
    let function = call.func.inner();
    function.is::<CoalesceFunc>()
        || function.is::<NullIfFunc>()
        || function.is::<GreatestFunc>()
        || function.is::<LeastFunc>()
}

fn of_nanos(nanos: Option<i64>, zone: Option<Arc<str>>) -> Micros {
    let micros = nanos.map(|nanos| nanos.div_euclid(1000));
    let value = ScalarValue::TimestampMicrosecond(micros, zone);
    let literal = Expr::Literal(value, None);
    match nanos {
        Some(nanos) if nanos.rem_euclid(1000) != 0 => Micros::After(literal),
        _ => Micros::Exact(literal),
    }
}

fn of_cast(cast: &Cast, schema: &DFSchema) -> Option<Micros> {
    let DataType::Timestamp(TimeUnit::Nanosecond, zone) = cast.field.data_type() else {
        return None;
    };
    let to = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
    match cast.expr.get_type(schema).ok()? {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => micros(&cast.expr, schema)?.cast(&to),
        DataType::Timestamp(_, _) | DataType::Date32 => {
            Some(Micros::Exact(as_type(&cast.expr, &to, Some(schema))?))
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            let Expr::Literal(text, _) = cast.expr.as_ref() else {
                return None;
            };
            of_text(text.try_as_str()??, &to, cast.field.data_type())
        }
        _ => None,
    }
}

fn of_text(text: &str, to: &DataType, nanos: &DataType) -> Option<Micros> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    if let Ok(read) = exact_cast(&texts, to) {
        let value = ScalarValue::try_from_array(&read, 0).ok()?;
        return Some(Micros::Exact(Expr::Literal(value, None)));
    }
    match ScalarValue::try_from_string(text.to_owned(), nanos).ok()? {
        ScalarValue::TimestampNanosecond(nanos, zone) => Some(of_nanos(nanos, zone)),
        _ => None,
    }
}

fn of_case(case: &Case, schema: &DFSchema) -> Option<Micros> {
    let branches = case
        .when_then_expr
        .iter()
        .map(|(when, then)| Some((when.clone(), exact(then, schema)?.into())));
    let branches = branches.collect::<Option<_>>()?;
    let otherwise = match &case.else_expr {
        Some(value) => Some(exact(value, schema)?.into()),
        None => None,
    };
    let case = Case::new(case.expr.clone(), branches, otherwise);
    Some(Micros::Exact(Expr::Case(case)))
}

/// The expression in another type, computed where it is a literal.
fn as_type(expr: &Expr, to: &DataType, schema: Option<&DFSchema>) -> Option<Expr> {
    if let Expr::Literal(value, _) = expr {
        return Some(Expr::Literal(value.cast_to(to).ok()?, None));
    }
    if let Some(schema) = schema
        && expr.get_type(schema).ok()? == *to
    {
        return Some(expr.clone());
    }
    Some(Expr::Cast(Cast::new(expr.clone().into(), to.clone())))
}

#[cfg(test)]
mod tests;
