//! Someone at a browser: types, reads the screen by copying it, hears how the session ends.

use std::sync::Arc;
use std::time::Duration;

use guac_protocol::{ClientInfo, Decoder};
use guac_session::{Hub, Params, UserReceiver, UserSender};
use guac_sftp::{HostKeyStore, MemoryHostKeys};
use guac_ssh::SshBackend;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const ENTER: u32 = 0xFF0D;
pub(crate) const CTRL: u32 = 0xFFE3;

/// Size of the display: 101 columns and 40 rows.
const SIZE: (u32, u32) = (1024, 768);

pub(crate) struct Person {
    pub(crate) hub: Hub,
    receiver: UserReceiver,
    sender: UserSender,
    decoder: Decoder,
    /// The stream that brings a clipboard, and what it brought.
    copying: Option<(String, Vec<u8>)>,
    copied: Option<String>,
    pub(crate) error: Option<(String, u32)>,
    pub(crate) ended: bool,
    pub(crate) settings: Vec<String>,
    pub(crate) files: crate::files::Heard,
}

pub(crate) fn open(params: &[(&str, &str)]) -> Person {
    open_with(params, Arc::new(MemoryHostKeys::default()))
}

pub(crate) fn open_with(params: &[(&str, &str)], host_keys: Arc<dyn HostKeyStore>) -> Person {
    let hub = Hub::new(vec![Box::new(SshBackend::new(host_keys))], 1);
    let params: Params = params.iter().copied().collect();
    let info = ClientInfo { width_px: SIZE.0, height_px: SIZE.1, ..ClientInfo::default() };
    let (_, user) = hub.open("ssh", params, info).unwrap();
    let (receiver, sender) = user.split();
    let decoder = Decoder::new();
    Person {
        hub,
        receiver,
        sender,
        decoder,
        copying: None,
        copied: None,
        error: None,
        ended: false,
        settings: Vec::new(),
        files: crate::files::Heard::default(),
    }
}

/// One instruction as text.
pub(crate) fn instruction(elements: &[&str]) -> String {
    let elements: Vec<String> =
        elements.iter().map(|element| format!("{}.{element}", element.chars().count())).collect();
    format!("{};", elements.join(","))
}

impl Person {
    pub(crate) async fn say(&mut self, elements: &[&str]) {
        let mut decoder = Decoder::new();
        decoder.feed(instruction(elements).as_bytes()).unwrap();
        let said = decoder.next_instruction().unwrap().unwrap();
        // Who speaks to a session that just ended is not heard.
        let _ = self.sender.handle_instruction(&said).await;
    }

    pub(crate) async fn key(&mut self, keysym: u32, pressed: bool) {
        self.say(&["key", &keysym.to_string(), if pressed { "1" } else { "0" }]).await;
    }

    pub(crate) async fn press(&mut self, keysym: u32) {
        self.key(keysym, true).await;
        self.key(keysym, false).await;
    }

    pub(crate) async fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.press(if c == '\n' { ENTER } else { u32::from(c) }).await;
        }
    }

    /// Hears what there is until something changed.
    pub(crate) async fn hear(&mut self) {
        let bytes = tokio::time::timeout(PATIENCE, self.receiver.recv()).await.expect("the session says something");
        let Some(bytes) = bytes else {
            self.ended = true;
            return;
        };
        let (mut answers, mut taken) = (Vec::new(), Vec::new());
        for chunk in bytes.chunks(4096) {
            self.decoder.feed(chunk).unwrap();
            while let Some(heard) = self.decoder.next_instruction().unwrap() {
                let arg = |index: usize| heard.arg(index).unwrap_or_default().to_owned();
                taken.extend(self.files.hear(&heard));
                match heard.opcode() {
                    "sync" => answers.push(arg(0)),
                    "clipboard" => self.copying = Some((arg(0), Vec::new())),
                    "blob" => {
                        if let Some((stream, data)) = &mut self.copying
                            && *stream == arg(0)
                        {
                            data.extend(base64_simd::STANDARD.decode_to_vec(arg(1)).unwrap());
                        }
                    }
                    "end" if self.copying.as_ref().is_some_and(|(stream, _)| *stream == arg(0)) => {
                        let (_, data) = self.copying.take().unwrap();
                        self.copied = Some(String::from_utf8(data).unwrap());
                    }
                    "error" => self.error = Some((arg(0), arg(1).parse().unwrap())),
                    "argv" | "name" => self.settings.push(heard.raw().to_owned()),
                    _ => {}
                }
            }
        }
        for timestamp in answers {
            self.say(&["sync", &timestamp]).await;
        }
        for stream in taken {
            self.say(&["ack", &stream, "OK", "0"]).await;
        }
    }

    /// The text of the screen: all of it marked with the mouse, and what that copied. Output that comes in between
    /// undoes the marking; then it is done again.
    pub(crate) async fn screen(&mut self) -> String {
        self.copied = None;
        let (right, bottom) = ((SIZE.0 - 20).to_string(), (SIZE.1 - 1).to_string());
        while self.copied.is_none() && !self.ended {
            self.say(&["mouse", "0", "0", "1"]).await;
            self.say(&["mouse", &right, &bottom, "1"]).await;
            self.say(&["mouse", &right, &bottom, "0"]).await;
            let copying = async {
                while self.copied.is_none() && !self.ended {
                    self.hear().await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(200), copying).await;
        }
        self.copied.clone().unwrap_or_default()
    }

    /// Reads the screen until it holds `text`.
    pub(crate) async fn sees(&mut self, text: &str) -> String {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let screen = self.screen().await;
                if screen.contains(text) {
                    return screen;
                }
                assert!(!self.ended, "ended with {:?} before {text:?} came; last screen:\n{screen}", self.error);
                // The machine needs a moment, and asking again at once would not make it faster.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{text:?} does not come"))
    }

    /// Waits for the end; gives the error's status, 0 if there was none. Afterwards no task is left.
    pub(crate) async fn end(&mut self) -> u32 {
        while !self.ended {
            self.hear().await;
        }
        let metrics = tokio::runtime::Handle::current().metrics();
        tokio::time::timeout(PATIENCE, async {
            while self.hub.task_count() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the session's task ends");
        assert!(metrics.num_alive_tasks() <= self.tasks_of_the_test(), "tasks are left");
        self.error.as_ref().map_or(0, |(_, status)| *status)
    }

    /// Tasks that belong to servers within the test.
    fn tasks_of_the_test(&self) -> usize {
        crate::talker::TASKS.load(std::sync::atomic::Ordering::SeqCst)
    }
}
