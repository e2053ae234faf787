//! Tests of the whole dashboard without a terminal: what it knows, shows and survives.

#[path = "../common/demo.rs"]
mod demo;
mod fixture;
mod fuzz;
mod reducer;
mod screens;
mod speed;
