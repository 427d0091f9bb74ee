//! Recovery against a model: what is recovered is what the store held once, and never less than what was synced.

pub(crate) mod damage;
mod faults;
pub(crate) mod life;
pub(crate) mod model;
mod shapes;
