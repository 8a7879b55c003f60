//! What a program can read of an error, beside its text.

/// Where an error is, and what it is about; what isn't known is None.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorFields {
    /// The table, or its location.
    pub uri: Option<String>,
    /// The version of the table.
    pub version: Option<u64>,
    /// A file, from the table's root, or from that of its store where it isn't below the table.
    pub path: Option<String>,
    /// A column of the table or of the stream.
    pub column: Option<String>,
    /// A row of the stream, counted from 0.
    pub row: Option<u64>,
    /// A rule of the table by its name.
    pub rule: Option<String>,
    /// The rule's expression, as the table has it.
    pub expression: Option<String>,
    /// Values of the row by column.
    pub values: Option<Vec<(String, String)>>,
}

impl ErrorFields {
    /// These, and those of `other` that aren't known here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            uri: self.uri.or(other.uri),
            version: self.version.or(other.version),
            path: self.path.or(other.path),
            column: self.column.or(other.column),
            row: self.row.or(other.row),
            rule: self.rule.or(other.rule),
            expression: self.expression.or(other.expression),
            values: self.values.or(other.values),
        }
    }
}
