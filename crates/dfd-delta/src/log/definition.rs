//! What a commit makes of the table itself: of its protocol, its schema and its properties.

use chrono::Utc;
use delta_kernel::schema::{MetadataValue, StructType};
use deltalake_core::kernel::{Metadata, Protocol};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error};
use serde_json::{Map, Value, json};
use uuid::Uuid;

type Result<T> = std::result::Result<T, serde_json::Error>;

/// The protocol and the metadata that a version has from then on; None where they stay as they are.
#[derive(Debug, Clone, Default)]
pub struct DefinitionChange {
    /// What readers and writers have to know.
    pub protocol: Option<Protocol>,
    /// Schema, partitioning and properties.
    pub metadata: Option<Metadata>,
}

impl DefinitionChange {
    /// The definition of a new table, with the protocol that its properties ask for.
    ///
    /// # Errors
    /// It can't be said in JSON.
    pub fn of_new_table(
        protocol: Protocol,
        metadata: &Metadata,
        description: &TableDescription,
    ) -> Result<Self> {
        let plain = Definition {
            protocol: &protocol,
            metadata,
        };
        let described = plain.described(description)?;
        Ok(Self {
            protocol: described.protocol.or(Some(protocol)),
            metadata: described.metadata.or_else(|| Some(metadata.clone())),
        })
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.protocol.is_none() && self.metadata.is_none()
    }
}

/// What a table is given beside its columns where it is made, or replaced.
#[derive(Debug, Clone, Default)]
pub struct TableDescription {
    /// A name for people.
    pub name: Option<String>,
    /// What the table is, for people.
    pub description: Option<String>,
    /// Table properties, checked by the caller.
    pub properties: Vec<(String, String)>,
    /// Metadata of columns, by name: comments, and what generates them.
    pub columns: Vec<(String, ColumnMetadata)>,
}

/// Metadata of a column: names and texts.
type ColumnMetadata = Vec<(String, String)>;

/// One side of a protocol: its version, and its features, which only the highest version lists.
struct Side {
    version: &'static str,
    features: &'static str,
    listing: u64,
    /// Features that a lower version stands for.
    implied: &'static [(u64, &'static str)],
}

const READERS: Side = Side {
    version: "minReaderVersion",
    features: "readerFeatures",
    listing: 3,
    implied: &[(2, "columnMapping")],
};

const WRITERS: Side = Side {
    version: "minWriterVersion",
    features: "writerFeatures",
    listing: 7,
    implied: &[
        (2, "appendOnly"),
        (2, "invariants"),
        (3, "checkConstraints"),
        (4, "changeDataFeed"),
        (4, "generatedColumns"),
        (5, "columnMapping"),
        (6, "identityColumns"),
    ],
};

/// A feature that a property asks for.
struct Asked {
    property: Property,
    feature: &'static str,
    /// The version of each side that is the first to know it (protocol, section "Valid Feature Names").
    since: &'static [(&'static Side, u64)],
}

/// A kind of property.
enum Property {
    /// The one of this name, while it is `true`.
    Switch(&'static str),
    /// Each whose name begins so.
    Beginning(&'static str),
}

impl Property {
    fn is_asked_by(&self, name: &str, value: &str) -> bool {
        match self {
            Self::Switch(switch) => name == *switch && value.eq_ignore_ascii_case("true"),
            Self::Beginning(beginning) => name.starts_with(beginning),
        }
    }
}

/// With what the properties begin that are CHECK constraints (protocol, section "CHECK Constraints").
const CHECKS: &str = "delta.constraints.";

/// The name of the CHECK constraint that a property is.
pub fn check_name(property: &str) -> Option<&str> {
    property.strip_prefix(CHECKS)
}

const ASKED: [Asked; 4] = [
    Asked {
        property: Property::Switch("delta.appendOnly"),
        feature: "appendOnly",
        since: &[(&WRITERS, 2)],
    },
    Asked {
        property: Property::Switch("delta.enableChangeDataFeed"),
        feature: "changeDataFeed",
        since: &[(&WRITERS, 4)],
    },
    Asked {
        property: Property::Switch("delta.enableDeletionVectors"),
        feature: "deletionVectors",
        since: &[(&READERS, 3), (&WRITERS, 7)],
    },
    Asked {
        property: Property::Beginning(CHECKS),
        feature: "checkConstraints",
        since: &[(&WRITERS, 3)],
    },
];

/// Properties that tell of the log itself, which goes on with the table.
const OF_THE_LOG: [&str; 3] = [
    "delta.enableInCommitTimestamps",
    "delta.inCommitTimestampEnablementTimestamp",
    "delta.inCommitTimestampEnablementVersion",
];

const LAST_COLUMN_ID: &str = "delta.columnMapping.maxColumnId";

/// What generates a column, in its metadata (protocol, section "Generated Columns").
const GENERATED: &str = "delta.generationExpression";

/// With what the properties begin that tell how columns are mapped.
const OF_MAPPING: &str = "delta.columnMapping.";

/// A table's protocol and metadata as one version has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition<'a> {
    pub(crate) protocol: &'a Protocol,
    pub(crate) metadata: &'a Metadata,
}

impl<'a> Definition<'a> {
    /// The definition once a change is committed.
    pub(crate) fn with(self, change: &'a DefinitionChange) -> Self {
        Self {
            protocol: change.protocol.as_ref().unwrap_or(self.protocol),
            metadata: change.metadata.as_ref().unwrap_or(self.metadata),
        }
    }

    /// The change by which the table gets properties, and the protocol that they ask for; those without a value go.
    pub(crate) fn with_properties(
        &self,
        changes: &[(String, Option<String>)],
    ) -> Result<DefinitionChange> {
        let metadata = edited(self.metadata, |fields| {
            edit_properties(fields, |properties| {
                for (name, value) in changes {
                    match value {
                        Some(value) => properties.insert(name.clone(), json!(value)),
                        None => properties.remove(name),
                    };
                }
            });
        })?;
        let protocol = edited(self.protocol, |fields| {
            for asked in &ASKED {
                let is_on = |(name, value): &(String, Option<String>)| {
                    let value = value.as_deref();
                    value.is_some_and(|value| asked.property.is_asked_by(name, value))
                };
                if changes.iter().any(is_on) {
                    for (side, version) in asked.since {
                        side.allow(fields, *version, asked.feature);
                    }
                }
            }
        })?;
        Ok(self.change_to(protocol, metadata))
    }

    /// The change by which the table gets columns, partitioning, and a protocol that knows what they need.
    ///
    /// `last_column_id` is the highest id of a column, where columns are mapped.
    pub(crate) fn with_schema(
        &self,
        schema: &StructType,
        partition_by: &[String],
        last_column_id: Option<i64>,
        needed: &Protocol,
    ) -> Result<DefinitionChange> {
        let schema = serde_json::to_string(schema)?;
        let metadata = edited(self.metadata, |fields| {
            fields.insert("schemaString".to_owned(), json!(schema));
            fields.insert("partitionColumns".to_owned(), json!(partition_by));
            if let Some(id) = last_column_id {
                edit_properties(fields, |properties| {
                    properties.insert(LAST_COLUMN_ID.to_owned(), json!(id.to_string()));
                });
            }
        })?;
        let needed = fields_of(needed)?;
        let known = fields_of(self.protocol)?;
        let knows = |side: &Side| {
            let known = side.features_of(&known);
            side.listed(&needed).iter().all(|name| known.contains(name))
        };
        let protocol = match knows(&READERS) && knows(&WRITERS) {
            true => self.protocol.clone(),
            false => edited(self.protocol, |fields| {
                READERS.join(fields, &needed);
                WRITERS.join(fields, &needed);
            })?,
        };
        Ok(self.change_to(protocol, metadata))
    }

    /// The change by which the table has this description, and no more of the one before.
    ///
    /// What tells of the log itself stays, and how columns are mapped; its protocol loses nothing.
    pub(crate) fn described(&self, description: &TableDescription) -> Result<DefinitionChange> {
        let stays = |name: &str| OF_THE_LOG.contains(&name) || name.starts_with(OF_MAPPING);
        let metadata = edited(self.metadata, |fields| {
            fields.insert("name".to_owned(), json!(description.name));
            fields.insert("description".to_owned(), json!(description.description));
            edit_properties(fields, |properties| {
                properties.retain(|name, _| stays(name))
            });
        })?;
        let metadata = with_metadata(&metadata, &description.columns)?;
        let bare = Definition {
            protocol: self.protocol,
            metadata: &metadata,
        };
        let properties = description.properties.iter().cloned();
        let given: Vec<_> = properties
            .map(|(name, value)| (name, Some(value)))
            .collect();
        let asked = bare.with_properties(&given)?;
        let protocol = asked.protocol.as_ref().unwrap_or(self.protocol);
        let mut columns = description.columns.iter().flat_map(|(_, told)| told);
        let protocol = match columns.any(|(key, _)| key == GENERATED) {
            false => protocol.clone(),
            true => edited(protocol, |fields| {
                WRITERS.allow(fields, 4, "generatedColumns")
            })?,
        };
        Ok(self.change_to(protocol, asked.metadata.unwrap_or(metadata)))
    }

    /// The change by which another table takes its place, under its log: with an id of its own, and a time at which
    /// it was made, as Delta-Spark has it.
    pub(crate) fn replaced(&self, description: &TableDescription) -> Result<DefinitionChange> {
        let metadata = edited(self.metadata, |fields| {
            fields.insert("id".to_owned(), json!(Uuid::new_v4().to_string()));
            let now = Utc::now().timestamp_millis();
            fields.insert("createdTime".to_owned(), json!(now));
        })?;
        let another = Definition {
            protocol: self.protocol,
            metadata: &metadata,
        };
        let described = another.described(description)?;
        Ok(DefinitionChange {
            protocol: described.protocol,
            metadata: described.metadata.or(Some(metadata)),
        })
    }

    /// The change by which the table gets the definition that it had.
    ///
    /// Its protocol loses nothing, because older files stay; ids of columns aren't given twice; and what tells of
    /// the log itself stays.
    pub(crate) fn restored_to(&self, earlier: &Definition<'_>) -> Result<DefinitionChange> {
        let was = fields_of(earlier.protocol)?;
        let protocol = edited(self.protocol, |fields| {
            READERS.join(fields, &was);
            WRITERS.join(fields, &was);
        })?;
        let metadata = edited(earlier.metadata, |fields| {
            fields.insert("id".to_owned(), json!(self.metadata.id()));
            edit_properties(fields, |properties| self.keep_properties(properties));
        })?;
        Ok(self.change_to(protocol, metadata))
    }

    /// Takes over into earlier properties what doesn't go back with the table.
    fn keep_properties(&self, properties: &mut Map<String, Value>) {
        let now = self.metadata.configuration();
        for name in OF_THE_LOG {
            properties.remove(name);
            if let Some(value) = now.get(name) {
                properties.insert(name.to_owned(), json!(value));
            }
        }
        let last = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
        let now = last(now.get(LAST_COLUMN_ID).map(String::as_str));
        let earlier = last(properties.get(LAST_COLUMN_ID).and_then(Value::as_str));
        if let Some(highest) = now.filter(|now| earlier.is_some_and(|earlier| earlier < *now)) {
            properties.insert(LAST_COLUMN_ID.to_owned(), json!(highest.to_string()));
        }
    }

    fn change_to(&self, protocol: Protocol, metadata: Metadata) -> DefinitionChange {
        DefinitionChange {
            protocol: (protocol != *self.protocol).then_some(protocol),
            metadata: (metadata != *self.metadata).then_some(metadata),
        }
    }
}

impl Side {
    /// Lets a protocol have a feature, which `version` is the first to know.
    fn allow(&self, protocol: &mut Map<String, Value>, version: u64, feature: &str) {
        let version = self.version_of(protocol).max(version);
        if version >= self.listing {
            let mut features = self.features_of(protocol);
            features.push(feature.to_owned());
            self.list(protocol, &features);
        }
        protocol.insert(self.version.to_owned(), json!(version));
    }

    /// Lets a protocol have all that another has.
    fn join(&self, protocol: &mut Map<String, Value>, other: &Map<String, Value>) {
        let version = self.version_of(protocol).max(self.version_of(other));
        if version >= self.listing {
            let both = [self.features_of(protocol), self.features_of(other)].concat();
            self.list(protocol, &both);
        }
        protocol.insert(self.version.to_owned(), json!(version));
    }

    fn version_of(&self, protocol: &Map<String, Value>) -> u64 {
        protocol
            .get(self.version)
            .and_then(Value::as_u64)
            .unwrap_or(1)
    }

    fn features_of(&self, protocol: &Map<String, Value>) -> Vec<String> {
        let version = self.version_of(protocol);
        if version < self.listing {
            let implied = self.implied.iter().filter(|(since, _)| *since <= version);
            return implied.map(|(_, feature)| (*feature).to_owned()).collect();
        }
        self.listed(protocol)
    }

    /// The features that a protocol names.
    fn listed(&self, protocol: &Map<String, Value>) -> Vec<String> {
        let listed = protocol.get(self.features).and_then(Value::as_array);
        let names = listed.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }

    fn list(&self, protocol: &mut Map<String, Value>, features: &[String]) {
        let listed = protocol.entry(self.features).or_insert(Value::Null);
        let mut names = match listed.take() {
            Value::Array(names) => names,
            _ => Vec::new(),
        };
        for feature in features {
            if !names.iter().any(|name| name == feature) {
                names.push(json!(feature));
            }
        }
        *listed = Value::Array(names);
    }
}

fn fields_of(value: &impl Serialize) -> Result<Map<String, Value>> {
    match serde_json::to_value(value)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// A value whose JSON is edited.
fn edited<T: Serialize + DeserializeOwned>(
    value: &T,
    edit: impl FnOnce(&mut Map<String, Value>),
) -> Result<T> {
    let mut fields = fields_of(value)?;
    edit(&mut fields);
    serde_json::from_value(Value::Object(fields))
}

/// The definition, whose columns have this metadata beside what they have.
fn with_metadata(metadata: &Metadata, told: &[(String, ColumnMetadata)]) -> Result<Metadata> {
    if told.is_empty() {
        return Ok(metadata.clone());
    }
    let schema = metadata.parse_schema().map_err(Error::custom)?;
    let columns = schema.into_fields().map(|mut column| {
        let told = told.iter().filter(|(name, _)| *name == column.name);
        let texts = told.flat_map(|(_, told)| told);
        let texts = texts.map(|(key, text)| (key.clone(), MetadataValue::String(text.clone())));
        column.metadata.extend(texts);
        column
    });
    let schema = StructType::try_new(columns).map_err(Error::custom)?;
    let schema = serde_json::to_string(&schema)?;
    edited(metadata, |fields| {
        fields.insert("schemaString".to_owned(), json!(schema));
    })
}

fn edit_properties(metadata: &mut Map<String, Value>, edit: impl FnOnce(&mut Map<String, Value>)) {
    let mut properties = match metadata.remove("configuration") {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    edit(&mut properties);
    metadata.insert("configuration".to_owned(), Value::Object(properties));
}

#[cfg(test)]
mod tests {
    use delta_kernel::schema::{DataType, StructField};

    use super::*;

    fn protocol(reader: u64, writer: u64, features: Option<(&[&str], &[&str])>) -> Protocol {
        let mut made = json!({"minReaderVersion": reader, "minWriterVersion": writer});
        if let Some((readers, writers)) = features {
            made["writerFeatures"] = json!(writers);
            if reader == 3 {
                made["readerFeatures"] = json!(readers);
            }
        }
        serde_json::from_value(made).unwrap()
    }

    fn metadata(id: &str, properties: Value) -> Metadata {
        let made = json!({
            "id": id, "format": {"provider": "parquet", "options": {}},
            "schemaString": format!(r#"{{"type":"struct","fields":[],"of":"{id}"}}"#),
            "partitionColumns": [], "configuration": properties, "createdTime": 5,
        });
        serde_json::from_value(made).unwrap()
    }

    fn set(now: &Protocol, changes: &[(&str, &str)]) -> DefinitionChange {
        let metadata = metadata("a", json!({"owner": "me", "delta.appendOnly": "false"}));
        let changes = changes.iter();
        let changes: Vec<_> = changes
            .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
            .collect();
        let now = Definition {
            protocol: now,
            metadata: &metadata,
        };
        now.with_properties(&changes).unwrap()
    }

    #[test]
    fn a_new_table_has_the_protocol_that_its_properties_ask_for() {
        let plain = metadata("a", json!({}));
        let made = |properties: &[(&str, &str)]| {
            let properties = properties
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let description = TableDescription {
                name: Some("orders".to_owned()),
                description: Some("of all shops".to_owned()),
                properties: properties.collect(),
                columns: Vec::new(),
            };
            let made =
                DefinitionChange::of_new_table(protocol(1, 2, None), &plain, &description).unwrap();
            (made.protocol.unwrap(), made.metadata.unwrap())
        };
        let (kept, described) = made(&[("owner", "me")]);
        assert_eq!(kept, protocol(1, 2, None));
        assert_eq!(described.name(), Some("orders"));
        assert_eq!(described.description(), Some("of all shops"));
        assert_eq!(described.id(), plain.id());
        assert_eq!(
            described.configuration(),
            metadata("a", json!({"owner": "me"})).configuration()
        );
        let (raised, _) = made(&[("delta.enableDeletionVectors", "true")]);
        let writers = ["appendOnly", "invariants", "deletionVectors"];
        assert_eq!(
            raised,
            protocol(3, 7, Some((&["deletionVectors"], &writers)))
        );
    }

    #[test]
    fn a_described_table_keeps_what_its_log_and_its_columns_need() {
        let column = |name: &str, comment: Option<&str>| {
            let column = StructField::new(name, DataType::LONG, true);
            column.with_metadata(comment.map(|comment| ("comment", comment)))
        };
        let schema = |comment| {
            let columns = [column("id", Some("mine")), column("n", comment)];
            let schema = StructType::try_new(columns).unwrap();
            json!(serde_json::to_string(&schema).unwrap())
        };
        let with = |comment, properties: Value| -> Metadata {
            let mut made = serde_json::to_value(metadata("a", properties)).unwrap();
            made["schemaString"] = schema(comment);
            serde_json::from_value(made).unwrap()
        };
        let now = with(
            None,
            json!({
                "owner": "me", "delta.enableChangeDataFeed": "true",
                "delta.columnMapping.mode": "name", LAST_COLUMN_ID: "3",
                "delta.enableInCommitTimestamps": "true",
            }),
        );
        let protocol = protocol(2, 5, None);
        let definition = Definition {
            protocol: &protocol,
            metadata: &now,
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let description = TableDescription {
            name: None,
            description: Some("of all shops".to_owned()),
            properties: vec![
                pair("team", "a"),
                pair("delta.enableDeletionVectors", "true"),
            ],
            columns: ["n", "gone"]
                .map(|name| (name.to_owned(), vec![pair("comment", "how many")]))
                .into(),
        };
        let found = definition.described(&description).unwrap();
        let mut wanted = serde_json::to_value(with(
            Some("how many"),
            json!({
                "team": "a", "delta.enableDeletionVectors": "true",
                "delta.columnMapping.mode": "name", LAST_COLUMN_ID: "3",
                "delta.enableInCommitTimestamps": "true",
            }),
        ))
        .unwrap();
        wanted["description"] = json!("of all shops");
        assert_eq!(
            serde_json::to_value(found.metadata.unwrap()).unwrap(),
            wanted
        );
        let raised = fields_of(&found.protocol.unwrap()).unwrap();
        assert!(
            READERS
                .features_of(&raised)
                .contains(&"columnMapping".to_owned())
        );
        assert!(
            WRITERS
                .features_of(&raised)
                .contains(&"deletionVectors".to_owned())
        );
        let generated = vec![("n".to_owned(), vec![pair(GENERATED, "id + 1")])];
        let generated = TableDescription {
            columns: generated,
            ..TableDescription::default()
        };
        let raised = definition.described(&generated).unwrap().protocol;
        assert_eq!(raised, None);
        let low = super::tests::protocol(1, 2, None);
        let low = Definition {
            protocol: &low,
            metadata: &now,
        };
        let raised = low.described(&generated).unwrap().protocol.unwrap();
        assert_eq!(fields_of(&raised).unwrap()["minWriterVersion"], json!(4));
        let plain = TableDescription::default();
        let bare = with(None, json!({}));
        let definition = Definition {
            protocol: &protocol,
            metadata: &bare,
        };
        assert!(definition.described(&plain).unwrap().is_empty());
    }

    #[test]
    fn a_table_that_takes_another_s_place_has_an_id_of_its_own() {
        let (protocol, now) = (protocol(1, 2, None), metadata("a", json!({"owner": "me"})));
        let definition = Definition {
            protocol: &protocol,
            metadata: &now,
        };
        let replaced = definition.replaced(&TableDescription::default()).unwrap();
        assert_eq!(replaced.protocol, None);
        let metadata = replaced.metadata.unwrap();
        assert_ne!(metadata.id(), "a");
        Uuid::parse_str(metadata.id()).unwrap();
        assert!(metadata.created_time() > now.created_time());
        assert!(metadata.configuration().is_empty());
    }

    #[test]
    fn properties_are_set_beside_others() {
        let now = protocol(1, 2, None);
        let found = set(&now, &[("x", "1"), ("delta.appendOnly", "true")]);
        assert!(found.protocol.is_none());
        let wanted = json!({"owner": "me", "delta.appendOnly": "true", "x": "1"});
        assert_eq!(found.metadata.unwrap(), metadata("a", wanted));
        assert!(set(&now, &[("owner", "me")]).metadata.is_none());
    }

    #[test]
    fn properties_go() {
        let (now, with) = (protocol(1, 2, None), json!({"a": "1", "b": "2"}));
        let metadata_with = metadata("a", with);
        let definition = Definition {
            protocol: &now,
            metadata: &metadata_with,
        };
        let gone = ["a", "c"].map(|name| (name.to_owned(), None));
        let found = definition.with_properties(&gone).unwrap();
        assert_eq!(found.metadata.unwrap(), metadata("a", json!({"b": "2"})));
        let none = [("delta.constraints.c".to_owned(), None)];
        assert!(definition.with_properties(&none).unwrap().is_empty());
    }

    #[test]
    fn a_schema_brings_its_ids_and_its_features() {
        let id = StructField::new("id", DataType::LONG, true);
        let schema = StructType::try_new([id]).unwrap();
        let plain = metadata("a", json!({"owner": "me", LAST_COLUMN_ID: "3"}));
        let with = |now: &Protocol, needed: &Protocol| {
            let now = Definition {
                protocol: now,
                metadata: &plain,
            };
            let by = ["p".to_owned()];
            now.with_schema(&schema, &by, Some(5), needed).unwrap()
        };
        let (first, ntz) = (protocol(1, 2, None), &["timestampNtz"][..]);
        let local = protocol(3, 7, Some((ntz, ntz)));
        let found = with(&first, &first);
        assert!(found.protocol.is_none());
        let made = found.metadata.unwrap();
        assert_eq!(made.parse_schema().unwrap(), schema);
        let made = serde_json::to_value(made).unwrap();
        assert_eq!(made["partitionColumns"], json!(["p"]));
        assert_eq!(
            made["configuration"],
            json!({"owner": "me", LAST_COLUMN_ID: "5"})
        );
        let all = &["appendOnly", "invariants", "timestampNtz"];
        let raised = protocol(3, 7, Some((ntz, all)));
        assert_eq!(with(&first, &local).protocol, Some(raised));
        // What the lowest protocol stands for isn't asked for.
        assert_eq!(with(&local, &first).protocol, None);
        assert_eq!(with(&local, &local).protocol, None);
    }

    #[test]
    fn a_property_asks_for_its_feature() {
        let on = [("delta.enableChangeDataFeed", "TRUE")];
        let off = [("delta.enableChangeDataFeed", "false")];
        for (now, wanted) in [
            (protocol(1, 2, None), Some(protocol(1, 4, None))),
            (protocol(2, 5, None), None),
            (
                protocol(3, 7, Some((&["deletionVectors"], &["deletionVectors"]))),
                Some(protocol(
                    3,
                    7,
                    Some((&["deletionVectors"], &["deletionVectors", "changeDataFeed"])),
                )),
            ),
            (protocol(1, 7, Some((&[], &["changeDataFeed"]))), None),
        ] {
            assert_eq!(set(&now, &on).protocol, wanted);
            assert_eq!(set(&now, &off).protocol, None);
        }
        let vectors = [("delta.enableDeletionVectors", "true")];
        let marked = set(&protocol(2, 5, None), &vectors).protocol.unwrap();
        let readers = ["columnMapping", "deletionVectors"];
        let writers = [
            "appendOnly",
            "invariants",
            "checkConstraints",
            "changeDataFeed",
            "generatedColumns",
            "columnMapping",
            "deletionVectors",
        ];
        assert_eq!(marked, protocol(3, 7, Some((&readers, &writers))));
        assert_eq!(set(&marked, &vectors).protocol, None);
        let check = [("delta.constraints.positive", "a > 0")];
        let now = protocol(1, 2, None);
        assert_eq!(set(&now, &check).protocol, Some(protocol(1, 3, None)));
        let first = protocol(1, 1, None);
        let append_only = set(&first, &[("delta.appendOnly", "true")]);
        assert_eq!(append_only.protocol, Some(protocol(1, 2, None)));
    }

    fn restored(now: (&Protocol, &Metadata), then: (&Protocol, &Metadata)) -> DefinitionChange {
        let of = |(protocol, metadata)| Definition { protocol, metadata };
        of(now).restored_to(&of(then)).unwrap()
    }

    #[test]
    fn a_restored_protocol_has_what_both_had() {
        let same = metadata("a", json!({}));
        let vectors = protocol(3, 7, Some((&["deletionVectors"], &["deletionVectors"])));
        for (now, then, wanted) in [
            (protocol(1, 4, None), protocol(1, 2, None), None),
            (
                protocol(1, 2, None),
                protocol(2, 5, None),
                Some(protocol(2, 5, None)),
            ),
            (
                vectors.clone(),
                protocol(2, 5, None),
                Some(protocol(
                    3,
                    7,
                    Some((
                        &["deletionVectors", "columnMapping"],
                        &[
                            "deletionVectors",
                            "appendOnly",
                            "invariants",
                            "checkConstraints",
                            "changeDataFeed",
                            "generatedColumns",
                            "columnMapping",
                        ],
                    )),
                )),
            ),
            (
                protocol(1, 7, Some((&[], &["appendOnly"]))),
                vectors.clone(),
                Some(protocol(
                    3,
                    7,
                    Some((&["deletionVectors"], &["appendOnly", "deletionVectors"])),
                )),
            ),
            (vectors.clone(), vectors.clone(), None),
        ] {
            assert_eq!(restored((&now, &same), (&then, &same)).protocol, wanted);
        }
    }

    #[test]
    fn restored_metadata_keeps_what_the_log_and_the_ids_need() {
        let protocol = protocol(2, 5, None);
        let now = json!({
            "delta.enableInCommitTimestamps": "true",
            "delta.inCommitTimestampEnablementVersion": "3",
            LAST_COLUMN_ID: "12", "owner": "you",
        });
        let then = json!({
            "delta.inCommitTimestampEnablementTimestamp": "9", LAST_COLUMN_ID: "4", "owner": "me",
        });
        let (now, then) = (metadata("new", now), metadata("old", then));
        let found = restored((&protocol, &now), (&protocol, &then));
        let found = serde_json::to_value(found.metadata.unwrap()).unwrap();
        let wanted = json!({
            "delta.enableInCommitTimestamps": "true",
            "delta.inCommitTimestampEnablementVersion": "3",
            LAST_COLUMN_ID: "12", "owner": "me",
        });
        assert_eq!(found["configuration"], wanted);
        assert_eq!(found["id"], "new");
        assert!(found["schemaString"].as_str().unwrap().contains("old"));
    }
}
