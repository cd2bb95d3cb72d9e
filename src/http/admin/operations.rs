//! Routes are made of the API's document and of nothing else: an operation's address, its method and who may use it stand in
//! the one attribute on its handler, and a handler whose operation declares no role has no address.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::StatusCode;
use serde_json::Value;

use super::super::error::{ApiError, Challenge};
use super::Desk;
use crate::domain::{Actor, Role};

/// What is wrong with the declarations: lazaret does not start then.
#[derive(Debug, thiserror::Error)]
#[error("the API is not served as its document declares it: {}", .0.join("; "))]
pub struct UndeclaredError(Vec<String>);

/// An operation as the document declares it.
#[derive(Debug, Clone)]
struct Declared {
    path: String,
    method: MethodFilter,
    role: Role,
}

/// The operations of the document, as they find their handlers.
#[derive(Debug)]
pub(super) struct Operations {
    unserved: BTreeMap<String, Declared>,
    router: Router<Desk>,
    mistakes: Vec<String>,
}

impl Operations {
    /// Those of this document, none of which is served yet.
    pub(super) fn of(document: &utoipa::openapi::OpenApi) -> Self {
        let mut operations = Self { unserved: BTreeMap::new(), router: Router::new(), mistakes: Vec::new() };
        // As everybody else reads it: what is not in its JSON is not declared.
        let document = serde_json::to_value(document).unwrap_or_default();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                match declared(path, method, operation) {
                    Ok((id, declared)) => {
                        operations.unserved.insert(id, declared);
                    }
                    Err(mistake) => operations.mistakes.push(format!("{method} {path} {mistake}")),
                }
            }
        }
        operations
    }

    /// This handler answers the operation with this `operation_id`, to whoever has its role.
    pub(super) fn serve<H, T>(self, id: &str, handler: H) -> Self
    where
        H: Handler<T, Desk>,
        T: 'static,
    {
        self.place(id, |method| on(method, handler))
    }

    /// Likewise, with a body of at most so many bytes.
    pub(super) fn serve_long<H, T>(self, id: &str, handler: H, longest: usize) -> Self
    where
        H: Handler<T, Desk>,
        T: 'static,
    {
        self.place(id, |method| on(method, handler).route_layer(DefaultBodyLimit::max(longest)))
    }

    /// The routes, if every operation has a handler and every handler an operation.
    pub(super) fn router(mut self) -> Result<Router<Desk>, UndeclaredError> {
        self.mistakes.extend(self.unserved.keys().map(|id| format!("nothing answers {id}")));
        if self.mistakes.is_empty() { Ok(self.router) } else { Err(UndeclaredError(self.mistakes)) }
    }

    fn place(mut self, id: &str, answer: impl FnOnce(MethodFilter) -> MethodRouter<Desk>) -> Self {
        let Some(Declared { path, method, role }) = self.unserved.remove(id) else {
            self.mistakes.push(format!("{id} is not in the document, declares no role there, or is answered twice"));
            return self;
        };
        let guarded = answer(method).route_layer(middleware::from_fn(move |request, next| only(role, request, next)));
        self.router = self.router.route(&path, guarded);
        self
    }
}

/// Reads what an operation says of itself; `security(("token" = ["viewer"]))` in its attribute is its role.
fn declared(path: &str, method: &str, operation: &Value) -> Result<(String, Declared), &'static str> {
    let id = operation["operationId"].as_str().ok_or("has no operation_id")?;
    let [required] = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("does not declare one role: write security((\"token\" = [\"viewer\"]))");
    };
    let [role] = required["token"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("does not declare one role");
    };
    let role = role.as_str().and_then(|role| role.parse().ok()).ok_or("declares a role that there is not")?;
    let method = match method {
        "get" => MethodFilter::GET,
        "post" => MethodFilter::POST,
        "put" => MethodFilter::PUT,
        "patch" => MethodFilter::PATCH,
        "delete" => MethodFilter::DELETE,
        _ => return Err("has a method that the desk does not speak"),
    };
    Ok((id.to_owned(), Declared { path: path.to_owned(), method, role }))
}

/// Refuses whoever has not this role, before anything of the request is read.
async fn only(role: Role, request: Request, next: Next) -> Response {
    match request.extensions().get::<Actor>().map(Actor::role) {
        Some(Some(has)) if has >= role => next.run(request).await,
        Some(_) => {
            let detail = format!("this takes a token with the role {role}");
            ApiError::new(StatusCode::FORBIDDEN, "Not allowed", detail).into_response()
        }
        None => {
            ApiError::unauthorized(Challenge::Bearer, "send a valid token as Authorization: Bearer ...").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_operation_that_declares_no_role_has_no_address() {
        let with = |security: Value| declared("/x", "get", &json!({"operationId": "x", "security": security}));
        assert_eq!(with(json!([{"token": ["reviewer"]}])).unwrap().1.role, Role::Reviewer);
        for wrong in [
            json!(null),
            json!([]),
            json!([{}]),
            json!([{"token": []}]),
            json!([{"token": ["root"]}]),
            json!([{"token": ["viewer", "admin"]}]),
            json!([{"token": ["viewer"]}, {}]),
            json!([{"cookie": ["viewer"]}]),
        ] {
            assert!(with(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_handler_without_an_operation_and_an_operation_without_a_handler_are_told() {
        let document = super::super::openapi_document();
        let told = Operations::of(&document).serve("nobody_knows_it", async || "x").router().unwrap_err().to_string();
        assert!(told.contains("nobody_knows_it is not in the document"), "{told}");
        assert!(told.contains("nothing answers list_uploads"), "{told}");
    }
}
