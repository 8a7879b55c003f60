//! What may be wrong with a file of a log.

use std::error::Error as StdError;

use arrow::array::{Array, AsArray, RecordBatch};
use bytes::Bytes;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use deltalake_core::kernel::{Add, Metadata, Protocol, Remove, Transaction};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub(super) type Reason = Box<dyn StdError + Send + Sync>;

/// Fails where a line isn't one JSON object.
pub(super) fn syntax(commit: &[u8]) -> Result<(), Reason> {
    for (number, line) in lines(commit) {
        object(number, line)?;
    }
    Ok(())
}

/// Fails where a field of an action hasn't the type of the protocol.
pub(super) fn types(commit: &[u8]) -> Result<(), Reason> {
    for (number, line) in lines(commit) {
        for (kind, action) in &object(number, line)? {
            let problem = match kind.as_str() {
                "add" => problem_as::<Add>(action),
                "remove" => problem_as::<Remove>(action),
                "metaData" => problem_as::<Metadata>(action),
                "protocol" => problem_as::<Protocol>(action),
                "txn" => problem_as::<Transaction>(action),
                _ => None,
            };
            if let Some(problem) = problem {
                return Err(format!("line {number}, `{kind}`: {problem}").into());
            }
        }
    }
    Ok(())
}

/// Fails where there is no action at all.
pub(super) fn presence(commit: &[u8]) -> Result<(), Reason> {
    match lines(commit).next() {
        Some(_) => Ok(()),
        None => Err("it has no action".into()),
    }
}

/// The actions of a kind.
pub(super) fn actions<'a>(commit: &'a [u8], kind: &'a str) -> impl Iterator<Item = Value> + 'a {
    lines(commit).filter_map(move |(_, line)| {
        let mut found: Value = serde_json::from_slice(line).ok()?;
        Some(found.get_mut(kind)?.take()).filter(Value::is_object)
    })
}

/// What a file of a checkpoint leads to.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    /// The names of its sidecars.
    pub sidecars: Vec<String>,
    /// The table's schema, where it is in this file.
    pub schema: Option<String>,
}

impl Checkpoint {
    /// Reads a file to its end.
    pub(super) fn read(file: Bytes, is_json: bool) -> Result<Self, Reason> {
        if is_json {
            Self::of_json(&file)
        } else {
            dfd_runtime::catching(|| Self::of_parquet(file))?
        }
    }

    fn of_json(file: &[u8]) -> Result<Self, Reason> {
        syntax(file)?;
        let sidecars = actions(file, "sidecar").filter_map(|sidecar| text(&sidecar, "path"));
        let mut schemas =
            actions(file, "metaData").filter_map(|metadata| text(&metadata, "schemaString"));
        Ok(Self {
            sidecars: sidecars.collect(),
            schema: schemas.next(),
        })
    }

    fn of_parquet(file: Bytes) -> Result<Self, Reason> {
        let mut found = Self::default();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
            let batch = batch?;
            found.sidecars.extend(texts(&batch, "sidecar", "path"));
            let mut schemas = texts(&batch, "metaData", "schemaString").into_iter();
            found.schema = found.schema.or_else(|| schemas.next());
        }
        Ok(found)
    }
}

/// A text in an action.
pub(super) fn text(action: &Value, field: &str) -> Option<String> {
    Some(action.get(field)?.as_str()?.to_owned())
}

/// The texts of a field of an action in rows of a checkpoint; what is below a null is none.
fn texts(rows: &RecordBatch, action: &str, field: &str) -> Vec<String> {
    let actions = rows
        .column_by_name(action)
        .and_then(|column| column.as_struct_opt());
    let Some(actions) = actions else {
        return Vec::new();
    };
    let texts = actions.column_by_name(field);
    let texts = texts.and_then(|texts| texts.as_string_opt::<i32>());
    let texts = texts.into_iter().flatten().enumerate();
    let there = texts.filter(|(row, _)| actions.is_valid(*row));
    there
        .filter_map(|(_, text)| text.map(ToOwned::to_owned))
        .collect()
}

/// The lines of a commit that aren't empty, counted from 1.
fn lines(commit: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = commit.split(|byte| *byte == b'\n').zip(1..);
    let lines = lines.map(|(line, number)| (number, line));
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

fn object(number: usize, line: &[u8]) -> Result<Map<String, Value>, Reason> {
    serde_json::from_slice(line).map_err(|error| {
        let told = error.to_string();
        let told = told.split(" at line ").next().unwrap_or_default();
        format!("line {number}, column {}: {told}", error.column()).into()
    })
}

fn problem_as<T: DeserializeOwned>(action: &Value) -> Option<String> {
    let error = T::deserialize(action).err()?;
    Some(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(checked: Result<(), Reason>) -> String {
        checked
            .err()
            .map_or_else(String::new, |reason| reason.to_string())
    }

    #[test]
    fn a_line_that_is_no_object_is_told_with_its_place() {
        assert_eq!(told(syntax(b"{}\n\n{\"add\": {}}\n")), "");
        assert_eq!(
            told(syntax(b"{}\n\n{\"add\": {\"path\": \"a")),
            "line 3, column 19: EOF while parsing a string"
        );
        assert!(told(syntax(b"[]")).starts_with("line 1, column 0: invalid type"));
        assert!(told(syntax(b"\xff")).starts_with("line 1, column 1: "));
    }

    #[test]
    fn a_field_of_another_type_is_told_with_its_action() {
        let add = |size: &str| {
            format!(
                r#"{{"add": {{"path": "a", "partitionValues": {{}}, "size": {size}, "modificationTime": 0, "dataChange": true}}}}"#
            )
        };
        assert_eq!(told(types(add("7").as_bytes())), "");
        assert_eq!(
            told(types(add("\"x\"").as_bytes())),
            r#"line 1, `add`: invalid type: string "x", expected i64"#
        );
        // What isn't known may be of any type.
        assert_eq!(told(types(br#"{"new": 3, "commitInfo": "x"}"#)), "");
    }

    #[test]
    fn a_commit_has_an_action() {
        assert_eq!(told(presence(b"{}")), "");
        assert_eq!(told(presence(b"\n \n")), "it has no action");
    }
}
