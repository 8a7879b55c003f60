use super::*;

#[test]
fn errors_keep_their_kind_on_the_way_through_datafusion() {
    let missing = Error::NoSuchFile {
        path: "f".to_owned(),
        version: 2,
    };
    let DataFusionError::External(inner) = DataFusionError::from(missing) else {
        unreachable!("not of DataFusion");
    };
    assert!(matches!(
        inner.downcast_ref::<Error>(),
        Some(Error::NoSuchFile { version: 2, .. })
    ));
    let refused = dfd_runtime::Error::Runtime("no threads".to_owned());
    let DataFusionError::External(inner) = DataFusionError::from(Error::from(refused)) else {
        unreachable!("not of DataFusion");
    };
    assert!(inner.is::<dfd_runtime::Error>());
    let planned = Error::from(DataFusionError::Plan("no".to_owned()));
    assert!(matches!(DataFusionError::from(planned), DataFusionError::Plan(text) if text == "no"));
}

#[test]
fn what_a_store_said_is_found_below_the_kernel() {
    let said = || object_store::Error::Generic {
        store: "S3",
        source: "no answer".into(),
    };
    let of_kernel = || delta_kernel::Error::ObjectStore(said());
    for error in [
        deltalake_core::DeltaTableError::from(said()),
        deltalake_core::DeltaTableError::KernelError(of_kernel()),
        deltalake_core::DeltaTableError::KernelError(of_kernel().with_backtrace()),
    ] {
        assert!(find::<object_store::Error>(&error).is_some(), "{error:?}");
    }
}
