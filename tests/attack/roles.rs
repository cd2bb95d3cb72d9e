//! Each role on each operation of the API's document, and on what is no operation.

use std::collections::BTreeMap;

use base64::Engine as _;
use http::Method;
use serde_json::{Value, json};

use crate::common::browser::Answer;
use crate::common::test_house::TestHouse;

/// An operation of the document.
struct Operation {
    method: Method,
    path: String,
    role: String,
}

const ROLES: [&str; 3] = ["viewer", "reviewer", "admin"];

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(lazaret::http::admin::openapi_document()).expect("JSON");
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let role = &operation["security"][0]["token"][0];
            let role = role.as_str().unwrap_or_else(|| panic!("{method} {path} declares no role")).to_owned();
            assert!(ROLES.contains(&role.as_str()), "{method} {path}: {role}");
            let method = method.to_uppercase().parse().expect("a method");
            operations.push(Operation { method, path: filled(path), role });
        }
    }
    operations
}

/// With something for each variable part that names nothing here.
fn filled(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "nothing-of-this-name" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// A house and somebody for each role.
struct Staff {
    house: TestHouse,
    /// What each sends as `Authorization`.
    sent: BTreeMap<String, String>,
}

impl Staff {
    async fn hired() -> Self {
        let house = TestHouse::furnish().config(unlimited).start().await;
        let mut sent = BTreeMap::new();
        for role in ROLES {
            let token = hire(&house, &format!("a-{role}"), role, None).await;
            let basic = base64::engine::general_purpose::STANDARD.encode(format!("token:{token}"));
            // As pip sends it, and as a client of packages has it.
            sent.insert(format!("{role} as a client of packages"), format!("Basic {basic}"));
            sent.insert(role.to_owned(), format!("Bearer {token}"));
        }
        let revoked = hire(&house, "left", "admin", None).await;
        assert_eq!(house.api(Method::DELETE, "/tokens/left", None).await.status, 200);
        sent.insert("who left".to_owned(), format!("Bearer {revoked}"));
        let past = hire(&house, "guest", "admin", Some("2026-11-22T13:00:00Z")).await;
        house.clock.advance(std::time::Duration::from_hours(2));
        sent.insert("whose time is over".to_owned(), format!("Bearer {past}"));
        sent.insert("a stranger".to_owned(), "Bearer lzr_0000000000000000000000000000000000000000".to_owned());
        sent.insert("nobody".to_owned(), String::new());
        Self { house, sent }
    }

    async fn ask(&self, who: &str, method: &Method, path: &str) -> Answer {
        let url = format!("{}{path}", self.house.house.addresses().admin.trim_end_matches('/'));
        let authorization = self.sent[who].as_str();
        let headers = if authorization.is_empty() { vec![] } else { vec![("authorization", authorization)] };
        let body = (method != Method::GET && method != Method::HEAD).then(|| json!({}));
        self.house.browser.send(method.clone(), &url, &headers, body.as_ref()).await
    }
}

async fn hire(house: &TestHouse, name: &str, role: &str, expires: Option<&str>) -> String {
    let wanted = json!({"name": name, "role": role, "expires": expires});
    let answer = house.api(Method::POST, "/tokens", Some(wanted)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["token"].as_str().expect("a token").to_owned()
}

/// So many wrong tokens would be too many for one address.
fn unlimited(config: &mut lazaret::config::Config) {
    config.limits.failed_sign_ins_per_minute = 1_000_000;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_on_each_operation_of_the_document() {
    let staff = Staff::hired().await;
    let operations = operations();
    assert!(operations.len() >= 25, "{}", operations.len());
    let before = staff.house.events().await;
    for operation in &operations {
        let Operation { method, path, role } = operation;
        for (place, who) in ROLES.iter().enumerate() {
            let answer = staff.ask(who, method, path).await;
            let may = place >= ROLES.iter().position(|known| known == role).expect("a role");
            let refused = answer.status == 403 && answer.json()["title"] == "Not allowed";
            assert_eq!(!refused, may, "{who}: {method} {path} is for {role}: {} {}", answer.status, answer.text());
            if may {
                // What it is told then is about what it asked for: a name that nothing has, an empty body.
                let answered = [200, 400, 404, 422].contains(&answer.status);
                assert!(answered, "{who}: {method} {path}: {} {}", answer.status, answer.text());
                assert!(!answer.text().contains("there is nothing at this address"), "{method} {path}");
            } else {
                assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(role.as_str())));
            }
        }
        for who in staff.sent.keys().filter(|who| !ROLES.contains(&who.as_str())) {
            let answer = staff.ask(who, method, path).await;
            assert_eq!(answer.status, 401, "{who}: {method} {path}: {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"lazaret\"", "{who}: {method} {path}");
        }
    }
    let changes = staff.house.events().await.len() - before.len();
    assert_eq!(changes, 0, "an empty body changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_operation_is_nothing_for_anybody() {
    let staff = Staff::hired().await;
    let operations = operations();
    for operation in &operations {
        let declared: Vec<&Method> =
            operations.iter().filter(|other| other.path == operation.path).map(|other| &other.method).collect();
        for name in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            let method: Method = name.parse().expect("a method");
            let is_head_of_get = method == Method::HEAD && declared.contains(&&Method::GET);
            if declared.contains(&&method) || is_head_of_get {
                continue;
            }
            let path = &operation.path;
            let nobody = staff.ask("nobody", &method, path).await;
            assert_eq!(nobody.status, 401, "{method} {path}");
            let admin = staff.ask("admin", &method, path).await;
            assert_eq!(admin.status, 405, "{method} {path}: {}", admin.text());
            assert!(!admin.header("allow").is_empty(), "{method} {path}");
        }
        if operation.method == Method::GET {
            // HEAD is GET without a body, for whom GET is.
            assert_eq!(staff.ask("nobody", &Method::HEAD, &operation.path).await.status, 401);
            let lowest = staff.ask("viewer", &Method::HEAD, &operation.path).await;
            assert_eq!(lowest.status == 403, operation.role != "viewer", "HEAD {}", operation.path);
        }
    }
    for path in ["/api/v1/", "/api/v1", "/api", "/api/v2/uploads", "/api/v1/uploads/", "/api/v1/uploads/x/y/z", "/.git"]
    {
        for who in ["nobody", "admin"] {
            let answer = staff.ask(who, &Method::GET, path).await;
            assert_eq!(answer.status, 404, "{who}: {path}");
            assert_eq!(answer.json()["title"], "Not found", "{who}: {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_packages_and_the_teapot_doors_know_no_operation_of_the_desk() {
    let staff = Staff::hired().await;
    let addresses = staff.house.house.addresses();
    for door in [&addresses.packages, &addresses.teapot] {
        for operation in operations() {
            let url = format!("{}{}", door.trim_end_matches('/'), operation.path);
            let headers = [("authorization", staff.sent["admin"].as_str())];
            let answer = staff.house.browser.send(operation.method.clone(), &url, &headers, Some(&json!({}))).await;
            assert!([404, 405].contains(&answer.status), "{} {url}: {}", operation.method, answer.status);
        }
    }
}

#[test]
fn the_document_names_the_scheme_that_its_roles_belong_to() {
    let document = serde_json::to_value(lazaret::http::admin::openapi_document()).expect("JSON");
    let scheme: &Value = &document["components"]["securitySchemes"]["token"];
    assert_eq!((scheme["type"].as_str(), scheme["scheme"].as_str()), (Some("http"), Some("bearer")));
}
