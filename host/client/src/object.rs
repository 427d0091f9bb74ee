//! Calls of functions of objects.

use bytes::Bytes;

use crate::answer::Answer;
use crate::command::{self, Command};
use crate::{Client, Error, ObjectsBy, Store, Ttl};

/// No arguments, where a call takes a list of them.
pub const NO_ARGUMENTS: [&[u8]; 0] = [];

/// An object on a cacheismo server: a name, and the type that has the functions.
///
/// ```no_run
/// # async fn example(client: &cacheismo_client::Client) -> Result<(), cacheismo_client::Error> {
/// use cacheismo_client::NO_ARGUMENTS;
///
/// let fruit = client.object("set", "fruit");
/// fruit.call("new", &NO_ARGUMENTS).await?;
/// fruit.call("put", &["red apple"]).await?;
/// fruit.call_with_data("put", &NO_ARGUMENTS, b"any: bytes").await?;
/// let count = fruit.reading().call("count", &NO_ARGUMENTS).await?;
/// assert_eq!(count.as_deref(), Some(&b"2"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Object {
    client: Client,
    type_name: String,
    name: Vec<u8>,
    is_read: bool,
}

impl Object {
    pub(crate) fn new(client: Client, type_name: String, name: Vec<u8>) -> Self {
        Self {
            client,
            type_name,
            name,
            is_read: false,
        }
    }

    /// The same object, for functions that change nothing: a call whose answer was lost is made again, as a `get` is.
    #[must_use]
    pub fn reading(&self) -> Self {
        Self {
            is_read: true,
            ..self.clone()
        }
    }

    /// The key of the item that holds the object: `type$name`.
    pub fn item_key(&self) -> Vec<u8> {
        [self.type_name.as_bytes(), b"$", &self.name].concat()
    }

    /// Calls a function with arguments that have no colons. The result is the function's answer; `None` says that the server
    /// has no such type or function.
    ///
    /// Type, function, name and arguments together, with a colon between them, must fit in a key. A function that takes
    /// *the rest* as its last argument gets what has colons in it when it is passed as several arguments.
    ///
    /// # Errors
    /// When the arguments do not fit, the function fails, or the node does not answer in time.
    pub async fn call(
        &self,
        function: &str,
        arguments: &[impl AsRef<[u8]>],
    ) -> Result<Option<Bytes>, Error> {
        let key = self.key(function, arguments)?;
        self.ask(command::call(&key, self.is_read)?).await?.value()
    }

    /// Calls a function with one more argument of any bytes, as long as a value may be. The protocol has no place for the
    /// function's answer here: the result is whether the function accepted.
    ///
    /// # Errors
    /// As [`call`](Self::call). A server that has no such function would store the data under the key of the call, so the
    /// caller makes sure that it has.
    pub async fn call_with_data(
        &self,
        function: &str,
        arguments: &[impl AsRef<[u8]>],
        data: impl AsRef<[u8]>,
    ) -> Result<bool, Error> {
        let key = self.key(function, arguments)?;
        let max = self.client.inner.options.value_bytes_max;
        let command = command::store(&key, data.as_ref(), &Store::default(), max)?;
        Ok(self.ask(command).await?.stored()?.is_stored())
    }

    /// Removes the object. Tells whether there was one.
    ///
    /// # Errors
    /// When the node does not answer in time.
    pub async fn delete(&self) -> Result<bool, Error> {
        self.ask(command::delete(&self.item_key(), None)?)
            .await?
            .done()
    }

    /// Gives the object a new time to live. Tells whether there was one.
    ///
    /// # Errors
    /// When the node does not answer in time.
    pub async fn touch(&self, ttl: Ttl) -> Result<bool, Error> {
        self.ask(command::touch(&self.item_key(), ttl)?)
            .await?
            .done()
    }

    async fn ask(&self, command: Command) -> Result<Answer, Error> {
        self.client.at(self.place(), command).await
    }

    /// The bytes that decide about the object's node: the same for its item and for all its calls.
    fn place(&self) -> Vec<u8> {
        match self.client.inner.options.objects_by {
            ObjectsBy::TypeAndName => self.client.place(&self.item_key()),
            ObjectsBy::Name => self.client.place(&self.name),
        }
    }

    /// The virtual key of a call.
    fn key(&self, function: &str, arguments: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, Error> {
        let named = [self.type_name.as_bytes(), function.as_bytes(), &self.name];
        let arguments = arguments.iter().map(AsRef::as_ref);
        let mut key = Vec::new();
        for (at, part) in named.into_iter().chain(arguments).enumerate() {
            if part.contains(&b':') || (at < named.len() && part.is_empty()) {
                let part = String::from_utf8_lossy(part).into_owned();
                return Err(Error::Part { part });
            }
            if at > 0 {
                key.push(b':');
            }
            key.extend_from_slice(part);
        }
        // An empty last part does not count, so an empty last argument needs one more colon.
        if key.ends_with(b":") {
            key.push(b':');
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use cacheismo_protocol::VirtualKey;
    use proptest::prelude::*;

    use super::*;
    use crate::Options;

    fn object(type_name: &str, name: &str, objects_by: ObjectsBy) -> Object {
        let options = Options {
            objects_by,
            ..Options::default()
        };
        let client = Client::new("127.0.0.1", options).expect("the options are in range");
        client.object(type_name, name)
    }

    #[test]
    fn an_object_and_its_calls_have_one_place() {
        let of = |objects_by, name| object("set", name, objects_by).place();
        assert_eq!(of(ObjectsBy::TypeAndName, "k"), b"set$k");
        assert_eq!(of(ObjectsBy::TypeAndName, "{alice}friends"), b"alice");
        assert_eq!(of(ObjectsBy::Name, "k"), b"k");
        assert_eq!(of(ObjectsBy::Name, "{alice}friends"), b"alice");
    }

    #[test]
    fn a_part_that_would_be_read_otherwise_is_refused() {
        let set = object("set", "k", ObjectsBy::default());
        assert!(matches!(set.key("put", &["a:b"]), Err(Error::Part { part }) if part == "a:b"));
        assert!(set.key("", &NO_ARGUMENTS).is_err());
        assert!(
            object("set", "", ObjectsBy::default())
                .key("put", &NO_ARGUMENTS)
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn a_server_reads_the_parts_that_were_written(
            name in "[a-z$]{1,9}", arguments in prop::collection::vec("[a-z ]{0,5}", 0..4)
        ) {
            let key = object("set", &name, ObjectsBy::default()).key("put", &arguments).expect("no part has a colon");
            let read = VirtualKey::parse(&key).expect("the key is a call");
            prop_assert_eq!(read.call(), b"set:put");
            prop_assert_eq!(read.object(), name.as_bytes());
            let read: Vec<_> = read.args().map(<[u8]>::to_vec).collect();
            let written: Vec<_> = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
            prop_assert_eq!(read, written);
        }
    }
}
