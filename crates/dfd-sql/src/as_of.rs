//! What AS OF says of the table before it.

use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::SyntaxError;
use crate::statement::TableAt;
use crate::text::{DIALECT, Tokens};

const VERSION: [&str; 2] = ["VERSION AS OF", "SYSTEM_VERSION AS OF"];
const TIMESTAMP: [&str; 2] = ["TIMESTAMP AS OF", "SYSTEM_TIME AS OF"];

/// What stands at `start` of the version of a table, and the token after it; None where it isn't that.
///
/// # Errors
/// A time is asked for, and what follows is no expression.
pub(crate) fn as_of(
    tokens: &Tokens<'_>,
    start: usize,
) -> Result<Option<(TableAt, usize)>, SyntaxError> {
    let place = start + usize::from(tokens.has(start, "FOR"));
    let says = |words: [&str; 2]| words.iter().any(|words| tokens.has(place, words));
    let value = place + 3;
    if says(VERSION) {
        return Ok(match tokens.token(value) {
            Some(
                Token::Number(text, _) | Token::SingleQuotedString(text) | Token::Placeholder(text),
            ) => Some((TableAt::Version(text.clone()), value + 1)),
            _ => None,
        });
    }
    if !says(TIMESTAMP) {
        return Ok(None);
    }
    let rest = tokens.tokens[value..].to_vec();
    let mut parser = Parser::new(&DIALECT).with_tokens_with_locations(rest);
    parser.parse_expr().map_err(|error| {
        let before = &tokens.tokens[value - 1];
        SyntaxError::of_parser(&error, before.span.end)
    })?;
    let end = value + parser.index();
    let expression = tokens.text[tokens.range(value..end)].to_owned();
    Ok(Some((TableAt::Timestamp(expression), end)))
}
