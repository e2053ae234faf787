//! What a pretraining would take, before anyone spends it: arithmetic, memory traffic, memory, time,
//! energy. Pure functions of a recipe, a vocabulary and a description of a device.

pub mod cards;
pub mod cost;
mod forecast;

pub use cards::Card;
pub use cost::{Cost, Shape};
pub use forecast::{
    Calibration, Forecast, Memory, Money, Question, Scaling, Speed, UTILISATION, forecast,
};
