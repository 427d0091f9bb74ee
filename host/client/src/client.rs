//! The client: one method for each operation.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cacheismo_rings::placement_key;

use crate::answer::Answer;
use crate::cluster::{Cluster, IntoNodes};
use crate::command::{self, Command};
use crate::dispatch::{Dispatch, Placed};
use crate::post::Posted;
use crate::{BuildError, Cause, Error, Item, Mode, Object, Options, Store, Stored, Ttl};

/// A client of one or many servers. Clones share their connections.
///
/// Its methods must be called within a tokio runtime with time and I/O enabled, which also drives the connections. A
/// future that is dropped does not take its request back.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Arc<Options>,
    cluster: RwLock<Arc<Cluster>>,
    pub(crate) posted: Posted,
}

/// A node as the client sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeState {
    /// How the node was listed.
    pub name: String,
    /// The share of keys that belongs to the node, between 0 and 1.
    pub share: f64,
    /// Bytes of requests that have no answer yet.
    pub buffered_bytes: usize,
    /// Why the node is taken out, and for how long it still is; `None` when it is up.
    pub outage: Option<(Cause, Duration)>,
}

impl Client {
    /// A client of the listed nodes, such as `"10.0.0.1, 10.0.0.2:11311/2"`: host, port and weight. Nothing is connected
    /// before it is needed. Filling a slot table takes its time, some 0.1 s for 10 nodes and
    /// 0.3 s for 100.
    ///
    /// # Errors
    /// When the list cannot be read or makes no ring, and when an option is out of its range.
    pub fn new(nodes: impl IntoNodes, options: Options) -> Result<Self, BuildError> {
        options.check()?;
        let options = Arc::new(options);
        let cluster = Cluster::new(nodes.into_nodes()?, &options, None)?;
        Ok(Self {
            inner: Arc::new(Inner {
                options,
                cluster: RwLock::new(Arc::new(cluster)),
                posted: Posted::default(),
            }),
        })
    }

    /// Replaces the list of nodes. Nodes that stay keep their connections; requests on their way to others are finished.
    ///
    /// # Errors
    /// When the list cannot be read or makes no ring. The old list stays.
    pub fn set_nodes(&self, nodes: impl IntoNodes) -> Result<(), BuildError> {
        let before = self.cluster();
        let cluster = Cluster::new(nodes.into_nodes()?, &self.inner.options, Some(&before))?;
        let mut place = self
            .inner
            .cluster
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(cluster);
        Ok(())
    }

    /// All nodes, in the order of their list.
    pub fn nodes(&self) -> Vec<NodeState> {
        let cluster = self.cluster();
        let shares = cluster.ring().shares();
        cluster
            .nodes()
            .iter()
            .zip(shares)
            .map(|(node, share)| NodeState {
                name: node.name.clone(),
                share,
                buffered_bytes: node.buffered_bytes(),
                outage: node.outage(),
            })
            .collect()
    }

    /// The node that a key belongs to, whether it is up or not.
    pub fn owner(&self, key: &[u8]) -> cacheismo_rings::Node {
        let cluster = self.cluster();
        cluster.listed()[cluster.ring().owner(&self.place(key))].clone()
    }

    /// Fetches an item; `None` when there is none.
    ///
    /// # Errors
    /// When no node answers in time.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Item>, Error> {
        let key = key.as_ref();
        self.one(key, command::get(key, None)?).await?.item()
    }

    /// Fetches an item and gives it a new time to live.
    ///
    /// # Errors
    /// When the node does not answer in time.
    pub async fn get_and_touch(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Ttl,
    ) -> Result<Option<Item>, Error> {
        let key = key.as_ref();
        self.one(key, command::get(key, Some(ttl))?).await?.item()
    }

    /// Fetches many items, each node's in one piece. Results are in the order of `keys`, and each key has its own: a node that
    /// fails spoils only what was asked of it.
    pub async fn get_many(&self, keys: &[impl AsRef<[u8]>]) -> Vec<Result<Option<Item>, Error>> {
        let requests = keys
            .iter()
            .map(|key| (key.as_ref(), command::get(key.as_ref(), None)));
        let answers = self.many(requests).await;
        answers.into_iter().map(|answer| answer?.item()).collect()
    }

    /// Stores a value, whatever was there.
    ///
    /// # Errors
    /// When the server refuses, or the node does not answer in time.
    pub async fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Ttl,
    ) -> Result<(), Error> {
        let how = Store {
            ttl,
            ..Store::default()
        };
        self.store(key, value, &how).await.map(drop)
    }

    /// Stores a value if there is none yet. Tells whether it did.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn add(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Ttl,
    ) -> Result<bool, Error> {
        let how = Store {
            mode: Mode::Add,
            ttl,
            ..Store::default()
        };
        Ok(self.store(key, value, &how).await?.is_stored())
    }

    /// Stores a value under any condition and with everything that belongs to it.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn store(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        how: &Store,
    ) -> Result<Stored, Error> {
        let key = key.as_ref();
        let max = self.inner.options.value_bytes_max;
        self.one(key, command::store(key, value.as_ref(), how, max)?)
            .await?
            .stored()
    }

    /// Stores many values, each node's in one piece. Results are in the order of `items`.
    pub async fn store_many(
        &self,
        items: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)],
        how: &Store,
    ) -> Vec<Result<Stored, Error>> {
        let max = self.inner.options.value_bytes_max;
        let requests = items.iter().map(|(key, value)| {
            let key = key.as_ref();
            (key, command::store(key, value.as_ref(), how, max))
        });
        let answers = self.many(requests).await;
        answers.into_iter().map(|answer| answer?.stored()).collect()
    }

    /// Removes an item. Tells whether there was one.
    ///
    /// # Errors
    /// When the node does not answer in time.
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        let key = key.as_ref();
        self.one(key, command::delete(key, None)?).await?.done()
    }

    /// Removes an item if it still has this [`Item::cas`]. Tells whether it did.
    ///
    /// # Errors
    /// When the node does not answer in time.
    pub async fn delete_if(&self, key: impl AsRef<[u8]>, cas: u64) -> Result<bool, Error> {
        let key = key.as_ref();
        self.one(key, command::delete(key, Some(cas))?)
            .await?
            .done()
    }

    /// Gives an item a new time to live. Tells whether there was one.
    ///
    /// # Errors
    /// When the node does not answer in time.
    pub async fn touch(&self, key: impl AsRef<[u8]>, ttl: Ttl) -> Result<bool, Error> {
        let key = key.as_ref();
        self.one(key, command::touch(key, ttl)?).await?.done()
    }

    /// Adds to a number in decimal digits and returns the sum, which wraps at 2^64. `initial` creates the number where there
    /// is none; without it the result is `None` then.
    ///
    /// # Errors
    /// When the item is no number, or the node does not answer in time.
    pub async fn increment(
        &self,
        key: impl AsRef<[u8]>,
        delta: u64,
        initial: Option<(u64, Ttl)>,
    ) -> Result<Option<u64>, Error> {
        let key = key.as_ref();
        self.one(key, command::count(key, false, delta, initial)?)
            .await?
            .number()
    }

    /// Subtracts from a number as [`increment`](Self::increment) adds. The result is never below 0.
    ///
    /// # Errors
    /// As [`increment`](Self::increment).
    pub async fn decrement(
        &self,
        key: impl AsRef<[u8]>,
        delta: u64,
        initial: Option<(u64, Ttl)>,
    ) -> Result<Option<u64>, Error> {
        let key = key.as_ref();
        self.one(key, command::count(key, true, delta, initial)?)
            .await?
            .number()
    }

    /// An object of a type of the server, such as a `set`.
    pub fn object(&self, type_name: impl Into<String>, name: impl Into<Vec<u8>>) -> Object {
        Object::new(self.clone(), type_name.into(), name.into())
    }

    /// The version of each node's server, with the node's name.
    pub async fn versions(&self) -> Vec<(String, Result<String, Error>)> {
        let answers = self.all_nodes(&command::plain("version\r\n", true)).await;
        answers
            .into_iter()
            .map(|(node, answer)| (node, answer.and_then(Answer::version)))
            .collect()
    }

    /// Removes all items of all nodes. The results come with the nodes' names.
    pub async fn flush_all(&self) -> Vec<(String, Result<(), Error>)> {
        let answers = self
            .all_nodes(&command::plain("flush_all\r\n", false))
            .await;
        answers
            .into_iter()
            .map(|(node, answer)| (node, answer.map(drop)))
            .collect()
    }

    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        let cluster = self.inner.cluster.read();
        Arc::clone(&cluster.unwrap_or_else(PoisonError::into_inner))
    }

    /// The bytes that decide about a key's node.
    pub(crate) fn place(&self, key: &[u8]) -> Vec<u8> {
        match self.inner.options.tags() {
            true => placement_key(key).to_vec(),
            false => key.to_vec(),
        }
    }

    /// Carries out one command.
    async fn one(&self, key: &[u8], command: Command) -> Result<Answer, Error> {
        self.at(self.place(key), command).await
    }

    /// Carries out one command on the node of a place.
    pub(crate) async fn at(&self, place: Vec<u8>, command: Command) -> Result<Answer, Error> {
        let requests = [Placed { place, command }];
        let mut results = self.dispatch(&requests).await;
        results.pop().expect("there is a result for each request")
    }

    /// Carries out commands that could be made; the others fail by themselves.
    async fn many<'a>(
        &self,
        requests: impl Iterator<Item = (&'a [u8], Result<Command, Error>)>,
    ) -> Vec<Result<Answer, Error>> {
        let mut placed = Vec::new();
        let refused: Vec<Option<Error>> = requests
            .map(|(key, command)| match command {
                Ok(command) => {
                    let place = self.place(key);
                    placed.push(Placed { place, command });
                    None
                }
                Err(error) => Some(error),
            })
            .collect();
        let mut results = self.dispatch(&placed).await.into_iter();
        let next = |error: Option<Error>| match error {
            Some(error) => Err(error),
            None => results.next().expect("there is a result for each request"),
        };
        refused.into_iter().map(next).collect()
    }

    pub(crate) async fn dispatch(&self, requests: &[Placed]) -> Vec<Result<Answer, Error>> {
        Dispatch::new(&self.inner.options, requests)
            .run(|| self.cluster())
            .await
    }

    /// Carries out a command on every node, whether it is up or not.
    async fn all_nodes(&self, command: &Command) -> Vec<(String, Result<Answer, Error>)> {
        crate::dispatch::all_nodes(&self.cluster(), &self.inner.options, command).await
    }
}
