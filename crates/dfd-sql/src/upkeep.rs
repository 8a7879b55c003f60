//! OPTIMIZE, VACUUM, RESTORE and DESCRIBE.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr};

use crate::cursor::Cursor;
use crate::error::SyntaxError;
use crate::statement::Statement;

type Result<T> = std::result::Result<T, SyntaxError>;
type Filter = (String, String, Vec<String>);

/// Reads an OPTIMIZE; `OPTIMIZE` was read.
pub(crate) fn optimize(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let _table = cursor.takes("TABLE");
    let table = cursor.name()?;
    let mut filters = Vec::new();
    if cursor.takes("WHERE") {
        let place = cursor.refused(
            "OPTIMIZE chooses partitions by columns and literals: p = 'x' AND q IN (1, 2)",
        );
        let condition = cursor.condition()?;
        partitions(&condition, &mut filters).ok_or(place)?;
    }
    let z_order = match cursor.takes("ZORDER BY") {
        true => match cursor.sees("(") {
            true => cursor.brackets(Cursor::identifier)?,
            false => cursor.list(Cursor::identifier)?,
        },
        false => Vec::new(),
    };
    cursor.end()?;
    Ok(Statement::Optimize {
        table,
        filters,
        z_order,
    })
}

/// Takes a condition on partition columns apart.
fn partitions(condition: &Expr, found: &mut Vec<Filter>) -> Option<()> {
    match condition {
        Expr::Nested(inner) => partitions(inner, found),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => partitions(left, found).and_then(|()| partitions(right, found)),
        Expr::BinaryOp { left, op, right } => {
            let sign = match op {
                BinaryOperator::Eq => "=",
                BinaryOperator::NotEq => "!=",
                BinaryOperator::Lt => "<",
                BinaryOperator::LtEq => "<=",
                BinaryOperator::Gt => ">",
                BinaryOperator::GtEq => ">=",
                _ => return None,
            };
            found.push((column(left)?, sign.to_owned(), vec![literal(right)?]));
            Some(())
        }
        Expr::InList {
            expr,
            list,
            negated,
        } => {
            let sign = if *negated { "not in" } else { "in" };
            let values = list.iter().map(literal).collect::<Option<_>>()?;
            found.push((column(expr)?, sign.to_owned(), values));
            Some(())
        }
        _ => None,
    }
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(_) | Expr::TypedString(_) => Some(expr.to_string()),
        Expr::UnaryOp { expr: inner, .. } => literal(inner).map(|_| expr.to_string()),
        _ => None,
    }
}

/// Reads a VACUUM; `VACUUM` was read.
pub(crate) fn vacuum(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let table = cursor.name()?;
    let (mut retain_hours, mut dry_run, mut full) = (None, false, false);
    loop {
        if cursor.takes("RETAIN") {
            let number = cursor.number()?;
            let _unit = cursor.takes("HOURS") || cursor.takes("HOUR");
            let hours = number.parse();
            retain_hours =
                Some(hours.map_err(|_| cursor.refused(format!("{number} is no number")))?);
        } else if cursor.takes("DRY RUN") {
            dry_run = true;
        } else if cursor.takes("FULL") {
            full = true;
        } else if cursor.takes("LITE") {
            full = false;
        } else {
            break;
        }
    }
    cursor.end()?;
    Ok(Statement::Vacuum {
        table,
        retain_hours,
        dry_run,
        full,
    })
}

/// Reads a RESTORE; `RESTORE` was read.
pub(crate) fn restore(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let _table = cursor.takes("TABLE");
    let table = cursor.name()?;
    let _to = cursor.takes("TO");
    let at = cursor.table_at()?;
    let at = at.ok_or_else(|| cursor.expected("TO VERSION AS OF or TO TIMESTAMP AS OF"))?;
    cursor.end()?;
    Ok(Statement::Restore { table, at })
}

/// Reads a DESCRIBE HISTORY; both words were read.
pub(crate) fn history(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let table = cursor.name()?;
    let limit = match cursor.takes("LIMIT") {
        true => {
            let number = cursor.number()?;
            let limit = number.parse();
            Some(limit.map_err(|_| cursor.refused(format!("{number} is no number of rows")))?)
        }
        false => None,
    };
    cursor.end()?;
    Ok(Statement::History { table, limit })
}

/// Reads a DESCRIBE DETAIL; both words were read.
pub(crate) fn detail(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let table = cursor.name()?;
    cursor.end()?;
    Ok(Statement::Detail { table })
}
