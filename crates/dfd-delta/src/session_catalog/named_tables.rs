//! The tables that a statement names, before it is planned.

use std::collections::BTreeSet;

use datafusion::common::ResolvedTableReference;
use datafusion::config::ConfigOptions;
use datafusion::sql::parser::DFParser;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::dialect::dialect_from_str;

/// The tables as a session with these settings resolves them; none where the text doesn't parse.
pub(super) fn named_tables(sql: &str, options: &ConfigOptions) -> BTreeSet<ResolvedTableReference> {
    let (parser, catalog) = (&options.sql_parser, &options.catalog);
    let Some(dialect) = dialect_from_str(parser.dialect) else {
        return BTreeSet::new();
    };
    let statements = DFParser::parse_sql_with_dialect(sql, dialect.as_ref());
    let folds_case = parser.enable_ident_normalization;
    let named = statements.into_iter().flatten().filter_map(|statement| {
        let found = resolve_table_references(&statement, folds_case);
        found.ok().map(|(tables, _)| tables)
    });
    named
        .flatten()
        .map(|table| table.resolve(&catalog.default_catalog, &catalog.default_schema))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_and_nothing_else_is() {
        let mut options = ConfigOptions::default();
        for (sql, expected) in [
            ("select 't' from u -- from t", "datafusion.public.u"),
            ("select 1 as t", ""),
            (
                "select * from T, public.t, \"T\"",
                "datafusion.public.T datafusion.public.t",
            ),
            (
                "with t as (select * from a.b.c) select * from t join d on t.x in (select x from e)",
                "a.b.c datafusion.public.d datafusion.public.e",
            ),
            ("create view v as select * from t", "datafusion.public.t"),
            ("selec", ""),
        ] {
            let found = named_tables(sql, &options);
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{sql}");
        }
        options.catalog.default_schema = "raw".to_owned();
        let found = named_tables("select * from t", &options);
        assert_eq!(
            found.iter().map(|name| &*name.schema).collect::<Vec<_>>(),
            ["raw"]
        );
    }
}
