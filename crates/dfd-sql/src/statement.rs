//! Statements, as they are told to whoever runs them.

use datafusion::sql::sqlparser::tokenizer::Word;
use serde::Serialize;
use serde_json::Value;

/// The name of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    /// As it is written, with its quotes.
    pub text: String,
    /// Its last part, without quotes: what texts call the table where it has no alias.
    pub last: String,
    /// The table's URI where it is named by that: delta.`uri`.
    pub uri: Option<String>,
}

impl Name {
    pub(crate) fn of(text: String, parts: &[Word]) -> Self {
        let last = parts.last().map(|word| word.value.clone());
        let last = last.unwrap_or_default();
        let is_uri = match parts {
            [schema, table] => {
                schema.quote_style.is_none()
                    && schema.value.eq_ignore_ascii_case("delta")
                    && table.quote_style.is_some()
            }
            _ => false,
        };
        Self {
            text,
            uri: is_uri.then(|| last.clone()),
            last,
        }
    }
}

/// Which state of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TableAt {
    /// The one of this number, a text or a placeholder.
    Version(String),
    /// The one that was there at a time: an expression.
    Timestamp(String),
}

/// A column of a PARTITION clause, and the value that all rows have in it, an expression.
pub type PartitionValue = (String, Option<String>);

/// The rows that a clause of a MERGE is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClauseRows {
    /// Pairs of both.
    Matched,
    /// Those of the source alone.
    NotMatched,
    /// Those of the table alone.
    NotMatchedBySource,
}

/// What a clause of a MERGE does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClauseAction {
    /// Rows go.
    Delete,
    /// Columns get values.
    Set(Vec<(String, String)>),
    /// All columns but these get those of the source.
    SetAll {
        /// Those that don't.
        except: Vec<String>,
    },
}

/// A clause of a MERGE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// Of which rows.
    pub rows: ClauseRows,
    /// A condition over their columns.
    pub predicate: Option<String>,
    /// What becomes of them.
    pub action: ClauseAction,
}

/// A table to be made.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct NewTable {
    /// Fields of Delta's schema, as its JSON has them; none where a query says the columns.
    pub columns: Vec<Value>,
    /// Where it is to be.
    pub location: Option<String>,
    /// Columns by which it is partitioned.
    pub partition_by: Vec<String>,
    /// What it is, for people.
    pub comment: Option<String>,
    /// Table properties.
    pub properties: Vec<(String, String)>,
    /// A query that gives its rows.
    pub query: Option<String>,
}

/// What an ALTER TABLE does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alteration {
    /// Columns are added: fields of Delta's schema, as its JSON has them.
    AddColumns(Vec<Value>),
    /// A CHECK constraint is added: name and condition.
    AddConstraint(String, String),
    /// A CHECK constraint goes.
    DropConstraint {
        /// Its name.
        name: String,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// Properties are set.
    SetProperties(Vec<(String, String)>),
    /// Properties go.
    UnsetProperties {
        /// Their names.
        names: Vec<String>,
        /// Whether they may be missing.
        if_exists: bool,
    },
}

/// What a statement does. Its texts are expressions and queries of DataFusion's SQL.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Statement {
    /// Anything else: DataFusion knows.
    Other,
    /// A statement of this kind that can't be read; where it isn't of a Delta table, DataFusion may.
    Unread {
        /// The table, where it was read.
        table: Option<Name>,
    },
    /// INSERT.
    Insert {
        /// The table.
        table: Name,
        /// The columns that the query gives, in its order; none where all are.
        columns: Vec<String>,
        /// Whether columns go by their names.
        by_name: bool,
        /// Whether the rows that are there go.
        overwrite: bool,
        /// The columns of PARTITION.
        partition: Vec<PartitionValue>,
        /// Which rows go: REPLACE WHERE.
        replace_where: Option<String>,
        /// What gives the rows.
        query: String,
    },
    /// DELETE, or TRUNCATE.
    Delete {
        /// The table.
        table: Name,
        /// The rows; all without.
        predicate: Option<String>,
    },
    /// UPDATE.
    Update {
        /// The table.
        table: Name,
        /// Its name in texts, where there is a source.
        alias: String,
        /// Columns and their values.
        assignments: Vec<(String, String)>,
        /// FROM: a query, and its name in texts.
        source: Option<(String, String)>,
        /// The rows; all without.
        predicate: Option<String>,
    },
    /// MERGE.
    Merge {
        /// The table.
        table: Name,
        /// Its name in texts.
        alias: String,
        /// A query.
        source: String,
        /// Its name in texts.
        source_alias: String,
        /// Which rows belong together.
        condition: String,
        /// The clauses, in their order.
        clauses: Vec<Clause>,
        /// WITH SCHEMA EVOLUTION.
        merge_schema: bool,
    },
    /// CREATE TABLE ... USING DELTA.
    CreateTable {
        /// The table.
        table: Name,
        /// Whether one that is there stays.
        if_not_exists: bool,
        /// Whether one that is there is replaced.
        or_replace: bool,
        /// What is made.
        new: NewTable,
    },
    /// ALTER TABLE.
    AlterTable {
        /// The table.
        table: Name,
        /// What is done.
        change: Alteration,
    },
    /// OPTIMIZE.
    Optimize {
        /// The table.
        table: Name,
        /// Which partitions: column, operator, values as literals.
        filters: Vec<(String, String, Vec<String>)>,
        /// The columns of ZORDER BY.
        z_order: Vec<String>,
    },
    /// VACUUM.
    Vacuum {
        /// The table.
        table: Name,
        /// How long files stay that no version needs.
        retain_hours: Option<f64>,
        /// Whether they are listed alone.
        dry_run: bool,
        /// Whether the folder is listed for files that no commit names.
        full: bool,
    },
    /// RESTORE.
    Restore {
        /// The table.
        table: Name,
        /// To which state.
        at: TableAt,
    },
    /// DESCRIBE HISTORY.
    History {
        /// The table.
        table: Name,
        /// At most so many versions.
        limit: Option<u64>,
    },
    /// DESCRIBE DETAIL.
    Detail {
        /// The table.
        table: Name,
    },
}
