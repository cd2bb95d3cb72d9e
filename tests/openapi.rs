//! The API's document is committed: every change of the API is seen in review. Accept one with `INSTA_UPDATE=always`.

#[test]
fn the_document_of_the_api_is_as_it_was_agreed() {
    insta::assert_json_snapshot!(lazaret::http::admin::openapi_document());
}

/// What else would be a way around the declared roles.
#[test]
fn no_route_of_the_desk_is_made_but_from_the_document() {
    let source = include_str!("../src/http/admin/mod.rs");
    let routes: Vec<&str> = source.lines().filter(|line| line.contains("route(")).map(str::trim).collect();
    let health = [".route(\"/livez\", get(package::live))", ".route(\"/readyz\", get(package::ready))"];
    assert_eq!(routes, health, "serve an operation of the document instead: its attribute says who may use it");
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

#[test]
fn a_parameter_said_to_be_in_the_path_stands_in_it() {
    let document = serde_json::to_value(lazaret::http::admin::openapi_document()).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
            for parameter in parameters {
                let in_path = path.contains(&format!("{{{}}}", parameter["name"].as_str().unwrap()));
                let said = if in_path { "path" } else { "query" };
                assert_eq!(parameter["in"], said, "{path}: {parameter}");
            }
        }
    }
}
