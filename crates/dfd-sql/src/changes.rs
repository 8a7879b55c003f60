//! INSERT, DELETE, UPDATE and MERGE.

use crate::cursor::Cursor;
use crate::error::SyntaxError;
use crate::statement::{Clause, ClauseAction, ClauseRows, Name, PartitionValue, Statement};
use crate::text::{replaced, unqualified};

type Result<T> = std::result::Result<T, SyntaxError>;

/// What a query in brackets begins with.
const QUERIES: [&str; 6] = ["SELECT", "WITH", "VALUES", "FROM", "TABLE", "("];

/// Reads an INSERT; `INSERT` was read.
pub(crate) fn insert(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let overwrite = cursor.takes("OVERWRITE");
    let has_into = cursor.takes("INTO");
    if !overwrite && !has_into {
        return Err(cursor.expected("INTO or OVERWRITE"));
    }
    let _table = cursor.takes("TABLE");
    let table = cursor.name()?;
    let partition = match cursor.takes("PARTITION") {
        true => cursor.brackets(partition_value)?,
        false => Vec::new(),
    };
    let is_query = QUERIES.iter().any(|word| cursor.sees(&format!("( {word}")));
    let columns = match cursor.sees("(") && !is_query {
        true => cursor.brackets(Cursor::identifier)?,
        false => Vec::new(),
    };
    let by_name = columns.is_empty() && cursor.takes("BY NAME");
    let replace_where = match cursor.takes("REPLACE WHERE") {
        true => Some(unqualified(&cursor.expression()?, &table.last)?),
        false => None,
    };
    let query = match cursor.takes("TABLE") {
        true => format!("SELECT * FROM {}", cursor.rest()?),
        false => cursor.rest()?,
    };
    Ok(Statement::Insert {
        query: if by_name { query } else { named_items(&query)? },
        table,
        columns,
        by_name,
        overwrite: overwrite || replace_where.is_some(),
        partition,
        replace_where,
    })
}

/// A query whose computed columns have names of their own: DataFusion refuses two that are alike, `SELECT NULL, NULL`.
fn named_items(query: &str) -> Result<String> {
    let mut cursor = Cursor::at_start(query)?;
    let mut edits = Vec::new();
    if cursor.reaches_select() {
        cursor.expect("SELECT")?;
        let _distinct = cursor.takes("DISTINCT") || cursor.takes("ALL");
        loop {
            // What isn't read here, DataFusion refuses, and says why.
            match cursor.select_item() {
                Ok(true) => {
                    let end = cursor.read_until();
                    edits.push((end..end, format!(" AS dfd_item_{}", edits.len())));
                }
                Ok(false) => {}
                Err(_) => return Ok(query.to_owned()),
            }
            if !cursor.takes(",") {
                break;
            }
        }
    }
    Ok(replaced(query, &edits))
}

fn partition_value(cursor: &mut Cursor<'_>) -> Result<PartitionValue> {
    let name = cursor.identifier()?;
    let value = match cursor.takes("=") {
        true => Some(cursor.expression()?),
        false => None,
    };
    Ok((name, value))
}

/// Reads a DELETE; `DELETE` was read.
pub(crate) fn delete(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("FROM")?;
    let table = cursor.name()?;
    let alias = cursor.alias(&["WHERE"])?;
    let alias = alias.unwrap_or_else(|| table.last.clone());
    let predicate = predicate(cursor)?;
    cursor.end()?;
    let predicate = predicate.map(|text| unqualified(&text, &alias));
    Ok(Statement::Delete {
        table,
        predicate: predicate.transpose()?,
    })
}

/// Reads a TRUNCATE; `TRUNCATE` was read.
pub(crate) fn truncate(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("TABLE")?;
    let table = cursor.name()?;
    cursor.end()?;
    Ok(Statement::Delete {
        table,
        predicate: None,
    })
}

fn predicate(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    match cursor.takes("WHERE") {
        true => cursor.expression().map(Some),
        false => Ok(None),
    }
}

/// Reads an UPDATE; `UPDATE` was read.
pub(crate) fn update(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let table = cursor.name()?;
    let alias = cursor.alias(&["SET"])?;
    let alias = alias.unwrap_or_else(|| table.last.clone());
    cursor.expect("SET")?;
    let mut assignments = cursor.list(|cursor| assignment(cursor, &alias))?;
    let source = match cursor.takes("FROM") {
        true => Some(source(cursor, &["WHERE"])?),
        false => None,
    };
    let mut predicate = predicate(cursor)?;
    cursor.end()?;
    if source.is_none() {
        for (_, value) in &mut assignments {
            *value = unqualified(value, &alias)?;
        }
        let plain = predicate.map(|text| unqualified(&text, &alias));
        predicate = plain.transpose()?;
    }
    Ok(Statement::Update {
        table,
        alias,
        assignments,
        source,
        predicate,
    })
}

/// A column, perhaps after the name of its table, and its value.
fn assignment(cursor: &mut Cursor<'_>, alias: &str) -> Result<(String, String)> {
    let named = cursor.name()?;
    let column = unqualified(&named.text, alias)?;
    let mut parts = Cursor::at_start(&column)?;
    let name = parts.identifier()?;
    if parts.takes(".") {
        let message = format!("{column} is a field: set {name} as a whole, by named_struct(...)");
        return Err(cursor.refused(message));
    }
    cursor.expect("=")?;
    Ok((column, cursor.expression()?))
}

/// A table or a query in brackets, as a query, and its name in texts.
fn source(cursor: &mut Cursor<'_>, ended_by: &[&str]) -> Result<(String, String)> {
    if cursor.sees("(") {
        let query = cursor.query_in_brackets()?;
        let alias = cursor.alias(ended_by)?;
        return match alias {
            Some(alias) => Ok((query, alias)),
            None => Err(cursor.expected("a name for the source (AS s)")),
        };
    }
    let table = cursor.name()?;
    let at = cursor.as_of()?;
    let alias = cursor.alias(ended_by)?;
    let query = format!("SELECT * FROM {}{at}", table.text);
    Ok((query, alias.unwrap_or(table.last)))
}

/// Reads a MERGE; `MERGE` was read.
pub(crate) fn merge(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let merge_schema = cursor.takes("WITH SCHEMA EVOLUTION");
    cursor.expect("INTO")?;
    let table = cursor.name()?;
    let alias = cursor.alias(&["USING"])?;
    let alias = alias.unwrap_or_else(|| table.last.clone());
    cursor.expect("USING")?;
    let (source, source_alias) = source(cursor, &["ON"])?;
    cursor.expect("ON")?;
    let condition = cursor.expression()?;
    let mut clauses = Vec::new();
    while cursor.takes("WHEN") {
        clauses.push(clause(cursor, &alias)?);
    }
    if clauses.is_empty() {
        return Err(cursor.expected("WHEN"));
    }
    cursor.end()?;
    Ok(Statement::Merge {
        table,
        alias,
        source,
        source_alias,
        condition,
        clauses,
        merge_schema,
    })
}

fn clause(cursor: &mut Cursor<'_>, alias: &str) -> Result<Clause> {
    let rows = if cursor.takes("MATCHED") {
        ClauseRows::Matched
    } else {
        cursor.expect("NOT MATCHED")?;
        match (cursor.takes("BY SOURCE"), cursor.takes("BY TARGET")) {
            (true, _) => ClauseRows::NotMatchedBySource,
            _ => ClauseRows::NotMatched,
        }
    };
    let predicate = match cursor.takes("AND") {
        true => Some(cursor.expression()?),
        false => None,
    };
    cursor.expect("THEN")?;
    let action = match rows {
        ClauseRows::NotMatched => insert_action(cursor)?,
        _ if cursor.takes("DELETE") => ClauseAction::Delete,
        _ => update_action(cursor, alias)?,
    };
    Ok(Clause {
        rows,
        predicate,
        action,
    })
}

fn update_action(cursor: &mut Cursor<'_>, alias: &str) -> Result<ClauseAction> {
    cursor.expect("UPDATE")?;
    cursor.expect("SET")?;
    if cursor.takes("*") {
        return all_but(cursor);
    }
    let assignments = cursor.list(|cursor| assignment(cursor, alias))?;
    Ok(ClauseAction::Set(assignments))
}

fn insert_action(cursor: &mut Cursor<'_>) -> Result<ClauseAction> {
    cursor.expect("INSERT")?;
    if cursor.takes("*") {
        return all_but(cursor);
    }
    let columns = cursor.brackets(|cursor| Ok(cursor.name()?.text))?;
    cursor.expect("VALUES")?;
    let values = cursor.brackets(Cursor::expression)?;
    if columns.len() != values.len() {
        let counts = format!("{} columns and {} values", columns.len(), values.len());
        return Err(cursor.refused(format!("the INSERT has {counts}")));
    }
    Ok(ClauseAction::Set(columns.into_iter().zip(values).collect()))
}

fn all_but(cursor: &mut Cursor<'_>) -> Result<ClauseAction> {
    let except = match cursor.takes("EXCEPT") {
        true => cursor.brackets(Cursor::identifier)?,
        false => Vec::new(),
    };
    Ok(ClauseAction::SetAll { except })
}

/// The table that a statement that can't be read is of, where it says so.
pub(crate) fn table_of(text: &str) -> Option<Name> {
    let mut cursor = Cursor::at_start(text).ok()?;
    for words in [
        "INSERT INTO TABLE",
        "INSERT INTO",
        "INSERT OVERWRITE TABLE",
        "INSERT OVERWRITE",
        "DELETE FROM",
        "MERGE INTO",
        "MERGE WITH SCHEMA EVOLUTION INTO",
        "UPDATE",
        "TRUNCATE TABLE",
        "TRUNCATE",
    ] {
        if cursor.takes(words) {
            return cursor.name().ok();
        }
    }
    None
}
