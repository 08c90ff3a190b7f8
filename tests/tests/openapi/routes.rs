//! Every route is described, and every route that is described is there. The services say
//! which paths they serve, and the answer to a method that no path has says which it has.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use http::header::ALLOW;
use pennyblack_base::problem::ProblemType;
use pennyblack_service::public_router::OPENAPI_PATH;
use pennyblack_tests::answer::Answer;
use reqwest::Method;

use super::description::Description;
use super::services::Services;

/// Of no path of any service.
const NOBODYS: &str = "BREW";

/// Routers mark a parameter that spans slashes; descriptions cannot.
fn as_described(path: &str) -> String {
    path.replace("{*", "{")
}

async fn methods_at(services: &Services, url: &str) -> BTreeSet<String> {
    let method = Method::from_bytes(NOBODYS.as_bytes()).unwrap();
    let request = services.world.client.request(method, url);
    let answer = Answer::to(request.header("content-length", "0")).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{url}");
    let allowed = answer.headers[ALLOW].to_str().unwrap();
    allowed
        .split(',')
        .map(|one| one.trim().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_described_and_every_description_has_its_route() {
    let services = Services::start().await;
    for description in Description::all() {
        let service = description.service;
        let described = description.methods();
        let mut served = BTreeMap::new();
        for path in services.of(service).paths() {
            let path = as_described(path);
            let example = match described.contains_key(&path) {
                true => description.example_of(&path),
                false => path.replace(['{', '}'], ""),
            };
            let url = format!("{}{example}", services.url_of(service));
            let methods = methods_at(&services, &url).await;
            served.insert(path, methods);
        }
        assert!(served.len() > 1, "{service} serves nothing");
        assert_eq!(served, described, "{service}");
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_not_utf_8_is_refused_with_a_type_that_is_described() {
    let services = Services::start().await;
    for description in Description::all() {
        for (path, methods) in description.methods() {
            let Some((before, _)) = path.split_once('{') else {
                continue;
            };
            let url = format!("{}{before}%FF", services.url_of(description.service));
            for method in methods {
                let method = method.parse::<Method>().unwrap();
                let request = services.world.client.request(method.clone(), &url);
                let answer = Answer::to(request).await.unwrap();
                let kind = answer.problem();
                let status = answer.status.as_str();
                let operation =
                    &description.document["paths"][&path][method.as_str().to_lowercase()];
                let response = operation["responses"][status].to_string();
                let is_described = match kind {
                    ProblemType::NotFound => {
                        response.contains("not-found") || response.contains("NotFound")
                    }
                    kind => response.contains(&format!("/{}\"", kind.name())),
                };
                assert!(is_described, "{method} {url}: {status} {}", kind.name());
            }
        }
    }
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_hands_out_its_own_description() {
    let services = Services::start().await;
    for description in Description::all() {
        let url = format!("{}{OPENAPI_PATH}", services.url_of(description.service));
        let answer = Answer::to(services.world.client.get(url)).await.unwrap();
        assert!(answer.content() == description.text.as_bytes());
        assert_eq!(answer.headers["content-type"], "application/yaml");
    }
    services.stop().await;
}
