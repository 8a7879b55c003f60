//! Expressions of Spark SQL as expressions of DataFusion.
//!
//! Delta tables keep expressions as text in Spark's dialect: CHECK constraints, invariants, generated
//! columns, defaults. Whoever writes such a table without Spark has to compute them, and with exactly
//! Spark's result: a row that one engine lets through and the other doesn't corrupts the table.
//!
//! So [`translate`] knows only what has the same value in both engines for every row, and refuses the
//! rest by its text; the caller then leaves the table to Spark. Where Spark in ANSI mode raises
//! an error, what [`compile`] makes raises one too. The session's time zone, which some of Spark's functions go by,
//! is UTC.
//!
//! ```text
//!   "price * qty > 0" ──> translate ──> TypedExpr ──> compile ──> PhysicalExpr
//!                         literals, types, operators, functions
//! ```
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrow::array::{AsArray, Int32Array, RecordBatch};
//! use dfd_spark_sql::{compile, translate};
//!
//! let columns: [(&str, Arc<dyn arrow::array::Array>); 1] =
//!     [("amount", Arc::new(Int32Array::from(vec![Some(1), Some(-1), None])))];
//! let batch = RecordBatch::try_from_iter(columns)?;
//!
//! let condition = translate("AMOUNT > 0 AND amount <=> amount", batch.schema_ref())?;
//! let compiled = compile(&condition.expr, batch.schema_ref())?;
//! let holds = compiled.evaluate(&batch)?.into_array(batch.num_rows())?;
//! assert_eq!(
//!     holds.as_boolean().iter().collect::<Vec<_>>(),
//!     [Some(true), Some(false), None]
//! );
//!
//! let refused = translate("rand() > 0.5", batch.schema_ref());
//! assert!(refused.is_err_and(|error| error.to_string().contains("rand")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod compile;
mod error;
mod functions;
mod literals;
mod operators;
#[cfg(test)]
mod testing;
mod translate;
mod types;

pub use compile::compile;
pub use error::Error;
pub use operators::compare;
pub use translate::translate;
pub use types::TypedExpr;
