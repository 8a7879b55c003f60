//! A text with its tokens, and the places of these in it.

use std::collections::HashMap;
use std::ops::Range;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};

use crate::error::SyntaxError;

/// DataFusion's own.
pub(crate) static DIALECT: GenericDialect = GenericDialect {};

/// A text, and its tokens without white space and comments.
pub(crate) struct Tokens<'a> {
    pub(crate) text: &'a str,
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'a> Tokens<'a> {
    pub(crate) fn of(text: &'a str) -> Result<Self, SyntaxError> {
        let tokens = Tokenizer::new(&DIALECT, text).tokenize_with_location();
        let tokens = tokens.map_err(|error| SyntaxError::of_tokens(&error))?;
        let is_said = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
        let breaks = text.match_indices('\n').map(|(place, _)| place + 1);
        Ok(Self {
            text,
            tokens: tokens.into_iter().filter(is_said).collect(),
            lines: std::iter::once(0).chain(breaks).collect(),
        })
    }

    /// The place of a location in bytes.
    pub(crate) fn offset(&self, at: Location) -> usize {
        let line = usize::try_from(at.line).unwrap_or(1).max(1) - 1;
        let Some(start) = self.lines.get(line) else {
            return self.text.len();
        };
        let rest = &self.text[*start..];
        let column = usize::try_from(at.column).unwrap_or(1).max(1) - 1;
        let within = rest.char_indices().nth(column);
        start + within.map_or(rest.len(), |(place, _)| place)
    }

    /// The part of the text that tokens stand in.
    pub(crate) fn range(&self, tokens: Range<usize>) -> Range<usize> {
        match &self.tokens[tokens] {
            [] => 0..0,
            [only] => self.offset(only.span.start)..self.offset(only.span.end),
            [first, .., last] => self.offset(first.span.start)..self.offset(last.span.end),
        }
    }

    /// All words with dots between them, as they are written.
    pub(crate) fn dotted(&self) -> Vec<String> {
        let is_word = |place| matches!(self.token(place), Some(Token::Word(_)));
        let mut found = Vec::new();
        let mut start = 0;
        while start < self.tokens.len() {
            let mut end = start + 1;
            while is_word(start) && self.token(end) == Some(&Token::Period) && is_word(end + 1) {
                end += 2;
            }
            if end > start + 1 {
                found.push(self.text[self.range(start..end)].to_owned());
            }
            start = end;
        }
        found
    }

    pub(crate) fn token(&self, place: usize) -> Option<&Token> {
        self.tokens.get(place).map(|token| &token.token)
    }

    /// Whether these words, or signs, stand there.
    pub(crate) fn has(&self, place: usize, words: &str) -> bool {
        words
            .split(' ')
            .enumerate()
            .all(|(n, word)| self.token(place + n).is_some_and(|token| is(token, word)))
    }
}

/// Whether a token is a plain word, in any case, or a sign.
pub(crate) fn is(token: &Token, word: &str) -> bool {
    match token {
        Token::Word(Word {
            value,
            quote_style: None,
            ..
        }) => value.eq_ignore_ascii_case(word),
        Token::Word(_) | Token::SingleQuotedString(_) => false,
        sign => sign.to_string() == word,
    }
}

/// A text with parts of it replaced, given in their order.
pub(crate) fn replaced(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut made = String::with_capacity(text.len());
    let mut done = 0;
    for (range, with) in edits {
        made.push_str(&text[done..range.start]);
        made.push_str(with);
        done = range.end;
    }
    made.push_str(&text[done..]);
    made
}

/// A text with values, as they are written in SQL, in place of its placeholders.
pub(crate) fn with_literals(
    text: &str,
    literals: &HashMap<String, String>,
) -> Result<String, SyntaxError> {
    let tokens = Tokens::of(text)?;
    let mut edits = Vec::new();
    for (place, token) in tokens.tokens.iter().enumerate() {
        let Token::Placeholder(name) = &token.token else {
            continue;
        };
        let plain = name.trim_start_matches('$');
        let literal = literals.get(plain).ok_or_else(|| {
            SyntaxError::new(format!("there is no value for {name}"), token.span.start)
        })?;
        edits.push((tokens.range(place..place + 1), literal.clone()));
    }
    Ok(replaced(text, &edits))
}

/// An expression without the name of its only table before columns.
pub(crate) fn unqualified(text: &str, table: &str) -> Result<String, SyntaxError> {
    let tokens = Tokens::of(text)?;
    let mut edits = Vec::new();
    for place in 0..tokens.tokens.len() {
        let is_first = place == 0 || tokens.token(place - 1) != Some(&Token::Period);
        let is_table = match tokens.token(place) {
            Some(Token::Word(word)) => word.value.eq_ignore_ascii_case(table),
            _ => false,
        };
        if is_first && is_table && tokens.token(place + 1) == Some(&Token::Period) {
            edits.push((tokens.range(place..place + 2), String::new()));
        }
    }
    Ok(replaced(text, &edits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_in_their_text() {
        let text = "sélect 'ä\nb' -- c\n, \"x y\" /* no */ from t";
        let tokens = Tokens::of(text).unwrap();
        let texts = (0..tokens.tokens.len()).map(|n| &text[tokens.range(n..n + 1)]);
        let texts: Vec<_> = texts.collect();
        assert_eq!(texts, ["sélect", "'ä\nb'", ",", "\"x y\"", "from", "t"]);
        assert_eq!(&text[tokens.range(1..4)], "'ä\nb' -- c\n, \"x y\"");
        assert!(tokens.has(4, "FROM T") && !tokens.has(3, "x y"));
    }

    #[test]
    fn a_table_is_not_named_before_its_columns() {
        let made = unqualified("T.a = \"t\".b.t.c and u.t.d > t and 't.x' = t", "t").unwrap();
        assert_eq!(made, "a = b.t.c and u.t.d > t and 't.x' = t");
    }

    #[test]
    fn placeholders_become_values_and_texts_stay() {
        let values = [("a", "1"), ("b", "'x''y'")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let values = HashMap::from(values);
        let made = with_literals("x = $a and y = '$a' and z in ($b, $a)", &values).unwrap();
        assert_eq!(made, "x = 1 and y = '$a' and z in ('x''y', 1)");
        let missing = with_literals("x =\n  $c", &values).unwrap_err();
        assert_eq!((missing.line, missing.column), (2, 3));
        assert_eq!(missing.message, "there is no value for $c");
    }
}
