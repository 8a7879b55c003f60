//! What is wrong with a text, and where.

use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, TokenizerError};

/// A text that is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct SyntaxError {
    /// What was expected, and what is there.
    pub message: String,
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

impl SyntaxError {
    pub(crate) fn new(message: impl Into<String>, at: Location) -> Self {
        Self {
            message: message.into(),
            line: at.line,
            column: at.column,
        }
    }

    pub(crate) fn of_tokens(error: &TokenizerError) -> Self {
        Self::new(error.message.clone(), error.location)
    }

    /// What the parser says; `at` is where it stands, which its own text says too where it knows better.
    pub(crate) fn of_parser(error: &ParserError, at: Location) -> Self {
        let message = match error {
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
            ParserError::RecursionLimitExceeded => "it is nested too deeply",
        };
        let message = message.split(" at Line: ").next().unwrap_or(message);
        Self::new(message, at)
    }
}
