//! The description of the API: every route is added together with what it takes and gives, and OpenAPI 3.1 is made of that when somebody asks
//! for it. With the schemas of everything it takes megabytes, which nobody is to pay who only serves the routes.

use askama::Template;
use axum::extract::{DefaultBodyLimit, Extension, Request, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use axum::{Router, body};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use ioc_common::encoding::hex;

use crate::app::App;
use crate::authorization::rights;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;

/// Where the API lies.
pub(crate) const BASE: &str = "/api/v1";
/// Longest text of an error that is made a problem of, bytes.
const ERROR_MAX_BYTES: usize = 64 * 1024;

/// One thing that can be asked.
#[derive(Debug)]
pub(crate) struct Operation {
    method: Method,
    path: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<(&'static str, Value)>,
    status: u16,
    answer: Option<(&'static str, Value)>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct ApiDocs {
    operations: Vec<Operation>,
    openapi: String,
}

#[cfg(test)]
impl ApiDocs {
    /// Everything that can be asked, as `GET /devices/{id}`.
    pub(crate) fn requests(&self) -> std::collections::BTreeSet<String> {
        self.operations.iter().map(|one| format!("{} {}", one.method, one.path)).collect()
    }
}

/// How the description is made.
#[derive(Clone, Copy)]
pub(crate) struct Describe(pub(crate) fn() -> ApiDocs);

impl Describe {
    /// The description, made on a thread for what takes a while.
    async fn docs(self) -> Result<ApiDocs, Problem> {
        let made = tokio::task::spawn_blocking(self.0).await;
        made.map_err(|_| Problem::internal("the API could not be described; the log of the collector says why"))
    }
}

/// A router under construction.
pub(crate) struct DescribedRouter {
    router: Router<App>,
    description: Option<Description>,
}

/// What describes the routes that were added.
struct Description {
    operations: Vec<Operation>,
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl DescribedRouter {
    /// Routes that are to be served.
    pub(crate) fn plain() -> Self {
        Self { router: Router::new(), description: None }
    }

    /// Routes that are to be described.
    pub(crate) fn described() -> Self {
        let requests = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let answers = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        let description = Description {
            operations: Vec::new(),
            requests: requests.into_generator(),
            answers: answers.into_generator(),
        };
        Self { router: Router::new(), description: Some(description) }
    }

    pub(crate) fn get<H: Handler<T, App>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> OperationBuilder<'_> {
        self.add(Method::GET, path, on(MethodFilter::GET, handler), summary)
    }

    pub(crate) fn post<H: Handler<T, App>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> OperationBuilder<'_> {
        self.add(Method::POST, path, on(MethodFilter::POST, handler), summary)
    }

    /// The same for bodies larger than others.
    pub(crate) fn post_large<H: Handler<T, App>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
        most: usize,
        summary: &'static str,
    ) -> OperationBuilder<'_> {
        self.add(Method::POST, path, on(MethodFilter::POST, handler).layer(DefaultBodyLimit::max(most)), summary)
    }

    pub(crate) fn put<H: Handler<T, App>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> OperationBuilder<'_> {
        self.add(Method::PUT, path, on(MethodFilter::PUT, handler), summary)
    }

    /// The same for bodies larger than others.
    pub(crate) fn put_large<H: Handler<T, App>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
        most: usize,
        summary: &'static str,
    ) -> OperationBuilder<'_> {
        self.add(Method::PUT, path, on(MethodFilter::PUT, handler).layer(DefaultBodyLimit::max(most)), summary)
    }

    pub(crate) fn patch<H: Handler<T, App>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> OperationBuilder<'_> {
        self.add(Method::PATCH, path, on(MethodFilter::PATCH, handler), summary)
    }

    pub(crate) fn delete<H: Handler<T, App>, T: 'static>(
        &mut self,
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> OperationBuilder<'_> {
        self.add(Method::DELETE, path, on(MethodFilter::DELETE, handler), summary)
    }

    fn add(
        &mut self,
        method: Method,
        path: &'static str,
        route: axum::routing::MethodRouter<App>,
        summary: &'static str,
    ) -> OperationBuilder<'_> {
        self.router = std::mem::take(&mut self.router).route(path, route);
        let Some(description) = &mut self.description else { return OperationBuilder { description: None } };
        let parameters = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(|name| {
            // Numbers are counted; everything else is a name.
            let numbered = ["/incidents/", "/windows/", "/covers/"].iter().any(|of| path.contains(of)) && name == "id";
            let schema =
                if numbered { json!({ "type": "integer", "minimum": 0 }) } else { json!({ "type": "string" }) };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        });
        let parameters = parameters.collect();
        let operation = Operation { method, path, summary, parameters, body: None, status: 200, answer: None };
        description.operations.push(operation);
        OperationBuilder { description: Some(description) }
    }

    /// The routes.
    pub(crate) fn finish(self) -> Router<App> {
        let router = self.router.fallback(async || Problem::not_found("there is no such resource"));
        router.layer(axum::middleware::from_fn(finish))
    }

    /// What describes them; nothing where they are not described.
    pub(crate) fn docs(self) -> ApiDocs {
        let Some(mut description) = self.description else {
            return ApiDocs { operations: Vec::new(), openapi: String::new() };
        };
        let openapi = description.openapi().to_string();
        ApiDocs { operations: description.operations, openapi }
    }
}

impl Description {
    fn openapi(&mut self) -> Value {
        let problem = json!({ "description": "What was wrong, and the mend.", "content": {
            "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
        let mut paths: Map<String, Value> = Map::new();
        for one in &self.operations {
            let right = rights::needed(&one.method, &format!("{BASE}{}", one.path));
            let mut success = json!({ "description": StatusCode::from_u16(one.status).ok().and_then(|status| status.canonical_reason()) });
            if let Some((kind, schema)) = &one.answer {
                success["content"] = json!({ *kind: { "schema": schema } });
            }
            let mut operation = json!({
                "summary": one.summary,
                "operationId": format!("{} {}", one.method.as_str().to_lowercase(), one.path),
                "parameters": one.parameters,
                "responses": { one.status.to_string(): success, "default": problem },
                "x-right": right.as_str(),
            });
            if let Some((kind, schema)) = &one.body {
                operation["requestBody"] = json!({ "required": true, "content": { *kind: { "schema": schema } } });
            }
            let path = paths.entry(format!("{BASE}{}", one.path)).or_insert_with(|| json!({}));
            path[one.method.as_str().to_lowercase()] = operation;
        }
        let mut schemas = self.answers.take_definitions(true);
        schemas.insert(
            "Problem".to_owned(),
            json!({
            "type": "object", "required": ["type", "title", "status", "detail"], "properties": {
                "type": { "type": "string" }, "title": { "type": "string" }, "detail": { "type": "string" },
                "reason": { "type": "string", "description": "which refusal it is: it stays when the words of detail change; none for what no person meets" },
                "status": { "type": "integer", "minimum": 400, "maximum": 599 } } }),
        );
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "IOC Watch", "version": env!("CARGO_PKG_VERSION"),
                "description": "Errors are problem+json (RFC 9457). Lists end where next_cursor is null. Answers to GET carry an ETag. x-right names what a role needs.",
            },
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "token": { "type": "http", "scheme": "bearer" },
                    "cookie": { "type": "apiKey", "in": "cookie", "name": "__Host-ioc" },
                },
            },
            "security": [{ "token": [] }, { "cookie": [] }],
        })
    }
}

/// The operation that was added last, to be described further; none where nothing is described.
pub(crate) struct OperationBuilder<'a> {
    description: Option<&'a mut Description>,
}

impl OperationBuilder<'_> {
    fn change(mut self, change: impl FnOnce(&mut Operation)) -> Self {
        if let Some(last) = self.description.as_mut().and_then(|all| all.operations.last_mut()) {
            change(last);
        }
        self
    }

    fn asked<T: JsonSchema>(&mut self) -> Option<Value> {
        self.description.as_mut().map(|all| all.requests.subschema_for::<T>().to_value())
    }

    fn answered<T: JsonSchema>(&mut self) -> Option<Value> {
        self.description.as_mut().map(|all| all.answers.subschema_for::<T>().to_value())
    }

    /// What may stand behind the question mark.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        let Some(schema) = self.asked::<T>() else { return self };
        let required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
        let fields = schema["properties"].as_object().cloned().unwrap_or_default();
        self.change(|operation| {
            operation.parameters.extend(fields.into_iter().map(|(name, schema)| {
                let needed = required.contains(&json!(name));
                let about = schema["description"].as_str().unwrap_or_default().to_owned();
                json!({ "name": name, "in": "query", "required": needed, "description": about, "schema": schema })
            }));
        })
    }

    /// A body of JSON.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        let Some(schema) = self.asked::<T>() else { return self };
        self.change(|operation| operation.body = Some(("application/json", schema)))
    }

    /// A body of another kind.
    pub(crate) fn raw_body(self, kind: &'static str) -> Self {
        self.change(|operation| operation.body = Some((kind, json!({ "type": "string" }))))
    }

    /// Only a status.
    pub(crate) fn done(self, status: u16) {
        self.change(|operation| operation.status = status);
    }

    /// JSON of this type.
    pub(crate) fn answers<T: JsonSchema>(mut self, status: u16) {
        let Some(schema) = self.answered::<T>() else { return };
        self.change(|operation| (operation.status, operation.answer) = (status, Some(("application/json", schema))));
    }

    /// An object of JSON whose fields docs/api.md names.
    pub(crate) fn object(self, status: u16) {
        let schema = json!({ "type": "object" });
        self.change(|operation| (operation.status, operation.answer) = (status, Some(("application/json", schema))));
    }

    /// A file of this kind; an object where that is JSON.
    pub(crate) fn file(self, kind: &'static str) {
        let schema = if kind.ends_with("+json") { json!({ "type": "object" }) } else { json!({ "type": "string" }) };
        self.change(|operation| operation.answer = Some((kind, schema)));
    }
}

/// What every answer of the API has: errors in one form, and a tag by which whoever asks again learns that nothing has changed.
async fn finish(request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::IF_NONE_MATCH).cloned();
    let reads = request.method() == Method::GET;
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = response.status();
    if (status.is_client_error() || status.is_server_error()) && !kind.starts_with("application/problem+json") {
        let (parts, inside) = response.into_parts();
        let text = body::to_bytes(inside, ERROR_MAX_BYTES).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let detail = if text.is_empty() { status.canonical_reason().unwrap_or("error").to_owned() } else { text };
        let mut problem = Problem::new(status, detail).into_response();
        if let Some(allowed) = parts.headers.get(header::ALLOW) {
            problem.headers_mut().insert(header::ALLOW, allowed.clone());
        }
        return problem;
    }
    if !reads || status != StatusCode::OK || !kind.starts_with("application/json") {
        return response;
    }
    let (mut parts, inside) = response.into_parts();
    let Ok(bytes) = body::to_bytes(inside, usize::MAX).await else {
        return Problem::internal("the answer broke off").into_response();
    };
    // Whoever answered may have a tag of its own, by which the same is changed.
    let own = parts.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
    let tag = own.unwrap_or_else(|| {
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
        format!("\"{}\"", hex(digest.as_ref().get(..12).unwrap_or_default()))
    });
    let same = asked.as_ref().and_then(|asked| asked.to_str().ok()).is_some_and(|asked| {
        asked.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
    });
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    // Whoever keeps an answer asks before it is used again.
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if same {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, body::Body::empty());
    }
    Response::from_parts(parts, body::Body::from(bytes))
}

/// The description for programs.
pub(crate) async fn openapi(Extension(describe): Extension<Describe>, _: Person) -> Result<Response, Problem> {
    let docs = describe.docs().await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], docs.openapi).into_response())
}

/// One operation, for people.
struct OperationRow {
    method: String,
    path: String,
    summary: &'static str,
    right: &'static str,
    /// Name, what it is, whether it is needed.
    fields: Vec<(String, String, bool)>,
    answer: String,
}

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    page_context: PageContext,
    operations: Vec<OperationRow>,
}

fn fields_of(operation: &Operation) -> Vec<(String, String, bool)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut fields: Vec<(String, String, bool)> = operation
        .parameters
        .iter()
        .map(|one| (text(&one["name"]), text(&one["description"]), one["required"] == true))
        .collect();
    match &operation.body {
        Some(("application/json", schema)) => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let properties = schema["properties"].as_object().into_iter().flatten();
            fields.extend(
                properties.map(|(name, of)| (name.clone(), text(&of["description"]), required.contains(&json!(name)))),
            );
            for variant in schema["oneOf"].as_array().into_iter().flatten() {
                let constant =
                    variant["properties"].as_object().into_iter().flatten().find(|(_, of)| of.get("const").is_some());
                if let Some((name, of)) = constant {
                    let others = variant["properties"].as_object().into_iter().flatten().map(|(field, _)| field);
                    let others: Vec<&str> = others.filter(|field| *field != name).map(String::as_str).collect();
                    let about = format!("{} ({})", text(&variant["description"]), others.join(", "));
                    fields.push((format!("{name}={}", text(&of["const"])), about, false));
                }
            }
        }
        Some((kind, _)) => fields.push(("(body)".to_owned(), (*kind).to_owned(), true)),
        None => {}
    }
    fields
}

/// The description for people.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Extension(describe): Extension<Describe>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let docs = match describe.docs().await {
        Ok(docs) => docs,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let shown = docs.operations.iter().map(|one| {
        let path = format!("{BASE}{}", one.path);
        OperationRow {
            method: one.method.to_string(),
            right: rights::needed(&one.method, &path).as_str(),
            path,
            summary: one.summary,
            fields: fields_of(one),
            answer: one
                .answer
                .as_ref()
                .map_or_else(|| one.status.to_string(), |(kind, _)| format!("{} {kind}", one.status)),
        }
    });
    let operations = shown.collect();
    Ok(show(&ApiPage { page_context, operations }))
}
