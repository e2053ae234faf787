//! What is known of a run, in bounded memory however long it is.

mod bucket;
mod metric;
mod ner;
mod rate;
mod run;
mod smooth;
mod status;
mod table;

pub(crate) use bucket::Bucket;
pub(crate) use metric::{DeviceMetric, Metric, NerMetric, SystemMetric, Unit};
pub(crate) use ner::{Best, NerArm, NerTrack, mean_and_deviation};
pub(crate) use run::{ControlRecord, LogLine, RunStore, limit};
pub(crate) use status::{Status, process_exists, status};
pub(crate) use table::{Axis, Row, Table, widened};
