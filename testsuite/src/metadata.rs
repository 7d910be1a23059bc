//! A stand-in for the metadata service of an Azure machine.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

/// Tells a machine its name and what is announced for it.
#[derive(Debug)]
pub struct MetadataService {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    machine: String,
    events: Vec<Value>,
    incarnation: u64,
    approved: Vec<String>,
    /// Questions for announcements.
    asked: usize,
    away: bool,
    stop: bool,
}

impl MetadataService {
    /// One for a machine of this name, with nothing announced.
    #[must_use]
    pub fn start(machine: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            machine: machine.to_owned(),
            events: Vec::new(),
            incarnation: 1,
            approved: Vec::new(),
            asked: 0,
            away: false,
            stop: false,
        }));
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap().stop {
                    return;
                }
                // A peer that goes away is of no matter to the next.
                let _ = answer(stream.unwrap(), &shared);
            }
        });
        Self { address, state, thread: Some(thread) }
    }

    /// Its address, as configurations name it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Announces these events and no others.
    pub fn announce(&self, events: Vec<Value>) {
        let mut state = self.state.lock().unwrap();
        state.events = events;
        state.incarnation += 1;
    }

    /// From now on it answers with errors, or answers again.
    pub fn away(&self, away: bool) {
        self.state.lock().unwrap().away = away;
    }

    /// Events that it was told to begin with.
    #[must_use]
    pub fn approved(&self) -> Vec<String> {
        self.state.lock().unwrap().approved.clone()
    }

    /// How often it was asked what is announced.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.state.lock().unwrap().asked
    }
}

impl Drop for MetadataService {
    fn drop(&mut self) {
        self.state.lock().unwrap().stop = true;
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An announcement as the service words it.
#[must_use]
pub fn scheduled_event(id: &str, kind: &str, machine: &str, status: &str, not_before: &str) -> Value {
    json!({
        "EventId": id, "EventType": kind, "ResourceType": "VirtualMachine", "Resources": [machine],
        "EventStatus": status, "NotBefore": not_before, "Description": "", "EventSource": "Platform",
        "DurationInSeconds": -1,
    })
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let (head, body) = read(&mut stream)?;
    let mut state = state.lock().unwrap();
    let line = head.lines().next().unwrap_or_default().to_owned();
    let trusted = head.lines().any(|header| header.eq_ignore_ascii_case("metadata: true"));
    let (status, answer) = if state.away {
        ("503 Service Unavailable", String::new())
    } else if !trusted {
        ("400 Bad Request", String::new())
    } else if line.starts_with("GET /metadata/instance/compute?api-version=2021-02-01") {
        ("200 OK", json!({ "name": state.machine, "resourceId": format!("/x/{}", state.machine) }).to_string())
    } else if line.starts_with("GET /metadata/scheduledevents?api-version=2020-07-01 ") {
        state.asked += 1;
        ("200 OK", json!({ "DocumentIncarnation": state.incarnation, "Events": state.events }).to_string())
    } else if line.starts_with("POST /metadata/scheduledevents?api-version=2020-07-01 ") {
        let asked: Value = serde_json::from_str(&body).unwrap();
        for event in asked["StartRequests"].as_array().unwrap() {
            let id = event["EventId"].as_str().unwrap().to_owned();
            for known in &mut state.events {
                if known["EventId"] == id.as_str() {
                    (known["EventStatus"], known["NotBefore"]) = (json!("Started"), json!(""));
                }
            }
            state.approved.push(id);
        }
        ("200 OK", String::new())
    } else {
        ("404 Not Found", String::new())
    };
    drop(state);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}", answer.len())
}

fn read(stream: &mut TcpStream) -> std::io::Result<(String, String)> {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let expected = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= expected.unwrap_or(0) {
            return Ok((head.to_owned(), body.to_owned()));
        }
    }
}
