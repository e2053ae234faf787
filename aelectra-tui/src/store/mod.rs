//! What is known of a run, in bounded memory however long it is.

pub mod metric;
pub mod ner;
pub mod rate;
pub mod run;
pub mod smooth;
pub mod status;
pub mod table;

pub use metric::{Metric, NerMetric, SystemMetric, Unit};
pub use ner::{NerStore, NerTrack};
pub use rate::RateMeter;
pub use run::{ControlRecord, LogLine, RunStore};
pub use status::{Status, status};
pub use table::{Axis, Bucket, Row, Table};
