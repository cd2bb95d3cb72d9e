//! The API's document is committed: every change of the API is seen in review. Accept one with `INSTA_UPDATE=always`.

#[test]
fn the_document_of_the_api_is_as_it_was_agreed() {
    insta::assert_json_snapshot!(lazaret::http::admin::openapi_document());
}

#[test]
fn every_route_of_the_api_is_described() {
    let document = serde_json::to_value(lazaret::http::admin::openapi_document()).unwrap();
    let described = document["paths"].as_object().unwrap();
    let source = include_str!("../src/http/admin/mod.rs");
    let routes = source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next());
    for route in routes.filter(|route| !["/openapi.json", "/metrics", "/livez", "/readyz"].contains(route)) {
        assert!(described.contains_key(&format!("/api/v1{route}")), "{route} is not in the document");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = serde_json::to_value(lazaret::http::admin::openapi_document()).unwrap();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let mut names: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
