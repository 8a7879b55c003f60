//! Scalar functions for DataFusion that dfd ships.
//!
//! Each function is a file of its own. [`functions`] is the only list: what isn't in it is
//! neither exported nor documented, and everything in it passes `tests/udf_conformance.rs`.
//!
//! ```
//! let names: Vec<String> = dfd_udf::functions().iter().map(|f| f.name().to_owned()).collect();
//! assert_eq!(names, ["dfd_haversine_km", "dfd_hhmm_minutes"]);
//! ```

#![warn(missing_docs, unreachable_pub, rustdoc::broken_intra_doc_links)]

mod arguments;
mod haversine;
mod hhmm;

use std::sync::Arc;

use datafusion_expr::ScalarUDF;

pub use haversine::HaversineKm;
pub use hhmm::HhmmMinutes;

/// Lists every function of the crate, by name.
pub fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Arc::new(ScalarUDF::from(HaversineKm::new())),
        Arc::new(ScalarUDF::from(HhmmMinutes::new())),
    ]
}
