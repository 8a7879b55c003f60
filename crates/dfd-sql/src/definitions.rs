//! CREATE TABLE ... USING DELTA, and ALTER TABLE.

use crate::cursor::Cursor;
use crate::error::SyntaxError;
use crate::statement::{Alteration, Name, NewTable, Statement};
use crate::types::{column, new_column};

type Result<T> = std::result::Result<T, SyntaxError>;

/// What a CREATE TABLE begins with.
pub(crate) struct TableHead {
    or_replace: bool,
    if_not_exists: bool,
    /// The table.
    pub(crate) table: Name,
}

/// Reads how a CREATE TABLE begins; `CREATE` was read.
pub(crate) fn table_head(cursor: &mut Cursor<'_>) -> Result<TableHead> {
    let or_replace = cursor.takes("OR REPLACE");
    cursor.expect("TABLE")?;
    Ok(TableHead {
        or_replace,
        if_not_exists: cursor.takes("IF NOT EXISTS"),
        table: cursor.name()?,
    })
}

/// Reads a CREATE TABLE of Delta's; `CREATE` was read.
pub(crate) fn create(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let TableHead {
        or_replace,
        if_not_exists,
        table,
    } = table_head(cursor)?;
    let mut new = NewTable::default();
    if cursor.sees("(") {
        new.columns = cursor.brackets(new_column)?;
    }
    while clause(cursor, &mut new)? {}
    if cursor.takes("AS") {
        new.query = Some(cursor.rest()?);
    }
    cursor.end()?;
    if new.query.is_some() == new.columns.is_empty() {
        return Ok(Statement::CreateTable {
            table,
            if_not_exists,
            or_replace,
            new,
        });
    }
    Err(cursor.refused("a new table has columns, or those of a query (AS SELECT ...)"))
}

/// Reads one of the clauses after the columns, which come in any order.
fn clause(cursor: &mut Cursor<'_>, new: &mut NewTable) -> Result<bool> {
    if cursor.takes("USING") {
        cursor.expect("DELTA")?;
    } else if cursor.takes("PARTITIONED BY") {
        new.partition_by = cursor.brackets(Cursor::identifier)?;
    } else if cursor.takes("LOCATION") {
        new.location = Some(cursor.string()?);
    } else if cursor.takes("COMMENT") {
        new.comment = Some(cursor.string()?);
    } else if cursor.takes("TBLPROPERTIES") {
        new.properties = cursor.brackets(property)?;
    } else if cursor.sees("CLUSTER BY") || cursor.sees("OPTIONS") {
        return Err(cursor.refused("such a table can't be made here: leave this clause out"));
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// A property and its value: `'a.b' = 'c'`, `a.b = 3`.
fn property(cursor: &mut Cursor<'_>) -> Result<(String, String)> {
    let name = property_name(cursor)?;
    let _equals = cursor.takes("=");
    let value = match cursor.string() {
        Ok(text) => text,
        Err(_) => cursor.expression()?,
    };
    Ok((name, value))
}

fn property_name(cursor: &mut Cursor<'_>) -> Result<String> {
    match cursor.string() {
        Ok(name) => Ok(name),
        Err(_) => cursor.dotted(),
    }
}

/// Reads an ALTER TABLE; `ALTER` was read.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("TABLE")?;
    let table = cursor.name()?;
    let change = if cursor.takes("ADD CONSTRAINT") {
        let name = cursor.identifier()?;
        cursor.expect("CHECK")?;
        cursor.expect("(")?;
        let condition = cursor.expression()?;
        cursor.expect(")")?;
        Alteration::AddConstraint(name, condition)
    } else if cursor.takes("ADD COLUMNS") || cursor.takes("ADD COLUMN") || cursor.takes("ADD") {
        Alteration::AddColumns(match cursor.sees("(") {
            true => cursor.brackets(column)?,
            false => cursor.list(column)?,
        })
    } else if cursor.takes("DROP CONSTRAINT") {
        let if_exists = cursor.takes("IF EXISTS");
        let name = cursor.identifier()?;
        Alteration::DropConstraint { name, if_exists }
    } else if cursor.takes("SET TBLPROPERTIES") {
        Alteration::SetProperties(cursor.brackets(property)?)
    } else if cursor.takes("UNSET TBLPROPERTIES") {
        let if_exists = cursor.takes("IF EXISTS");
        let names = cursor.brackets(property_name)?;
        Alteration::UnsetProperties { names, if_exists }
    } else {
        return Err(cursor.expected(
            "ADD COLUMNS, ADD CONSTRAINT, DROP CONSTRAINT, SET TBLPROPERTIES or UNSET TBLPROPERTIES",
        ));
    };
    cursor.end()?;
    Ok(Statement::AlterTable { table, change })
}
