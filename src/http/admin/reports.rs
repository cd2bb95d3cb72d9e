//! The daily report: what was refused, and what would have been while the policy only observes.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::error::ApiError;
use super::Desk;
use super::body::Asked;
use crate::domain::{Ecosystem, Timestamp};
use crate::quarantine::refusals::Line;

/// A week.
const USUAL: u16 = 7;
/// Nothing is kept longer.
const LONGEST: u16 = 366;
/// So many who asked are named.
const NAMED: usize = 10;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    /// How many days, today included: 7 unless told, 366 at most.
    days: Option<u16>,
}

/// What was refused, and what would have been.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReportBody {
    /// Whether verdicts are enforced now, by ecosystem: enforce or observe.
    modes: BTreeMap<String, String>,
    days: u16,
    /// The latest day first, in each the most frequent file first.
    items: Vec<LineBody>,
    /// Requests beyond what one report holds.
    left_out: u64,
}

/// One file on one day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineBody {
    day: String,
    /// would-refuse (it was served, because the policy only observes) or refused.
    kind: &'static str,
    ecosystem: String,
    /// The project, or what was asked for where nothing of that name is known.
    project: String,
    version: Option<String>,
    filename: Option<String>,
    upload_id: Option<String>,
    /// What the policy decided: hold, review, reject; or name.
    outcome: String,
    reason: String,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    hold_until: Option<Timestamp>,
    /// How many requests.
    count: u64,
    /// By how many, as far as they are told apart.
    actors: usize,
    /// Whether there were more of them than are told apart.
    more_actors: bool,
    /// The first of them by name.
    who: Vec<String>,
}

impl LineBody {
    fn of(day: String, line: Line) -> Self {
        Self {
            day,
            kind: line.manner.as_str(),
            ecosystem: line.ecosystem.to_string(),
            project: line.project,
            version: line.version,
            filename: line.filename,
            upload_id: line.id.map(|id| id.to_string()),
            outcome: line.outcome,
            reason: line.why,
            hold_until: line.until,
            count: line.count,
            actors: line.actors.len(),
            more_actors: line.more_actors,
            who: line.actors.into_iter().take(NAMED).collect(),
        }
    }
}

/// What was refused on each of the last days, and what would have been if the policy did more than observe.
#[utoipa::path(get, operation_id = "report", path = "/api/v1/report", params(ReportQuery), security(("token" = ["viewer"])), responses((status = 200, body = ReportBody), (status = 400)))]
pub(super) async fn report(
    State(desk): State<Desk>,
    Asked(query): Asked<ReportQuery>,
) -> Result<Json<ReportBody>, ApiError> {
    let days = query.days.unwrap_or(USUAL);
    if !(1..=LONGEST).contains(&days) {
        return Err(ApiError::bad_request(format!("days: write a number from 1 to {LONGEST}")));
    }
    let report = desk.quarantine.report(days).await?;
    Ok(Json(ReportBody {
        modes: Ecosystem::ALL
            .map(|ecosystem| (ecosystem.to_string(), desk.quarantine.mode_of(ecosystem).to_string()))
            .into(),
        days,
        items: report.lines.into_iter().map(|(day, line)| LineBody::of(day, line)).collect(),
        left_out: report.left_out,
    }))
}
