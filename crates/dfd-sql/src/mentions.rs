//! Tables in a query that the session doesn't know by their names alone: `t VERSION AS OF 3`, delta.`uri`.

use datafusion::sql::sqlparser::keywords::RESERVED_FOR_TABLE_ALIAS;
use datafusion::sql::sqlparser::tokenizer::{Token, Word};
use serde::Serialize;

use crate::as_of::as_of;
use crate::error::SyntaxError;
use crate::statement::{Name, TableAt};
use crate::text::{Tokens, replaced};

/// A table that a query names otherwise than by a name of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mention {
    /// What stands for it in the query now.
    pub stand_in: String,
    /// The table.
    pub table: Name,
    /// Which of its versions; None is the newest.
    pub at: Option<TableAt>,
}

/// A query, with names of the session in place of its mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mentions {
    /// The query.
    pub text: String,
    /// What the names stand for.
    pub mentions: Vec<Mention>,
}

/// Puts names that begin with `prefix` in place of the tables that a query names by a version, a time or a URI.
///
/// # Errors
/// The text has no tokens of SQL, or what follows AS OF is none.
pub fn mentions(text: &str, prefix: &str) -> Result<Mentions, SyntaxError> {
    let tokens = Tokens::of(text)?;
    let mut found = Vec::new();
    let mut edits = Vec::new();
    let mut place = 0;
    let described = described(&tokens);
    if described == Some(2) {
        edits.push((tokens.range(1..2), String::new()));
    }
    while place < tokens.tokens.len() {
        let Some((name, after)) = name_at(&tokens, place) else {
            place += 1;
            continue;
        };
        let at = as_of(&tokens, after)?;
        let end = at.as_ref().map_or(after, |(_, end)| *end);
        if at.is_none() && name.uri.is_none() {
            place = after;
            continue;
        }
        let stand_in = format!("{prefix}{}", found.len());
        let alias = match &at {
            Some(_) if !has_alias(&tokens, end) => {
                format!(" AS \"{}\"", name.last.replace('"', "\"\""))
            }
            _ => String::new(),
        };
        let rows = match described == Some(place) {
            true => "SELECT * FROM ",
            false => "",
        };
        let text = format!("{rows}\"{stand_in}\"{alias}");
        edits.push((tokens.range(place..end), text));
        found.push(Mention {
            stand_in,
            table: name,
            at: at.map(|(at, _)| at),
        });
        place = end;
    }
    Ok(Mentions {
        text: replaced(text, &edits),
        mentions: found,
    })
}

/// Where the name is that a DESCRIBE of a table describes.
///
/// DataFusion describes names of its session and queries, and knows no word TABLE there.
fn described(tokens: &Tokens<'_>) -> Option<usize> {
    let has = |words: [&str; 2]| words.into_iter().any(|words| tokens.has(0, words));
    let is_named = |place| matches!(tokens.token(place), Some(Token::Word(_)));
    if has(["DESCRIBE TABLE", "DESC TABLE"]) && is_named(2) {
        return Some(2);
    }
    has(["DESCRIBE", "DESC"]).then_some(1)
}

/// The whole name that begins here, and the token after it.
fn name_at(tokens: &Tokens<'_>, start: usize) -> Option<(Name, usize)> {
    let mut parts: Vec<Word> = Vec::new();
    let mut place = start;
    while let Some(Token::Word(word)) = tokens.token(place) {
        parts.push(word.clone());
        place += 1;
        match tokens.token(place) {
            Some(Token::Period) => place += 1,
            _ => {
                let text = tokens.text[tokens.range(start..place)].to_owned();
                return Some((Name::of(text, &parts), place));
            }
        }
    }
    None
}

/// Whether an alias begins here, as the parser sees it.
fn has_alias(tokens: &Tokens<'_>, place: usize) -> bool {
    match tokens.token(place) {
        Some(Token::Word(word)) => {
            word.quote_style.is_some()
                || tokens.has(place, "AS")
                || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (String, Vec<String>) {
        let Mentions { text, mentions } = mentions(text, "m").unwrap();
        let told = mentions.iter().map(|one| {
            let at = one.at.as_ref().map_or("", |at| match at {
                TableAt::Version(text) | TableAt::Timestamp(text) => text,
            });
            let table = one.table.uri.as_ref().unwrap_or(&one.table.text);
            format!("{} {table} {at}", one.stand_in)
        });
        (text, told.map(|text| text.trim().to_owned()).collect())
    }

    #[test]
    fn a_table_of_a_version_gets_a_name_of_its_own() {
        for (text, wanted, told) in [
            (
                "select * from a.T version as of 3",
                "select * from \"m0\" AS \"T\"",
                "m0 a.T 3",
            ),
            (
                "select x.b from t FOR VERSION AS OF '3' x where b > 1",
                "select x.b from \"m0\" x where b > 1",
                "m0 t 3",
            ),
            (
                "select * from \"t 1\" TIMESTAMP AS OF '2024-01-01' as x",
                "select * from \"m0\" as x",
                "m0 \"t 1\" '2024-01-01'",
            ),
            (
                "select * from t timestamp as of now() - interval '1 day' join u on true",
                "select * from \"m0\" AS \"t\" join u on true",
                "m0 t now() - interval '1 day'",
            ),
            (
                "select * from (select * from t version as of $v) q",
                "select * from (select * from \"m0\" AS \"t\") q",
                "m0 t $v",
            ),
            (
                "describe delta.`/a`",
                "describe SELECT * FROM \"m0\"",
                "m0 /a",
            ),
            (
                "desc table t version as of 2",
                "desc  SELECT * FROM \"m0\" AS \"t\"",
                "m0 t 2",
            ),
            (
                "select count(*) from DELTA.`/a b/c` where x = 'delta.`d`'",
                "select count(*) from \"m0\" where x = 'delta.`d`'",
                "m0 /a b/c",
            ),
            (
                "select * from delta.\"/a\" version as of 2, t",
                "select * from \"m0\" AS \"/a\", t",
                "m0 /a 2",
            ),
        ] {
            assert_eq!(found(text), (wanted.to_owned(), vec![told.to_owned()]));
        }
    }

    #[test]
    fn several_are_told_apart_and_all_else_stays() {
        let (text, told) =
            found("select * from t version as of 1 a join t version as of 2 b using (id)");
        assert_eq!(text, "select * from \"m0\" a join \"m1\" b using (id)");
        assert_eq!(told, ["m0 t 1", "m1 t 2"]);
        assert_eq!(found("describe TABLE a.b").0, "describe  a.b");
        for text in [
            "describe table",
            "describe select 1",
            "select version as of from t",
            "select delta.x, a.delta.`y` from delta -- version as of 1",
            "select 't version as of 1', timestamp '2024-01-01' as of_x from t",
            "copy t to 'x' stored as parquet",
        ] {
            assert_eq!(found(text), (text.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn a_time_is_an_expression() {
        let error = mentions("select * from t timestamp as of", "m").unwrap_err();
        assert_eq!(error.line, 1);
        assert!(mentions("select 'x", "m").is_err());
    }
}
