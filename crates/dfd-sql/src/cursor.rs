//! A place in a statement, from which its parts are read.

use datafusion::sql::sqlparser::ast::{Expr, SelectItem};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Word};

use crate::as_of::as_of;
use crate::error::SyntaxError;
use crate::statement::{Name, TableAt};
use crate::text::{DIALECT, Tokens};

type Result<T> = std::result::Result<T, SyntaxError>;

/// Reads a statement from its beginning to its end.
pub(crate) struct Cursor<'a> {
    tokens: Tokens<'a>,
    /// Stands among the same tokens.
    parser: Parser<'static>,
    /// Of `>>` the first was read, as the end of a type in a type.
    is_half_read: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn at_start(text: &'a str) -> Result<Self> {
        let tokens = Tokens::of(text)?;
        let parser = Parser::new(&DIALECT).with_tokens_with_locations(tokens.tokens.clone());
        Ok(Self {
            tokens,
            parser,
            is_half_read: false,
        })
    }

    /// How many tokens were read.
    fn place(&self) -> usize {
        self.parser.index().min(self.tokens.tokens.len())
    }

    fn next(&self) -> Option<&Token> {
        self.tokens.token(self.place())
    }

    fn location(&self) -> Location {
        let tokens = &self.tokens.tokens;
        match (tokens.get(self.place()), tokens.last()) {
            (Some(token), _) => token.span.start,
            (None, Some(last)) => last.span.end,
            (None, None) => Location { line: 1, column: 1 },
        }
    }

    /// Whether these words, or signs, come next.
    pub(crate) fn sees(&self, words: &str) -> bool {
        self.tokens.has(self.place(), words)
    }

    /// Passes these words, or signs, if they come next; says whether they did.
    pub(crate) fn takes(&mut self, words: &str) -> bool {
        let is_there = self.sees(words);
        if is_there {
            for _ in words.split(' ') {
                self.parser.advance_token();
            }
        }
        is_there
    }

    /// Passes these words, or signs.
    pub(crate) fn expect(&mut self, words: &str) -> Result<()> {
        match self.takes(words) {
            true => Ok(()),
            false => Err(self.expected(words)),
        }
    }

    /// The error that something else comes next.
    pub(crate) fn expected(&self, what: &str) -> SyntaxError {
        let found = match self.next() {
            Some(token) => format!("and not {token}"),
            None => "and the statement ends".to_owned(),
        };
        SyntaxError::new(format!("{what} is expected, {found}"), self.location())
    }

    /// The error that what comes next can't be done.
    pub(crate) fn refused(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(message, self.location())
    }

    /// Nothing comes any more.
    pub(crate) fn end(&self) -> Result<()> {
        match self.next() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end of the statement")),
        }
    }

    fn parsed<T>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'static>) -> std::result::Result<T, ParserError>,
    ) -> Result<T> {
        let parsed = parse(&mut self.parser);
        parsed.map_err(|error| SyntaxError::of_parser(&error, self.location()))
    }

    /// An expression, as it is written.
    pub(crate) fn expression(&mut self) -> Result<String> {
        let start = self.place();
        self.parsed(|parser| parser.parse_expr())?;
        Ok(self.written(start, self.place()))
    }

    /// A query in brackets, as it is written, without them.
    pub(crate) fn query_in_brackets(&mut self) -> Result<String> {
        self.expect("(")?;
        let start = self.place();
        self.parsed(|parser| parser.parse_query())?;
        let query = self.written(start, self.place());
        self.expect(")")?;
        Ok(query)
    }

    /// Everything that is left, as it is written.
    pub(crate) fn rest(&mut self) -> Result<String> {
        let (start, end) = (self.place(), self.tokens.tokens.len());
        if start == end {
            return Err(self.expected("a query"));
        }
        while self.place() < end {
            self.parser.advance_token();
        }
        Ok(self.written(start, end))
    }

    fn written(&self, start: usize, end: usize) -> String {
        self.tokens.text[self.tokens.range(start..end)].to_owned()
    }

    /// A word, or a quoted name.
    pub(crate) fn identifier(&mut self) -> Result<String> {
        match self.next() {
            Some(Token::Word(word)) => {
                let name = word.value.clone();
                self.parser.advance_token();
                Ok(name)
            }
            _ => Err(self.expected("a name")),
        }
    }

    /// The name of a table, of up to three parts, or delta.`uri`.
    pub(crate) fn name(&mut self) -> Result<Name> {
        let start = self.place();
        let mut parts: Vec<Word> = Vec::new();
        loop {
            match self.next() {
                Some(Token::Word(word)) => parts.push(word.clone()),
                _ => return Err(self.expected("the name of a table")),
            }
            self.parser.advance_token();
            if !self.takes(".") {
                break;
            }
        }
        Ok(Name::of(self.written(start, self.place()), &parts))
    }

    /// A name that stands for what was before it, with AS or without.
    pub(crate) fn alias(&mut self, ended_by: &[&str]) -> Result<Option<String>> {
        if self.takes("AS") {
            return self.identifier().map(Some);
        }
        let is_word = matches!(self.next(), Some(Token::Word(_)));
        match is_word && !ended_by.iter().any(|word| self.sees(word)) {
            true => self.identifier().map(Some),
            false => Ok(None),
        }
    }

    /// A text in single quotes; double ones are taken too where no name can stand, as Spark does.
    pub(crate) fn string(&mut self) -> Result<String> {
        let found = match self.next() {
            Some(Token::SingleQuotedString(text)) => text.clone(),
            Some(Token::Word(word)) if word.quote_style == Some('"') => word.value.clone(),
            _ => return Err(self.expected("a text in quotes")),
        };
        self.parser.advance_token();
        Ok(found)
    }

    /// A number or a word that stands for one value, as it is written.
    pub(crate) fn number(&mut self) -> Result<String> {
        let found = match self.next() {
            Some(Token::Number(text, _)) => text.clone(),
            _ => return Err(self.expected("a number")),
        };
        self.parser.advance_token();
        Ok(found)
    }

    /// Things between commas.
    pub(crate) fn list<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut found = vec![read(self)?];
        while self.takes(",") {
            found.push(read(self)?);
        }
        Ok(found)
    }

    /// Things between commas, in brackets.
    pub(crate) fn brackets<T>(&mut self, read: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect("(")?;
        let found = self.list(read)?;
        self.expect(")")?;
        Ok(found)
    }

    /// What AS OF says of the table before it, if it comes next.
    pub(crate) fn table_at(&mut self) -> Result<Option<TableAt>> {
        let place = self.place();
        let Some((at, end)) = as_of(&self.tokens, place)? else {
            return Ok(None);
        };
        for _ in place..end {
            self.parser.advance_token();
        }
        Ok(Some(at))
    }

    /// Passes a closing angle bracket, which may be half of a sign.
    pub(crate) fn closes(&mut self) -> Result<()> {
        if std::mem::take(&mut self.is_half_read) || self.takes(">") {
            return Ok(());
        }
        self.expect(">>").map_err(|_| self.expected(">"))?;
        self.is_half_read = true;
        Ok(())
    }

    /// What AS OF says of the table before it, as it is written, after a space; nothing where it isn't there.
    pub(crate) fn as_of(&mut self) -> Result<String> {
        let start = self.place();
        Ok(match self.table_at()? {
            Some(_) => format!(" {}", self.written(start, self.place())),
            None => String::new(),
        })
    }

    /// Words between dots, as it is written.
    pub(crate) fn dotted(&mut self) -> Result<String> {
        Ok(self.name()?.text)
    }

    /// An expression.
    pub(crate) fn condition(&mut self) -> Result<Expr> {
        self.parsed(|parser| parser.parse_expr())
    }

    /// The item of a SELECT that comes next, and whether it has a name that others may have too.
    pub(crate) fn select_item(&mut self) -> Result<bool> {
        let item = self.parsed(|parser| parser.parse_select_item())?;
        Ok(match item {
            SelectItem::UnnamedExpr(expr) => {
                !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
            }
            _ => false,
        })
    }

    /// Passes everything up to a SELECT that stands in no brackets; false where there is none.
    pub(crate) fn reaches_select(&mut self) -> bool {
        let mut depth = 0;
        loop {
            match self.next() {
                None => return false,
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                _ if depth == 0 && self.sees("SELECT") => return true,
                _ => {}
            }
            self.parser.advance_token();
        }
    }

    /// Where what was read ends, in the text.
    pub(crate) fn read_until(&self) -> usize {
        let place = self.place();
        self.tokens.range(place.saturating_sub(1)..place).end
    }
}
