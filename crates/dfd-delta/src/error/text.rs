//! Texts of errors that came through several libraries.

use std::error::Error;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use delta_kernel::Error as KernelError;
use deltalake_core::DeltaTableError;

/// The text of an error, without the envelopes of the libraries it came through and without a backtrace.
///
/// Each library puts a prefix before what the one below said ("External error: Arrow error: "), and
/// some put the stack of their threads behind it.
pub fn told(error: &(dyn Error + 'static)) -> String {
    let inner = opened(error);
    let Some(DataFusionError::Context(context, cause)) = cast::<DataFusionError>(inner) else {
        return without_backtrace(&inner.to_string());
    };
    format!("{context}: {}", told(cause.as_ref()))
}

/// The texts of what caused an error, the nearest first; what only repeats the one before is left out.
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = vec![told(error)];
    let mut current = opened(error).source();
    while let Some(cause) = current {
        let cause = opened(cause);
        let text = told(cause);
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        current = cause.source();
    }
    texts.split_off(1)
}

/// The error as the type that it is, also where it is boxed.
pub fn cast<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let boxed = || error.downcast_ref::<Box<T>>().map(AsRef::as_ref);
    error.downcast_ref().or_else(boxed)
}

/// The first of an error and those that it comes from which is of this type.
pub(crate) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    all(error).next()
}

/// Those of an error and those that it comes from which are of this type.
pub(crate) fn all<'a, T: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a T> {
    chain(error).filter_map(cast)
}

/// An error and those that it comes from, also where a library tells of them by no `source`.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |link| {
        let error: &'a (dyn Error + 'static) = *link;
        inside(error).or_else(|| error.source())
    })
}

/// What is inside of errors that say nothing of their own.
fn opened<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(inner) = inside(error) {
        error = inner;
    }
    error
}

fn inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let is_envelope = match cast::<DataFusionError>(error) {
        Some(
            DataFusionError::ArrowError(..)
            | DataFusionError::ParquetError(_)
            | DataFusionError::ObjectStore(_)
            | DataFusionError::IoError(_)
            | DataFusionError::External(_)
            | DataFusionError::ExecutionJoin(_)
            | DataFusionError::Diagnostic(..)
            | DataFusionError::Shared(_),
        ) => true,
        _ => {
            matches!(
                cast::<ArrowError>(error),
                Some(ArrowError::ExternalError(_))
            ) || matches!(cast::<ParquetError>(error), Some(ParquetError::External(_)))
                || is_envelope_of_delta(error)
        }
    };
    if is_envelope {
        return error.source();
    }
    // Those have no source.
    match cast::<KernelError>(error)? {
        KernelError::Arrow(inner) => Some(inner),
        KernelError::ObjectStore(inner) => Some(inner),
        _ => None,
    }
}

fn is_envelope_of_delta(error: &(dyn Error + 'static)) -> bool {
    let of_deltalake = matches!(
        cast::<DeltaTableError>(error),
        Some(
            DeltaTableError::KernelError(_)
                | DeltaTableError::Kernel { .. }
                | DeltaTableError::ObjectStore { .. }
                | DeltaTableError::Parquet { .. }
                | DeltaTableError::Arrow { .. }
                | DeltaTableError::GenericError { .. }
        )
    );
    let of_kernel = matches!(
        cast::<KernelError>(error),
        Some(
            KernelError::Backtraced { .. }
                | KernelError::GenericError { .. }
                | KernelError::Parquet(_)
        )
    );
    of_deltalake || of_kernel
}

/// The text before the stack of a thread, where a library wrote one behind it.
fn without_backtrace(text: &str) -> String {
    let end = ["\n   0: ", "\n\nbacktrace:", "\nstack backtrace:"]
        .iter()
        .filter_map(|sign| text.find(sign))
        .min();
    end.map_or(text, |end| text[..end].trim_end()).to_owned()
}
