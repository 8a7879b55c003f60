//! MERGE as one query: the source joined with the table, and the clause by which each row changes.
//!
//! ```text
//!   source, with a mark ──┐
//!                         ├─ join ──> the first clause that applies ──> its values, column by column
//!   table, with places ───┘
//! ```
//!
//! A row without a place is of the source alone, one without the mark of the table alone.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};
use datafusion::common::{Column, DFSchema, JoinType, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use dfd_delta::{DeltaTableProvider, FILE_COLUMN, LocatedRows, ROW_COLUMN};

use crate::changes::exact_values::{exact_value, refuse_lost_fields};
use crate::changes::found_rows::{ChangeQuery, Effect};
use crate::changes::key_ranges::KeyRanges;
use crate::changes::source::MergeSource;
use crate::error::{Error, RuleViolation};
use crate::schema::metadata::{Keep, strip_type_metadata};
use crate::schema::requirements::WriteRequirements;
use crate::schema::scope::{Scope, refuse_unknown};

const SOURCE_COLUMN: &str = "_dfd_source";
const CLAUSE_COLUMN: &str = "_dfd_clause";

/// What becomes of rows of a table by those of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// SQL over the columns of both: which rows belong together.
    pub condition: String,
    /// The name of the source in texts.
    pub source: String,
    /// The name of the table in texts.
    pub target: String,
    /// The first of them that applies to a row says what becomes of it.
    pub clauses: Vec<Clause>,
}

/// What becomes of some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Of which rows.
    pub rows: ClauseRows,
    /// SQL over their columns.
    pub condition: Option<String>,
    /// Names of columns, and SQL over the columns as they were; without these, rows go.
    pub values: Option<Vec<(String, String)>>,
}

/// The rows that a clause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClauseRows {
    /// Pairs of both.
    Matched,
    /// Those of the source that match none of the table.
    NotMatched,
    /// Those of the table that match none of the source.
    NotMatchedBySource,
}

impl Merge {
    /// What each clause does.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        self.clauses.iter().map(Clause::effect).collect()
    }

    /// Whether rows of the table that stay as they are have a say: one that matches a row of the source and isn't
    /// changed by it keeps that from being inserted.
    pub(crate) fn depends_on_kept_rows(&self) -> bool {
        let of = |rows| {
            self.clauses
                .iter()
                .filter(move |clause| clause.rows == rows)
        };
        let all_matched_change = of(ClauseRows::Matched).any(|clause| clause.condition.is_none());
        of(ClauseRows::NotMatched).next().is_some() && !all_matched_change
    }

    /// The columns of a source that a clause sets columns of the same name by.
    pub(crate) fn set_by_name(&self, source: &Schema) -> Schema {
        let values = || {
            let clauses = self.clauses.iter();
            clauses
                .filter_map(|clause| clause.values.as_ref())
                .flatten()
        };
        let is_set = |field: &&FieldRef| values().any(|(name, _)| name == field.name());
        Schema::new(
            source
                .fields()
                .iter()
                .filter(is_set)
                .cloned()
                .collect::<Fields>(),
        )
    }

    /// The rows that change: where each is, by which clause, and the columns that it has afterwards.
    ///
    /// # Errors
    /// A text isn't one expression over the columns that it may name, or a name is that of no column.
    pub(crate) fn query(
        &self,
        rows: Arc<LocatedRows>,
        source: &MergeSource,
        requirements: &WriteRequirements,
        state: &SessionState,
    ) -> Result<ChangeQuery, Error> {
        self.refuse_unreached()?;
        let sides = Sides::try_new(self, &rows, source, state)?;
        let condition = sides
            .both
            .condition(&self.condition, "The predicate of the MERGE")?;
        source.watch(self.key_ranges(&condition, &sides, source)?);
        let keys = condition.column_refs().into_iter();
        let mut keys: Vec<_> = keys
            .filter(|key| sides.is_of_target(key))
            .cloned()
            .collect();
        keys.sort();

        let given = LogicalPlanBuilder::scan(
            sides.source.clone(),
            provider_as_source(source.table()?),
            None,
        )?;
        let marked = all_columns(&given).chain([lit(true).alias(SOURCE_COLUMN)]);
        let marked = given.clone().project(marked.collect::<Vec<_>>())?;
        let provider = provider_as_source(Arc::new(DeltaTableProvider::native(rows)));
        let table = LogicalPlanBuilder::scan(sides.target.clone(), provider, None)?.build()?;
        let joined = marked.join_on(table, self.join_type(), [condition])?;

        let clause = self.first_that_applies(&sides)?;
        let columns = all_columns(&joined).chain([clause.alias(CLAUSE_COLUMN)]);
        let columns: Vec<_> = columns.collect();
        let changing = joined
            .project(columns)?
            .filter(clause_number().is_not_null())?;

        let places = [FILE_COLUMN, ROW_COLUMN].map(|name| sides.of_target(name));
        let named = keys.iter().enumerate();
        let named =
            named.map(|(place, key)| Expr::Column(key.clone()).alias(format!("_dfd_key_{place}")));
        let before = places.into_iter().chain([clause_number()]).chain(named);
        let written = self.new_columns(&sides, requirements)?;
        let wanted: Vec<_> = before.chain(written).collect();
        Ok(ChangeQuery {
            plan: changing.project(wanted)?.build()?,
            effects: self.effects(),
            keys: keys.into_iter().map(|key| key.name).collect(),
            allows_repeats: self.allows_repeats(),
        })
    }

    /// The ranges outside of which no row of the table has to do with it; none where all have.
    fn key_ranges(
        &self,
        condition: &Expr,
        sides: &Sides<'_>,
        source: &MergeSource,
    ) -> Result<KeyRanges, Error> {
        if self.has(ClauseRows::NotMatchedBySource) {
            return Ok(KeyRanges::default());
        }
        let given = (&sides.source, source.schema().as_ref());
        let known = (&sides.target, sides.rows.snapshot().schema().as_ref());
        Ok(KeyRanges::of(condition, given, known)?)
    }

    fn has(&self, rows: ClauseRows) -> bool {
        self.clauses.iter().any(|clause| clause.rows == rows)
    }

    /// The source is on the left, where a join keeps its rows in memory.
    fn join_type(&self) -> JoinType {
        let of_source = self.has(ClauseRows::NotMatched);
        match (of_source, self.has(ClauseRows::NotMatchedBySource)) {
            (true, true) => JoinType::Full,
            (true, false) => JoinType::Left,
            (false, true) => JoinType::Right,
            (false, false) => JoinType::Inner,
        }
    }

    /// Whether it is all the same how many rows of the source match: all that match go.
    fn allows_repeats(&self) -> bool {
        let mut matched = self
            .clauses
            .iter()
            .filter(|clause| clause.rows == ClauseRows::Matched);
        match (matched.next(), matched.next()) {
            (Some(only), None) => only.values.is_none() && only.condition.is_none(),
            _ => false,
        }
    }

    /// Refuses clauses after one for the same rows that always applies, as Delta-Spark does.
    fn refuse_unreached(&self) -> Result<(), RuleViolation> {
        let mut ended: Vec<ClauseRows> = Vec::new();
        for (clause, number) in self.clauses.iter().zip(0i64..) {
            if ended.contains(&clause.rows) {
                return Err(RuleViolation::Unreached(clause.told(number)));
            }
            if clause.condition.is_none() {
                ended.push(clause.rows);
            }
        }
        Ok(())
    }

    /// The number of the first clause that applies to a row; null where none does.
    fn first_that_applies(&self, sides: &Sides<'_>) -> Result<Expr, Error> {
        let mut cases = Vec::with_capacity(self.clauses.len());
        for (clause, number) in self.clauses.iter().zip(0i64..) {
            let has_place = sides.of_target(FILE_COLUMN).is_not_null();
            let has_mark = Expr::Column(Column::new_unqualified(SOURCE_COLUMN)).is_not_null();
            let mut applies = match clause.rows {
                ClauseRows::Matched => has_place.and(has_mark),
                ClauseRows::NotMatched => !has_place,
                ClauseRows::NotMatchedBySource => !has_mark,
            };
            if let Some(text) = &clause.condition {
                let what = format!("The predicate of {}", clause.told(number));
                applies = applies.and(sides.scope(clause.rows).condition(text, &what)?);
            }
            cases.push((Box::new(applies), Box::new(lit(number))));
        }
        Ok(case(None, cases))
    }

    /// The columns of rows that are written, each from the clause of the row.
    fn new_columns(
        &self,
        sides: &Sides<'_>,
        requirements: &WriteRequirements,
    ) -> Result<Vec<Expr>, Error> {
        let table = sides.rows.snapshot().schema();
        let writing = || {
            let clauses = self.clauses.iter().zip(0i64..);
            clauses.filter_map(|(clause, number)| Some((clause, number, clause.values.as_ref()?)))
        };
        for (_, _, values) in writing() {
            refuse_unknown(values, table)?;
        }
        if writing().next().is_none() {
            return Ok(Vec::new());
        }
        let mut columns = Vec::with_capacity(table.fields().len());
        for (place, field) in table.fields().iter().enumerate() {
            let name = field.name();
            if requirements.is_generated(place) {
                let given = writing().filter(|(_, _, values)| value_of(values, name).is_some());
                match (given.count(), writing().count()) {
                    (0, _) => continue,
                    (some, all) if some < all => {
                        return Err(RuleViolation::SometimesGenerated(name.clone()).into());
                    }
                    _ => {}
                }
            }
            let to = strip_type_metadata(field.data_type(), Keep::Nothing);
            let mut cases = Vec::new();
            for (clause, number, values) in writing() {
                let value = match (value_of(values, name), clause.rows) {
                    (Some(text), rows) => {
                        let what = format!("The value of {name} in {}", clause.told(number));
                        let value = sides.scope(rows).value(text, &what)?;
                        if rows != ClauseRows::NotMatched {
                            refuse_lost_fields(&value, sides.scope(rows), name, &to)?;
                        }
                        value
                    }
                    (None, ClauseRows::NotMatched) => absent(place, field, &to, requirements)?,
                    (None, _) => sides.of_target(name),
                };
                let value = exact_value(value, sides.scope(clause.rows), name, &to)?;
                cases.push((Box::new(lit(number)), Box::new(value)));
            }
            columns.push(case(Some(clause_number()), cases).alias(name));
        }
        Ok(columns)
    }
}

impl Clause {
    fn effect(&self) -> Effect {
        match (&self.values, self.rows) {
            (None, _) => Effect::Delete,
            (Some(_), ClauseRows::NotMatched) => Effect::Insert,
            (Some(_), _) => Effect::Update,
        }
    }

    /// Which one it is, in deltalake's words.
    fn told(&self, number: i64) -> String {
        let rows = match self.rows {
            ClauseRows::Matched => "matched",
            ClauseRows::NotMatched => "not_matched",
            ClauseRows::NotMatchedBySource => "not_matched_by_source",
        };
        let verb = match self.effect() {
            Effect::Delete => "delete",
            Effect::Update => "update",
            Effect::Insert => "insert",
        };
        format!("clause {} of the MERGE (when_{rows}_{verb})", number + 1)
    }
}

/// Both sides of the join: their names, and the columns that texts may name.
struct Sides<'a> {
    rows: Arc<LocatedRows>,
    source: TableReference,
    target: TableReference,
    both: Scope<'a>,
    of_source: Scope<'a>,
    of_target: Scope<'a>,
}

impl<'a> Sides<'a> {
    fn try_new(
        merge: &Merge,
        rows: &Arc<LocatedRows>,
        source: &MergeSource,
        state: &'a SessionState,
    ) -> Result<Self, Error> {
        if merge.source == merge.target {
            return Err(RuleViolation::SameAlias(merge.source.clone()).into());
        }
        let [given, known] =
            [&merge.source, &merge.target].map(|name| TableReference::bare(name.clone()));
        let fields = source.schema().fields();
        for (place, field) in fields.iter().enumerate() {
            if source.schema().index_of(field.name())? != place {
                return Err(RuleViolation::Ambiguous(field.name().clone()).into());
            }
        }
        let of_source = DFSchema::try_from_qualified_schema(given.clone(), source.schema())?;
        let table = rows.snapshot().schema();
        let of_target = DFSchema::try_from_qualified_schema(known.clone(), table)?;
        Ok(Self {
            rows: Arc::clone(rows),
            both: Scope::new(state, of_source.join(&of_target)?),
            of_source: Scope::new(state, of_source),
            of_target: Scope::new(state, of_target),
            source: given,
            target: known,
        })
    }

    /// What the texts of a clause may name.
    fn scope(&self, rows: ClauseRows) -> &Scope<'a> {
        match rows {
            ClauseRows::Matched => &self.both,
            ClauseRows::NotMatched => &self.of_source,
            ClauseRows::NotMatchedBySource => &self.of_target,
        }
    }

    fn of_target(&self, name: &str) -> Expr {
        Expr::Column(Column::new(Some(self.target.clone()), name))
    }

    fn is_of_target(&self, column: &Column) -> bool {
        column.relation.as_ref() == Some(&self.target)
    }
}

/// What an inserted row has in a column without a value: its default, or null.
fn absent(
    place: usize,
    field: &Field,
    to: &DataType,
    requirements: &WriteRequirements,
) -> Result<Expr, Error> {
    let value = match requirements.default_value(place, field)? {
        Some(value) => value,
        None => ScalarValue::try_from(to)?,
    };
    Ok(Expr::Literal(value, None))
}

fn value_of<'a>(values: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = values.iter().find(|(column, _)| column == name);
    found.map(|(_, text)| text.as_str())
}

fn clause_number() -> Expr {
    Expr::Column(Column::new_unqualified(CLAUSE_COLUMN))
}

fn case(of: Option<Expr>, cases: Vec<(Box<Expr>, Box<Expr>)>) -> Expr {
    Expr::Case(Case::new(of.map(Box::new), cases, None))
}

fn all_columns(plan: &LogicalPlanBuilder) -> impl Iterator<Item = Expr> {
    plan.schema().columns().into_iter().map(Expr::Column)
}
