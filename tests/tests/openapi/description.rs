//! One description, parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The services that have one.
pub(super) const SERVICES: [&str; 4] = ["issuer", "cps", "relay", "gateway"];

/// The members of a path that are operations (OpenAPI 3.1 section 4.8.9).
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// What one service serves, as it is written.
pub(super) struct Description {
    pub(super) service: &'static str,
    pub(super) text: String,
    pub(super) document: Value,
}

pub(super) fn file_of(service: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join(format!("docs/openapi/{service}.yaml"))
}

impl Description {
    pub(super) fn of(service: &'static str) -> Self {
        let text = fs::read_to_string(file_of(service)).unwrap();
        let document = serde_saphyr::from_str(&text);
        let document = document.unwrap_or_else(|error| panic!("{service}.yaml: {error}"));
        Self {
            service,
            text,
            document,
        }
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        SERVICES.into_iter().map(Self::of)
    }

    fn object(&self, pointer: &str) -> &Map<String, Value> {
        let found = self.document.pointer(pointer).and_then(Value::as_object);
        found.unwrap_or_else(|| panic!("{}.yaml has no {pointer}", self.service))
    }

    /// The methods of each path.
    pub(super) fn methods(&self) -> BTreeMap<String, BTreeSet<String>> {
        let methods_of = |members: &Value| {
            let methods = METHODS.iter().filter(|method| !members[**method].is_null());
            methods.map(|method| method.to_uppercase()).collect()
        };
        let paths = self.object("/paths").iter();
        paths
            .map(|(path, members)| (path.clone(), methods_of(members)))
            .collect()
    }

    /// A path with the examples of its parameters in it.
    pub(super) fn example_of(&self, path: &str) -> String {
        let mut filled = path.to_owned();
        for parameter in self.document["paths"][path]["parameters"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if parameter["in"] == "path" {
                let name = parameter["name"].as_str().unwrap();
                let example = parameter["example"].as_str().unwrap();
                filled = filled.replace(&format!("{{{name}}}"), example);
            }
        }
        assert!(!filled.contains('{'), "{path}: a parameter without example");
        filled
    }

    /// The schemas by their names.
    pub(super) fn schemas(&self) -> &Map<String, Value> {
        self.object("/components/schemas")
    }

    /// Every answer that is described, with its status: those of operations, and those that
    /// are shared.
    pub(super) fn responses(&self) -> Vec<(String, &Value)> {
        let mut all = Vec::new();
        for members in self.object("/paths").values() {
            for operation in METHODS.iter().map(|method| &members[*method]) {
                for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    all.push((status.clone(), response));
                }
            }
        }
        for response in self.object("/components/responses").values() {
            let status = response["x-status"].as_u64();
            all.push((status.expect("x-status").to_string(), response));
        }
        all
    }

    /// What a reference leads to.
    pub(super) fn resolve(&self, reference: &str) -> Option<&Value> {
        self.document.pointer(reference.strip_prefix('#')?)
    }
}

/// Every `$ref` in a part of a description.
pub(super) fn references(part: &Value) -> Vec<&str> {
    match part {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            let below = members.values().flat_map(references);
            own.into_iter().chain(below).collect()
        }
        Value::Array(parts) => parts.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}
