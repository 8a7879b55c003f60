//! Rules of a table, and what doesn't follow them.

use std::fmt;

use arrow::datatypes::DataType;
use dfd_delta::ErrorFields;

/// What a table has an expression for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A CHECK constraint of this name.
    Check(String),
    /// The invariant of this column.
    Invariant(String),
    /// This generated column.
    Generated(String),
    /// The default of this column.
    Default(String),
    /// The predicate of the rows that a write replaces.
    Predicate,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(name) => write!(f, "the CHECK constraint `{name}`"),
            Self::Invariant(column) => write!(f, "the invariant of `{column}`"),
            Self::Generated(column) => write!(f, "the generated column `{column}`"),
            Self::Default(column) => write!(f, "the default of `{column}`"),
            Self::Predicate => f.write_str("the predicate of the write"),
        }
    }
}

impl Rule {
    fn fields(&self) -> ErrorFields {
        let (rule, column) = match self {
            Self::Check(name) => (Some(name), None),
            Self::Invariant(column) | Self::Generated(column) | Self::Default(column) => {
                (None, Some(column))
            }
            Self::Predicate => (None, None),
        };
        ErrorFields {
            rule: rule.cloned(),
            column: column.cloned(),
            ..ErrorFields::default()
        }
    }
}

/// A rule of the table, and what doesn't follow it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuleViolation {
    /// The table is partitioned otherwise.
    #[error("the table is partitioned by {found:?}, not by {asked:?}")]
    Partitioning {
        /// What was asked for.
        asked: Vec<String>,
        /// What the table has.
        found: Vec<String>,
    },
    /// Rows can't be sorted by this column.
    #[error("rows can't be sorted by the column `{0}`: it {1}")]
    SortColumn(String, &'static str),
    /// A column of the table that the stream must have.
    #[error("the stream lacks the column `{0}`, which may not be null")]
    Missing(String),
    /// A column that the table doesn't have.
    #[error(
        "the stream has a column `{0}` that the table lacks; project it away or add it to the table first"
    )]
    Unknown(String),
    /// Two columns of one name.
    #[error("the stream has two columns named `{0}`; rename one")]
    Ambiguous(String),
    /// The column's type and the table's have no values in common, or too few.
    #[error("the column `{column}`{reason}")]
    Type {
        /// The column.
        column: String,
        /// The field in it, if it is nested, and what is wrong with it.
        reason: String,
    },
    /// Delta has no such type.
    #[error("the column `{column}` is {found}, which Delta doesn't have; cast it first")]
    NoType {
        /// The column.
        column: String,
        /// The type of the column, or of a field in it.
        found: DataType,
    },
    /// There is no column to give a value.
    #[error("there is no column `{0}`")]
    NoSuchColumn(String),
    /// A new column has the name of one that is there.
    #[error("there is a column `{0}` already")]
    ColumnIsThere(String),
    /// A new column would have no value in the rows that are there.
    #[error(
        "the new column `{0}` may not be null, and the rows that are there have no value in it"
    )]
    NewNotNull(String),
    /// There is no column to partition by.
    #[error("there is no column `{0}` to partition by")]
    NoSuchPartitionColumn(String),
    /// A column to partition by is named more than once.
    #[error("the column `{0}` is named twice among those to partition by")]
    RepeatedPartitionColumn(String),
    /// Rows are rewritten within their partitions, along a curve or in an order.
    #[error("`sort_by` and `z_order_by` exclude one another; give one")]
    TwoOrders,
    /// A path is given more than once.
    #[error("the file {0} is named twice among those to rewrite")]
    RepeatedFile(String),
    /// A table can't be partitioned by this column.
    #[error("the column `{column}` is {found}; a table can't be partitioned by it")]
    PartitionType {
        /// The column.
        column: String,
        /// The column's type.
        found: DataType,
    },
    /// The files would have no column.
    #[error("all columns are partition columns; a table needs one that isn't")]
    OnlyPartitionColumns,
    /// A null where none may be.
    #[error("row {row} (the first is 0): the column `{column}` is null and may not be")]
    Null {
        /// The column.
        column: String,
        /// Row of the stream, counted from 0.
        row: u64,
    },
    /// A value that the table's type doesn't have.
    #[error("row {row} (the first is 0): the column `{column}`: {reason}")]
    Value {
        /// The column, and the field in it.
        column: String,
        /// Row of the stream, counted from 0.
        row: u64,
        /// What is wrong with the value.
        reason: String,
    },
    /// A value that no partition can have.
    #[error("{}the partition column `{column}`: {reason}", at(*row))]
    PartitionValue {
        /// The column.
        column: String,
        /// Row of the stream, counted from 0; None where it isn't known any more.
        row: Option<u64>,
        /// What is wrong with the value.
        reason: String,
    },
    /// A constraint or an invariant isn't true.
    #[error("row {row} (the first is 0) breaks {rule} ({expression}): {}", listed(.values))]
    Condition {
        /// Whose expression it is.
        rule: Rule,
        /// The expression as the table has it.
        expression: String,
        /// Row of the stream, counted from 0.
        row: u64,
        /// The columns in the expression, and their values in the row.
        values: Vec<(String, String)>,
    },
    /// A generated column is given with a value that isn't its expression's.
    #[error(
        "row {row} (the first is 0): the generated column `{column}` is {given}, and its expression ({expression}) is {computed}; leave the column out to have it computed"
    )]
    Generated {
        /// The column.
        column: String,
        /// The expression as the table has it.
        expression: String,
        /// Row of the stream, counted from 0.
        row: u64,
        /// The value that the stream has.
        given: String,
        /// The value that the expression has.
        computed: String,
    },
    /// A rule's expression can't be computed for a row.
    #[error("row {row} (the first is 0): {rule} ({expression}) can't be computed: {reason}")]
    Uncomputed {
        /// Whose expression it is.
        rule: Rule,
        /// The expression as the table has it.
        expression: String,
        /// Row of the stream, counted from 0.
        row: u64,
        /// What the computation says.
        reason: String,
    },
    /// An expression that may mean something else to Spark.
    #[error("{rule} ({expression}) can't be followed: {reason}. Write with Spark")]
    Expression {
        /// Whose expression it is.
        rule: Rule,
        /// The expression as the table has it.
        expression: String,
        /// What in it isn't known to mean the same.
        reason: String,
    },
    /// A text of whoever asks isn't one expression over the columns that it may name.
    #[error("{what} isn't one expression over the columns that it may name: {}. {reason}", shown(.text))]
    Statement {
        /// What the text is for.
        what: String,
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A MERGE gives a generated column a value in some of its clauses.
    #[error(
        "the column `{0}` is generated, and some clauses of the MERGE give it a value; leave it out of all, or give it in all"
    )]
    SometimesGenerated(String),
    /// A MERGE has one name for both sides.
    #[error("the source and the table of the MERGE are both named `{0}`; give one another alias")]
    SameAlias(String),
    /// No row comes to a clause of a MERGE.
    #[error(
        "{0} is never reached: one before it, for the same rows, has no predicate; put that last"
    )]
    Unreached(String),
    /// A MERGE would change a row by several rows of its source.
    #[error(
        "several rows of the source change one row of the table{}; leave one of them in the source",
        told_by(.values)
    )]
    SeveralMatches {
        /// The columns by which the row was found, and their values.
        values: Vec<(String, String)>,
    },
    /// A value of a statement that the column's type doesn't have.
    #[error("a new value of the column `{column}`: {reason}")]
    NewValue {
        /// The column, and the field in it.
        column: String,
        /// What is wrong with the value.
        reason: String,
    },
    /// A new value of a struct has not all of its fields.
    #[error("a new value of the column `{column}`{reason}")]
    LostField {
        /// The column.
        column: String,
        /// The path of the struct in it, if it is nested, and which field is missing.
        reason: String,
    },
    /// The table asks for something else that can't be done.
    #[error("the table needs {0} of its writers, which can't be done here")]
    Feature(String),
}

/// The beginning of a text, in quotes.
fn shown(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("'{}...'", &text[..end]),
        None => format!("'{text}'"),
    }
}

fn at(row: Option<u64>) -> String {
    row.map_or_else(String::new, |row| format!("row {row} (the first is 0): "))
}

/// Columns with their values, for an error.
fn listed(values: &[(String, String)]) -> String {
    let told = values
        .iter()
        .map(|(column, value)| format!("{column} is {value}"));
    told.collect::<Vec<_>>().join(", ")
}

/// The values by which a row is told, for an error.
fn told_by(values: &[(String, String)]) -> String {
    match values {
        [] => String::new(),
        _ => format!(", in which {}", listed(values)),
    }
}

impl RuleViolation {
    /// What a program can read of it.
    pub fn fields(&self) -> ErrorFields {
        let nothing = ErrorFields::default();
        let of_column = |column: &String, row: Option<u64>| ErrorFields {
            column: Some(column.clone()),
            row,
            ..ErrorFields::default()
        };
        let of_rule = |rule: &Rule, expression: &String, row: Option<u64>| ErrorFields {
            expression: Some(expression.clone()),
            row,
            ..rule.fields()
        };
        match self {
            Self::SortColumn(column, _)
            | Self::Missing(column)
            | Self::Unknown(column)
            | Self::Ambiguous(column)
            | Self::NoSuchColumn(column)
            | Self::ColumnIsThere(column)
            | Self::NewNotNull(column)
            | Self::NoSuchPartitionColumn(column)
            | Self::RepeatedPartitionColumn(column)
            | Self::SometimesGenerated(column)
            | Self::NewValue { column, .. }
            | Self::LostField { column, .. }
            | Self::Type { column, .. }
            | Self::NoType { column, .. }
            | Self::PartitionType { column, .. } => of_column(column, None),
            Self::Null { column, row } | Self::Value { column, row, .. } => {
                of_column(column, Some(*row))
            }
            Self::PartitionValue { column, row, .. } => of_column(column, *row),
            Self::Condition {
                rule,
                expression,
                row,
                values,
            } => ErrorFields {
                values: Some(values.clone()),
                ..of_rule(rule, expression, Some(*row))
            },
            Self::Generated {
                column,
                expression,
                row,
                given,
                ..
            } => ErrorFields {
                expression: Some(expression.clone()),
                values: Some(vec![(column.clone(), given.clone())]),
                ..of_column(column, Some(*row))
            },
            Self::Uncomputed {
                rule,
                expression,
                row,
                ..
            } => of_rule(rule, expression, Some(*row)),
            Self::Expression {
                rule, expression, ..
            } => of_rule(rule, expression, None),
            Self::Statement { text, .. } => ErrorFields {
                expression: Some(text.clone()),
                ..nothing
            },
            Self::SeveralMatches { values } => ErrorFields {
                values: Some(values.clone()),
                ..nothing
            },
            Self::RepeatedFile(path) => ErrorFields {
                path: Some(path.clone()),
                ..nothing
            },
            Self::Partitioning { .. }
            | Self::TwoOrders
            | Self::OnlyPartitionColumns
            | Self::SameAlias(_)
            | Self::Unreached(_)
            | Self::Feature(_) => nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_check_has_its_name_its_row_and_the_values() {
        let values = vec![
            ("a".to_owned(), "1".to_owned()),
            ("b".to_owned(), "null".to_owned()),
        ];
        let broken = RuleViolation::Condition {
            rule: Rule::Check("positive".to_owned()),
            expression: "a > b".to_owned(),
            row: 7,
            values: values.clone(),
        };
        let expected = ErrorFields {
            rule: Some("positive".to_owned()),
            expression: Some("a > b".to_owned()),
            row: Some(7),
            values: Some(values),
            ..ErrorFields::default()
        };
        assert_eq!(broken.fields(), expected);
        assert_eq!(
            broken.to_string(),
            "row 7 (the first is 0) breaks the CHECK constraint `positive` (a > b): a is 1, b is null"
        );
    }
}
