//! `help:objects` and `help:<type>`, answered by the host itself.

use super::Calls;
use crate::cache::reply::{CallResult, Reply};
use crate::cache::scripts::Scripts;
use crate::protocol::VirtualKey;
use crate::runtime::help;

/// Asks for a list of all types.
const ALL: &[u8] = b"objects";

impl Calls {
    /// Whether the host has help for the key. Every other key that begins with `help:` is an ordinary one.
    #[cold]
    pub(super) fn is_topic(&mut self, key: &VirtualKey<'_>) -> bool {
        let topic = key.function();
        let types = self.types.types();
        let scripts = self.scripts.load().as_deref();
        let of_script = |topic| scripts.is_some_and(|scripts| scripts.types.contains_key(topic));
        key.key().len() == key.type_name().len() + 1 + topic.len()
            && match topic {
                ALL => types.iter().next().is_some(),
                name => types.named(name).is_some() || of_script(name),
            }
    }

    /// The text about all types or one.
    pub(super) fn help(&mut self, topic: &[u8]) -> CallResult<'_> {
        let types = self.types.types();
        let scripts = self.scripts.load().as_deref();
        let native = |name| types.named(name).map(|of| help::object(of.metadata()));
        let text = match topic {
            ALL => {
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
        // A reload may have taken the type away.
        let text = text.ok_or("help: there is no such object type any more")?;
        self.reply.extend_from_slice(text.as_bytes());
        Ok(Reply::Value(&self.reply))
    }
}
