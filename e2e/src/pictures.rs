//! The pictures of the docs: dashboards as Grafana shows them, and terminals, of one run of the demo's stories.

pub mod ask;
pub mod axis;
pub mod board;
pub mod page;
pub mod paint;
pub mod record;
pub mod screen;
pub mod shots;
pub mod tell;
pub mod unit;
