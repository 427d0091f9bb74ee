//! A memcached that fails as it is told: a dictionary behind the few meta commands that the client sends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// What a slow server reads at once, and how long it rests then.
const PIECE_BYTES: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(5);

/// How the server takes a command. The client's greeting is answered in every mood but [`Mood::Mute`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mood {
    /// It answers.
    Well,
    /// It carries out nothing and answers nothing.
    Silent,
    /// It doesn't even answer the greeting.
    Mute,
    /// It carries the command out and closes the connection instead of answering.
    Closing,
    /// It answers, but takes data blocks in small pieces with pauses.
    Slow,
    /// It answers each command by this line.
    Saying(&'static str),
}

#[derive(Debug)]
struct State {
    mood: Mood,
    items: HashMap<String, (Vec<u8>, u32)>,
    /// The lines of all commands but greetings.
    seen: Vec<String>,
    connections: usize,
}

/// A running server. It ends when it is dropped, with all its connections.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Fake {
    /// A server on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address")).await
    }

    /// A server on a given port, where another one was before.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("there are sockets");
        socket.set_reuseaddr(true).expect("the option is there");
        // So that little of a long value is on its way when a slow server has not read it.
        socket
            .set_recv_buffer_size(PIECE_BYTES as u32)
            .expect("the option is there");
        socket.bind(address).expect("the port is free");
        let listener = socket.listen(128).expect("the socket is bound");
        let address = listener.local_addr().expect("the socket is bound");
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Well,
            items: HashMap::new(),
            seen: Vec::new(),
            connections: 0,
        }));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            task,
        }
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.state.lock().expect("nobody panics").mood = mood;
    }

    /// The commands so far whose line starts so.
    pub(crate) fn seen(&self, start: &str) -> Vec<String> {
        let state = self.state.lock().expect("nobody panics");
        let lines = state.seen.iter().filter(|line| line.starts_with(start));
        lines.cloned().collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().expect("nobody panics").connections
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.state
            .lock()
            .expect("nobody panics")
            .items
            .contains_key(key)
    }

    /// Ends the server; returns when its port is free and its connections are closed.
    pub(crate) async fn stop(mut self) -> SocketAddr {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.address
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        state.lock().expect("nobody panics").connections += 1;
        let state = Arc::clone(&state);
        connections.spawn(async move {
            // An error is the client's leaving.
            let _ = serve(stream, &state).await;
        });
    }
}

async fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let mut data = Vec::new();
        let len = match words[0] {
            "ms" => words[2].parse::<usize>().ok(),
            "set" => words[4].parse::<usize>().ok(),
            _ => None,
        };
        if let Some(len) = len {
            data.resize(len + 2, 0);
            let is_slow = state.lock().expect("nobody panics").mood == Mood::Slow;
            for piece in data.chunks_mut(PIECE_BYTES) {
                stream.read_exact(piece).await?;
                if is_slow {
                    sleep(PAUSE).await;
                }
            }
            data.truncate(len);
        }
        let answer = {
            let mut state = state.lock().expect("nobody panics");
            let is_greeting = matches!(words[0], "mn" | "set");
            if !is_greeting {
                state.seen.push(line.trim_end().to_owned());
            }
            match state.mood.clone() {
                Mood::Mute => None,
                Mood::Silent if !is_greeting => None,
                Mood::Saying(answer) if !is_greeting => Some(format!("{answer}\r\n").into_bytes()),
                Mood::Closing if !is_greeting => {
                    state.execute(&words, data);
                    return Ok(());
                }
                _ => Some(state.execute(&words, data)),
            }
        };
        if let Some(answer) = answer {
            stream.get_mut().write_all(&answer).await?;
        }
        line.clear();
    }
    Ok(())
}

impl State {
    fn execute(&mut self, words: &[&str], data: Vec<u8>) -> Vec<u8> {
        let flag = |letter| {
            words
                .iter()
                .skip(2)
                .find_map(|word| word.strip_prefix(letter))
        };
        match words[0] {
            "mn" => b"MN\r\n".to_vec(),
            "set" if data == b"user secret" => b"STORED\r\n".to_vec(),
            "set" => b"CLIENT_ERROR authentication failure\r\n".to_vec(),
            "mg" => match self.items.get(words[1]) {
                Some((value, flags)) => {
                    let mut answer = format!("VA {} f{flags} c1 t-1\r\n", value.len()).into_bytes();
                    answer.extend_from_slice(value);
                    answer.extend_from_slice(b"\r\n");
                    answer
                }
                None => b"EN\r\n".to_vec(),
            },
            "ms" => {
                let flags = flag('F').and_then(|flags| flags.parse().ok()).unwrap_or(0);
                self.items.insert(words[1].to_owned(), (data, flags));
                b"HD c1\r\n".to_vec()
            }
            "md" => match self.items.remove(words[1]) {
                Some(_) => b"HD\r\n".to_vec(),
                None => b"NF\r\n".to_vec(),
            },
            _ => b"ERROR\r\n".to_vec(),
        }
    }
}
