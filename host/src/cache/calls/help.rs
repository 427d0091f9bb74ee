//! `help:objects` and `help:<type>`, answered by the host itself.

use super::Calls;
use crate::cache::reply::{CallResult, Reply};
use crate::cache::scripts::Scripts;
use crate::runtime::help;

impl Calls {
    /// The text about all types or one.
    pub(super) fn help(&mut self, topic: &[u8]) -> CallResult<'_> {
        let types = self.types.types();
        let scripts = self.scripts.load().as_deref();
        let native = |name| types.named(name).map(|of| help::object(of.metadata()));
        let text = match topic {
            b"objects" => {
                let taken = |name: &str| {
                    scripts.is_some_and(|scripts| scripts.types.contains_key(name.as_bytes()))
                };
                let list = scripts.map_or_else(String::new, Scripts::list);
                Some(list + &help::objects(types, taken))
            }
            name => scripts
                .and_then(|scripts| scripts.describe(name))
                .or_else(|| native(name)),
        };
        let text = text.ok_or("help: no such object type; try help:objects")?;
        self.reply.extend_from_slice(text.as_bytes());
        Ok(Reply::Value(&self.reply))
    }
}
