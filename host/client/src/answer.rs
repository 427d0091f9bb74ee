//! What an answer means for the operation that asked.

use std::sync::Arc;

use bytes::Bytes;

use crate::node::Node;
use crate::reply::{Kind, Reply};
use crate::{Cause, Error, Item, Stored};

/// How a server of a cluster begins to say that it does not know what became of a request.
const UNKNOWN: &str = "SERVER_ERROR outcome unknown";

/// An answer that is no refusal, and who gave it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    reply: Reply,
    node: Arc<Node>,
}

impl Answer {
    /// # Errors
    /// When the node refused.
    pub(crate) fn new(reply: Reply, node: &Arc<Node>) -> Result<Self, Error> {
        let name = || node.name.clone();
        match reply.kind {
            Kind::Refused(line) if line.starts_with(UNKNOWN) => Err(Error::OutcomeUnknown {
                node: name(),
                cause: Cause::Server(line),
            }),
            Kind::Refused(line) => Err(Error::Refused { node: name(), line }),
            _ => Ok(Self {
                reply,
                node: Arc::clone(node),
            }),
        }
    }

    /// Of a command that fetches.
    pub(crate) fn item(self) -> Result<Option<Item>, Error> {
        match self.reply.kind {
            Kind::Value(value) => Ok(Some(Item {
                value,
                flags: self.reply.flags,
                cas: self.reply.cas,
                ttl_s: self.reply.ttl_s,
            })),
            Kind::Miss => Ok(None),
            _ => Err(self.strange()),
        }
    }

    /// Of a command that fetches a value alone.
    pub(crate) fn value(self) -> Result<Option<Bytes>, Error> {
        Ok(self.item()?.map(|item| item.value))
    }

    /// Of a command that stores.
    pub(crate) fn stored(self) -> Result<Stored, Error> {
        match self.reply.kind {
            Kind::Done => Ok(Stored::Yes {
                cas: self.reply.cas,
            }),
            Kind::NotStored => Ok(Stored::Not),
            Kind::Exists => Ok(Stored::Changed),
            Kind::Miss => Ok(Stored::Absent),
            _ => Err(self.strange()),
        }
    }

    /// Of a command that changes what is there.
    pub(crate) fn done(self) -> Result<bool, Error> {
        match self.reply.kind {
            Kind::Done => Ok(true),
            Kind::Miss | Kind::Exists => Ok(false),
            _ => Err(self.strange()),
        }
    }

    /// Of a command that counts.
    pub(crate) fn number(self) -> Result<Option<u64>, Error> {
        match &self.reply.kind {
            Kind::Value(digits) => {
                // Servers pad a number that got shorter with spaces.
                let text = str::from_utf8(digits).ok();
                let number = text.and_then(|text| text.trim_end().parse().ok());
                number.map(Some).ok_or_else(|| self.strange())
            }
            Kind::Miss => Ok(None),
            _ => Err(self.strange()),
        }
    }

    /// Of a question for the version.
    pub(crate) fn version(self) -> Result<String, Error> {
        match self.reply.kind {
            Kind::Version(text) => Ok(text),
            _ => Err(self.strange()),
        }
    }

    /// The answer belongs to another command: the server speaks another language.
    fn strange(&self) -> Error {
        Error::OutcomeUnknown {
            node: self.node.name.clone(),
            cause: Cause::Answer(format!("{:?}", self.reply.kind)),
        }
    }
}
