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
