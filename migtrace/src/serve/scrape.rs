//! The path of the metrics.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::{mpsc, oneshot};

use super::accept;
use crate::metrics::{Families, encode};

/// A scrape that waits for the metrics.
pub type Ask = oneshot::Sender<Arc<Families>>;

/// Response to a request whose `Accept` header excludes every format.
const NOT_ACCEPTABLE: &str = "The metrics are application/openmetrics-text (1.0.0, 0.0.1) or text/plain (0.0.4). The request's \
                              Accept header excludes both.\n";

/// Answers requests for `path` with the metrics that `asks` returns.
pub fn router(path: &str, asks: mpsc::Sender<Ask>) -> Router {
    Router::new().route(path, get(metrics)).with_state(asks)
}

/// Encodes the metrics in the format that the scraper accepts.
async fn metrics(State(asks): State<mpsc::Sender<Ask>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Some(format) = accept::format(&headers) else {
        return (StatusCode::NOT_ACCEPTABLE, NOT_ACCEPTABLE).into_response();
    };
    let (ask, families) = oneshot::channel();
    if asks.send(ask).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let Ok(families) = families.await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let names = names(query.as_deref().unwrap_or_default());
    let families = if names.is_empty() { families } else { Arc::new(families.only(&names)) };
    match encode(&families, format) {
        Ok(text) => {
            let headers = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "Accept")];
            (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The metrics that a query selects by `name[]`, as with Prometheus' Java and Python libraries. A scraper can have other
/// parameters; they mean nothing here.
fn names(query: &str) -> Vec<String> {
    let parameters = form_urlencoded::parse(query.as_bytes());
    parameters.filter(|(name, _)| name == "name[]").map(|(_, value)| value.into_owned()).collect()
}
