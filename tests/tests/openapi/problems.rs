//! Descriptions are whole in themselves, and say of each problem type what the code says of
//! it. That a service has these types and no others, tests beside its refusals hold.

use std::collections::BTreeSet;

use pennyblack_base::problem::ProblemType;
use pennyblack_gateway::stir_rest::Refusal;
use serde_json::Value;

use super::description::{Description, references};

/// The problem type that a schema describes.
fn type_of(schema: &Value) -> Option<ProblemType> {
    let uri = schema.pointer("/allOf/1/properties/type/const")?.as_str()?;
    let known = ProblemType::from_uri(uri);
    assert!(
        known.is_some() || !uri.starts_with("urn:pennyblack:"),
        "{uri}"
    );
    known
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_referred_to() {
    for description in Description::all() {
        let references: BTreeSet<_> = references(&description.document).into_iter().collect();
        for reference in &references {
            let found = description.resolve(reference);
            assert!(found.is_some(), "{}.yaml: {reference}", description.service);
        }
        for name in description.schemas().keys() {
            let reference = format!("#/components/schemas/{name}");
            let is_used = references.contains(&*reference);
            assert!(is_used, "{}.yaml: nobody uses {name}", description.service);
        }
    }
}

#[test]
fn a_problem_type_is_described_as_the_code_has_it() {
    let mut described = BTreeSet::new();
    for description in Description::all() {
        for (name, schema) in description.schemas() {
            let Some(kind) = type_of(schema) else {
                continue;
            };
            described.insert(kind.name());
            let members = &schema["allOf"][1]["properties"];
            assert_eq!(name, kind.name());
            assert_eq!(members["title"]["const"], kind.title(), "{name}");
            assert_eq!(members["status"]["const"], kind.status(), "{name}");
            assert_eq!(schema["description"], kind.advice(), "{name}");
        }
    }
    let all: BTreeSet<_> = ProblemType::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(described, all);
}

#[test]
fn a_problem_is_among_the_answers_with_its_own_status() {
    for description in Description::all() {
        for (status, response) in description.responses() {
            let schemas = &response["content"]["application/problem+json"]["schema"];
            for reference in references(schemas) {
                let schema = description.resolve(reference).unwrap();
                let claimed = schema.pointer("/allOf/1/properties/status/const");
                let service = description.service;
                if let Some(claimed) = claimed {
                    assert_eq!(claimed.to_string(), status, "{service}.yaml: {reference}");
                }
            }
        }
    }
}

#[test]
fn an_error_of_the_gateway_is_among_the_answers_with_its_own_status() {
    let invalid = Refusal::Invalid {
        name: "attest",
        reason: String::new(),
    };
    let of_paths = [
        Refusal::NoBody,
        Refusal::Missing("iat"),
        Refusal::NotAcceptable(String::new()),
        Refusal::MediaType,
        invalid,
        Refusal::Unreadable(String::new()),
        Refusal::NoLength,
        Refusal::NoSigningKey,
        Refusal::Address,
        Refusal::ApiKey,
        Refusal::NoTrunk,
    ];
    let answered: BTreeSet<_> = of_paths
        .iter()
        .map(|one| (one.id().to_owned(), one.status().to_string()))
        .collect();
    let mut described = BTreeSet::new();
    for (status, response) in Description::of("gateway").responses() {
        let ids = &response["content"]["application/json"]["x-message-ids"];
        for id in ids.as_array().into_iter().flatten() {
            described.insert((id.as_str().unwrap().to_owned(), status.clone()));
        }
    }
    assert_eq!(described, answered);
}

#[test]
fn the_descriptions_are_of_this_version() {
    for description in Description::all() {
        assert_eq!(description.document["openapi"], "3.1.0");
        let version = &description.document["info"]["version"];
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
    }
}
