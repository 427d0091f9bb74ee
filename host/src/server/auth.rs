//! Who may in: the passwords, the login of a text client, and how often one may guess.
//!
//! Logins of binary clients are SASL's, which is spoken behind the gate; they pass [`Logins::check`], too.

mod gate;
mod logins;
mod passwords;
mod throttle;

pub(super) use gate::{Verdict, gate};
pub use logins::{Logins, Outcome};
pub use passwords::Passwords;
