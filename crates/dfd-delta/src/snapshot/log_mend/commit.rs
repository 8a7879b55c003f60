//! Files of a log that are lines of JSON: commits, and checkpoints of the second version.

use bytes::Bytes;
use serde_json::{Deserializer, Map, Value, json};

use crate::snapshot::log_mend::rules::Rules;

/// The commit with the fields of its metadata that may be left out; None where it has them.
pub(crate) fn with_whole_metadata(commit: &[u8]) -> Option<Bytes> {
    mended(commit, &Rules::default())
}

/// The file with what delta_kernel takes in place of what it doesn't; None where nothing is to be mended.
pub(super) fn mended(file: &[u8], rules: &Rules) -> Option<Bytes> {
    let actions = Deserializer::from_slice(file).into_iter::<Value>();
    let mut actions: Vec<_> = actions.collect::<Result<_, _>>().ok()?;
    let mut is_mended = mend_statistics(&mut actions, rules);
    for action in &mut actions {
        is_mended |= mend(action, rules);
    }
    let lines = actions.iter().map(|action| format!("{action}\n"));
    is_mended.then(|| lines.collect::<String>().into())
}

fn mend(action: &mut Value, rules: &Rules) -> bool {
    let mut is_mended = false;
    for (kind, action) in action.as_object_mut().into_iter().flatten() {
        let Some(action) = action.as_object_mut() else {
            continue;
        };
        is_mended |= match kind.as_str() {
            "metaData" => fill_metadata(action),
            "add" => mend_partition_values(action, rules),
            "sidecar" => mend_size(action, rules),
            _ => false,
        };
    }
    is_mended
}

fn fill_metadata(metadata: &mut Map<String, Value>) -> bool {
    let mut is_mended = fill(metadata, "configuration", || json!({}));
    is_mended |= fill(metadata, "format", || json!({}));
    if let Some(format) = metadata.get_mut("format").and_then(Value::as_object_mut) {
        is_mended |= fill(format, "provider", || json!("parquet"));
        is_mended |= fill(format, "options", || json!({}));
    }
    is_mended
}

/// Gives a field its value where it has none.
fn fill(fields: &mut Map<String, Value>, name: &str, value: impl FnOnce() -> Value) -> bool {
    let is_empty = fields.get(name).is_none_or(Value::is_null);
    if is_empty {
        fields.insert(name.to_owned(), value());
    }
    is_empty
}

fn mend_partition_values(add: &mut Map<String, Value>, rules: &Rules) -> bool {
    let mut is_mended = false;
    let values = add.get_mut("partitionValues");
    for (column, value) in values.and_then(Value::as_object_mut).into_iter().flatten() {
        let text = value.as_str();
        if let Some(text) = text.and_then(|text| rules.partition_value(column, text)) {
            *value = text.into();
            is_mended = true;
        }
    }
    is_mended
}

fn mend_size(sidecar: &mut Map<String, Value>, rules: &Rules) -> bool {
    let name = sidecar.get("path").and_then(Value::as_str);
    let size = name.and_then(|name| rules.sidecar_size(name));
    if let Some(size) = size {
        sidecar.insert("sizeInBytes".to_owned(), size.into());
    }
    size.is_some()
}

fn mend_statistics(actions: &mut [Value], rules: &Rules) -> bool {
    let stats = actions
        .iter_mut()
        .filter_map(|action| action.get_mut("add")?.get_mut("stats"));
    let mut stats: Vec<_> = stats.filter(|stats| !stats.is_null()).collect();
    let mut is_mended = false;
    for stats in stats.iter_mut().filter(|stats| !stats.is_string()) {
        **stats = stats.to_string().into();
        is_mended = true;
    }
    let texts: Vec<_> = stats.iter().map(|stats| stats.as_str()).collect();
    for (place, mended) in rules.statistics(&texts) {
        if let Some(stats) = stats.get_mut(place) {
            **stats = mended.into();
            is_mended = true;
        }
    }
    is_mended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_tables::{Add, field, metadata};

    fn rules() -> Rules {
        let fields = [field("id", "long"), field("p", "decimal(5,2)")];
        let schema = json!({"type": "struct", "fields": fields});
        Rules::of(&serde_json::from_value(schema).unwrap())
    }

    fn mended_lines(actions: &[Value]) -> Option<Vec<Value>> {
        let lines: String = actions.iter().map(|action| format!("{action}\n")).collect();
        let mended = super::mended(lines.as_bytes(), &rules())?;
        let lines = Deserializer::from_slice(&mended).into_iter::<Value>();
        Some(lines.collect::<Result<_, _>>().unwrap())
    }

    #[test]
    fn a_commit_that_is_taken_stays() {
        let add = Add::new("a", 1)
            .partition("p", Some("1.00"))
            .stats(json!({"numRecords": 1}));
        let null = Add::new("b", 1)
            .partition("p", None)
            .with("stats", Value::Null);
        let made = metadata(&[field("id", "long")], &[], json!({}));
        let actions = [
            made,
            add.action(),
            null.action(),
            json!({"new": 1}),
            json!(7),
        ];
        assert_eq!(mended_lines(&actions), None);
        assert_eq!(mended(b"", &rules()), None);
        // Who looks for the fault tells of it.
        assert_eq!(mended(b"{\"metaData\":{}}\n{", &rules()), None);
    }

    #[test]
    fn metadata_gets_what_it_lacks() {
        let made = metadata(&[field("id", "long")], &[], json!({}));
        let unlike = json!({"metaData": {"format": {"provider": "orc", "options": null}}});
        let mut without = made.clone();
        for name in ["configuration", "format"] {
            without["metaData"].as_object_mut().unwrap().remove(name);
        }
        let mended = mended_lines(&[without, unlike]).unwrap();
        assert_eq!(mended[0], made);
        let format = json!({"provider": "orc", "options": {}});
        assert_eq!(mended[1]["metaData"]["format"], format);
        let text = mended[0].to_string().replace(r#""configuration":{},"#, "");
        let whole = with_whole_metadata(text.as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&whole).unwrap(), made);
    }

    #[test]
    fn adds_get_values_and_statistics_that_are_taken() {
        let add = |p: &str| Add::new("a", 1).partition("p", Some(p));
        let actions = [
            add("1E+1").stats(json!({"numRecords": 1})).action(),
            add("one").with("stats", "garbage").action(),
            add("1.00").with("stats", json!({"numRecords": 2})).action(),
        ];
        let mended = mended_lines(&actions).unwrap();
        let told = |place: usize| {
            let add = &mended[place]["add"];
            (add["partitionValues"]["p"].clone(), add["stats"].clone())
        };
        assert_eq!(told(0), (json!("10.00"), json!("{\"numRecords\":1}")));
        assert_eq!(told(1), (json!("one"), Value::Null));
        assert_eq!(told(2), (json!("1.00"), json!("{\"numRecords\":2}")));
    }

    #[test]
    fn a_sidecar_gets_the_size_that_it_was_mended_to() {
        let sidecar =
            |name: &str, size: u64| json!({"sidecar": {"path": name, "sizeInBytes": size}});
        let sizes = [("mended".to_owned(), 7)];
        let rules = rules().with_sidecars(sizes.into());
        let lines = format!("{}\n{}\n", sidecar("mended", 5), sidecar("as it was", 5));
        let wanted = format!("{}\n{}\n", sidecar("mended", 7), sidecar("as it was", 5));
        assert_eq!(mended(lines.as_bytes(), &rules).unwrap(), wanted);
    }
}
