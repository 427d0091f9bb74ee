//! Who may enter: the passwords, the login of a text client, and how often one may guess.
//!
//! Binary clients log in by SASL, behind the gate; their logins pass [`Logins::check`], too.

mod gate;
mod logins;
mod passwords;
mod throttle;

pub(super) use gate::{Verdict, gate};
pub use logins::{Logins, Outcome};
pub use passwords::Passwords;
