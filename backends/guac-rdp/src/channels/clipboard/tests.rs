use guac_session::Params;
use ironrdp_cliprdr::{
    CliprdrServer,
    backend::CliprdrBackend,
    pdu::{ClipboardFormatId, ClipboardFormatName, FileContentsRequest, LockDataId, OwnedFormatDataResponse},
};
use ironrdp_core::{encode_vec, impl_as_any};
use proptest::prelude::*;

use super::*;
use crate::channels::testing::{Pair, Scene};

const UNICODE: ClipboardFormatId = ClipboardFormatId::CF_UNICODETEXT;
const ANSI: ClipboardFormatId = ClipboardFormatId::CF_TEXT;

/// The machine's clipboard.
#[derive(Debug, Default)]
struct Machine {
    /// Formats announced by us.
    offered: Vec<Vec<ClipboardFormatId>>,
    /// Formats asked for by us.
    asked: Vec<ClipboardFormatId>,
    /// Answers of ours; none for a refusal.
    received: Vec<Option<Vec<u8>>>,
    accepted: Vec<bool>,
}

impl_as_any!(Machine);

impl CliprdrBackend for Machine {
    fn temporary_directory(&self) -> &str {
        ""
    }

    fn client_capabilities(&self) -> ClipboardGeneralCapabilityFlags {
        ClipboardGeneralCapabilityFlags::empty()
    }

    fn on_ready(&mut self) {}
    fn on_request_format_list(&mut self) {}
    fn on_process_negotiated_capabilities(&mut self, _capabilities: ClipboardGeneralCapabilityFlags) {}

    fn on_format_list_response(&mut self, ok: bool) {
        self.accepted.push(ok);
    }

    fn on_remote_copy(&mut self, available_formats: &[ClipboardFormat]) {
        self.offered.push(available_formats.iter().map(ClipboardFormat::id).collect());
    }

    fn on_format_data_request(&mut self, request: FormatDataRequest) {
        self.asked.push(request.format);
    }

    fn on_format_data_response(&mut self, response: FormatDataResponse<'_>) {
        self.received.push((!response.is_error()).then(|| response.data().to_vec()));
    }

    fn on_file_contents_request(&mut self, _request: FileContentsRequest) {}
    fn on_file_contents_response(&mut self, _response: FileContentsResponse<'_>) {}
    fn on_lock(&mut self, _data_id: LockDataId) {}
    fn on_unlock(&mut self, _data_id: LockDataId) {}
}

/// A session with a clipboard in between.
struct Desk {
    pair: Pair,
    scene: Scene,
    clipboard: Clipboard,
}

impl Desk {
    async fn open(params: &[(&str, &str)]) -> Self {
        let params: Params = params.iter().copied().collect();
        let clipboard = Clipboard::new(ClipboardRules::from_params(&params));
        let pair = Pair::new(ClipboardProcessor::new(0), CliprdrServer::new(Box::new(Machine::default())));
        Self { pair, scene: Scene::open(params).await, clipboard }
    }

    async fn started(params: &[(&str, &str)]) -> Self {
        let mut desk = Self::open(params).await;
        desk.pair.start();
        desk.settle();
        desk
    }

    /// Passes on what both sides have to say until they have nothing.
    fn settle(&mut self) {
        loop {
            self.clipboard.poll(&mut self.pair.link, &mut self.scene.stage).unwrap();
            if self.pair.listen() == 0 {
                return;
            }
        }
    }

    fn server(&mut self) -> &mut CliprdrServer {
        self.pair.server()
    }

    fn machine(&mut self) -> &mut Machine {
        self.server().downcast_backend_mut().unwrap()
    }

    fn announce(&mut self, formats: &[ClipboardFormatId]) {
        let formats: Vec<_> = formats.iter().copied().map(ClipboardFormat::new).collect();
        let messages = self.server().initiate_copy(&formats).unwrap();
        self.pair.say(messages.into());
        self.settle();
    }

    fn answer(&mut self, data: Vec<u8>) {
        let messages = self.server().submit_format_data(OwnedFormatDataResponse::new_data(data)).unwrap();
        self.pair.say(messages.into());
        self.settle();
    }

    /// The machine copies; gives what the owner gets.
    async fn copy(&mut self, text: &str) -> Option<String> {
        self.announce(&[UNICODE, ANSI]);
        self.answer(TextFormat::Unicode.encode(text, Newlines::Preserve));
        self.owners().await
    }

    async fn owners(&mut self) -> Option<String> {
        let told = self.scene.told().await;
        let mut clipboards = told.into_iter().filter(|elements| elements[0] == "clipboard");
        let mut clipboard = clipboards.next()?;
        assert!(clipboards.next().is_none());
        assert_eq!(clipboard[2], "text/plain");
        clipboard.pop()
    }

    async fn paste(&mut self, mimetype: &str, data: &[u8]) {
        let event = self.scene.paste(mimetype, data).await;
        let left = self.clipboard.handle(event, &mut self.pair.link, &mut self.scene.stage).unwrap();
        assert!(left.is_none());
        self.settle();
    }

    /// The machine asks for what was pasted.
    fn fetch(&mut self, format: ClipboardFormatId) -> Option<Vec<u8>> {
        let messages = self.server().initiate_paste(format).unwrap();
        self.pair.say(messages.into());
        self.settle();
        self.machine().received.pop().unwrap()
    }

    /// Bytes of the server's, as one message.
    fn say_raw(&mut self, bytes: Vec<u8>) -> Result<(), RdpError> {
        self.pair.try_say(vec![SvcMessage::from(bytes)])?;
        self.clipboard.poll(&mut self.pair.link, &mut self.scene.stage)
    }
}

fn message(pdu: &ClipboardPdu<'static>) -> Vec<u8> {
    encode_vec(pdu).unwrap()
}

#[tokio::test]
async fn what_the_machine_copies_is_fetched_at_once_and_reaches_users() {
    let mut desk = Desk::started(&[]).await;
    assert_eq!(desk.machine().offered, [Vec::new()]);
    assert_eq!(desk.copy("grüße €\r\n\u{1F600}").await.unwrap(), "grüße €\r\n\u{1F600}");
    assert_eq!(desk.machine().asked, [UNICODE]);
    assert_eq!(desk.machine().accepted, [true]);
}

#[tokio::test]
async fn what_users_paste_is_announced_and_handed_over_in_both_formats() {
    let mut desk = Desk::started(&[]).await;
    desk.paste("text/plain", "zwölf €\n".as_bytes()).await;
    assert_eq!(desk.machine().offered.last().unwrap(), &[UNICODE, ANSI]);
    assert_eq!(desk.fetch(UNICODE).unwrap(), TextFormat::Unicode.encode("zwölf €\n", Newlines::Preserve));
    assert_eq!(desk.fetch(ANSI).unwrap(), b"zw\xF6lf \x80\n\0");
    assert_eq!(desk.fetch(ClipboardFormatId::CF_DIB), None);
}

#[tokio::test]
async fn a_paste_before_the_server_listens_is_announced_when_it_does() {
    let mut desk = Desk::open(&[]).await;
    desk.paste("text/plain;charset=utf-8", b"early").await;
    assert!(desk.machine().offered.is_empty());
    desk.pair.start();
    desk.settle();
    assert_eq!(desk.machine().offered, [[UNICODE, ANSI]]);
    // A log-in starts the machine's side anew.
    desk.pair.start();
    desk.settle();
    assert_eq!(desk.machine().offered.len(), 2);
    assert_eq!(desk.fetch(ANSI).unwrap(), b"early\0");
}

#[tokio::test]
async fn a_server_without_unicode_is_asked_for_cp1252() {
    let mut desk = Desk::started(&[]).await;
    desk.announce(&[ClipboardFormatId::CF_DIB, ANSI]);
    assert_eq!(desk.machine().asked, [ANSI]);
    desk.answer(b"\x80 \x99 \xE4\0rest".to_vec());
    assert_eq!(desk.owners().await.unwrap(), "€ ™ ä");
}

#[tokio::test]
async fn a_clipboard_without_text_is_not_asked_for() {
    let mut desk = Desk::started(&[]).await;
    desk.announce(&[ClipboardFormatId::CF_DIB, ClipboardFormatId::CF_HDROP]);
    assert!(desk.machine().asked.is_empty());
    assert_eq!(desk.machine().accepted, [true]);
    assert_eq!(desk.owners().await, None);
}

#[tokio::test]
async fn line_ends_follow_normalize_clipboard_both_ways() {
    for (rule, received, sent) in [
        ("preserve", "a\r\nb\nc", &b"a\r\nb\nc\0"[..]),
        ("unix", "a\nb\nc", b"a\nb\nc\0"),
        ("windows", "a\nb\nc", b"a\r\nb\r\nc\0"),
    ] {
        let mut desk = Desk::started(&[("normalize-clipboard", rule)]).await;
        assert_eq!(desk.copy("a\r\nb\nc").await.unwrap(), received, "{rule}");
        desk.paste("text/plain", b"z\n").await;
        desk.paste("text/plain", b"a\r\nb\nc").await;
        assert_eq!(desk.fetch(ANSI).unwrap(), sent, "{rule}");
    }
}

#[tokio::test]
async fn a_megabyte_passes_both_ways_in_pieces() {
    let mut desk = Desk::started(&[("clipboard-buffer-size", "1048576")]).await;
    let text: String = ('a'..='z').cycle().take(1_048_576).collect();
    assert!(desk.copy(&text).await.unwrap() == text);
    let other = text.replace('a', "A");
    desk.paste("text/plain", other.as_bytes()).await;
    assert!(desk.fetch(UNICODE).unwrap() == TextFormat::Unicode.encode(&other, Newlines::Preserve));
}

#[tokio::test]
async fn a_copy_of_the_limit_passes_and_one_byte_more_is_cut() {
    let mut desk = Desk::started(&[]).await;
    for len in [262_144, 262_145] {
        let text = "x".repeat(len - 1) + "y";
        let expected: String = text.chars().take(262_144).collect();
        assert!(desk.copy(&text).await.unwrap() == expected, "{len}");
    }
    let rules = |value: &str| ClipboardRules::from_params(&[("clipboard-buffer-size", value)].into_iter().collect());
    assert_eq!(["", "1", "300000", "99999999"].map(|value| rules(value).limit_bytes), {
        [262_144, 262_144, 300_000, 52_428_800]
    });
}

#[tokio::test]
async fn without_copying_the_machine_is_not_even_asked() {
    let mut desk = Desk::started(&[("disable-copy", "true")]).await;
    desk.announce(&[UNICODE]);
    assert!(desk.machine().asked.is_empty());
    desk.answer(TextFormat::Unicode.encode("secret", Newlines::Preserve));
    assert_eq!(desk.owners().await, None);
    desk.paste("text/plain", b"in").await;
    assert_eq!(desk.fetch(ANSI).unwrap(), b"in\0");
}

#[tokio::test]
async fn without_pasting_nothing_is_ever_announced() {
    let mut desk = Desk::started(&[("disable-paste", "true")]).await;
    desk.scene.owner.say(&["clipboard", "0", "text/plain"]).await;
    desk.scene.owner.say(&["blob", "0", "YWJj"]).await;
    desk.scene.owner.say(&["end", "0"]).await;
    // A key comes through behind it, so that it was heard.
    let event = desk.scene.hear(&[&["key", "65", "1"]]).await;
    assert!(matches!(event, Event::Key { .. }), "{event:?}");
    assert_eq!(desk.machine().offered, [Vec::new()]);
    assert_eq!(desk.copy("out").await.unwrap(), "out");
}

#[tokio::test]
async fn what_was_pasted_does_not_come_back_and_what_was_copied_is_not_announced() {
    let mut desk = Desk::started(&[]).await;
    desk.paste("text/plain", b"one\n").await;
    assert_eq!(desk.copy("one\r\n").await, None);
    // Copied once more it is meant.
    assert_eq!(desk.copy("one\r\n").await.unwrap(), "one\r\n");
    let before = desk.machine().offered.len();
    desk.paste("text/plain", b"one\n").await;
    assert_eq!(desk.machine().offered.len(), before);
    desk.paste("text/plain", b"two").await;
    assert_eq!(desk.machine().offered.len(), before + 1);
    // The machine has copied a picture since: the text is news again.
    assert_eq!(desk.copy("three").await.unwrap(), "three");
    desk.announce(&[ClipboardFormatId::CF_DIB]);
    desk.paste("text/plain", b"three").await;
    assert_eq!(desk.machine().offered.len(), before + 2);
}

#[tokio::test]
async fn answers_that_nobody_asked_for_are_dropped() {
    let mut desk = Desk::started(&[]).await;
    desk.answer(TextFormat::Unicode.encode("unasked", Newlines::Preserve));
    assert_eq!(desk.owners().await, None);
    desk.announce(&[UNICODE]);
    let refusal = desk.server().submit_format_data(OwnedFormatDataResponse::new_error()).unwrap();
    desk.pair.say(refusal.into());
    desk.settle();
    desk.answer(TextFormat::Unicode.encode("late", Newlines::Preserve));
    assert_eq!(desk.owners().await, None);
    // One who never answers leaves a bounded trace.
    for _ in 0..1000 {
        desk.announce(&[UNICODE]);
    }
    assert_eq!(desk.clipboard.asked.len(), MAX_ASKED);
    assert_eq!(desk.copy("at last").await.unwrap(), "at last");
}

#[tokio::test]
async fn a_list_of_thousands_of_formats_is_refused_unread() {
    let mut desk = Desk::started(&[]).await;
    let named = |id| ClipboardFormat::new(ClipboardFormatId(id)).with_name(ClipboardFormatName::new("Format"));
    let formats: Vec<_> = (0xC000..0xE000).map(named).chain([ClipboardFormat::new(UNICODE)]).collect();
    let messages = desk.server().initiate_copy(&formats).unwrap();
    desk.pair.say(messages.into());
    desk.settle();
    assert_eq!(desk.machine().accepted, [false]);
    assert!(desk.machine().asked.is_empty());
    assert_eq!(desk.copy("fine").await.unwrap(), "fine");
}

#[tokio::test]
async fn a_server_that_asks_without_reading_gets_refusals() {
    let mut desk = Desk::started(&[]).await;
    desk.paste("text/plain", "x".repeat(262_144).as_bytes()).await;
    let request = message(&ClipboardPdu::FormatDataRequest(FormatDataRequest { format: UNICODE }));
    for _ in 0..1000 {
        desk.say_raw(request.clone()).unwrap();
    }
    let unsent = desk.pair.link.unsent().len();
    assert!(unsent < 2 * MAX_UNSENT_BYTES, "{unsent}");
}

#[tokio::test]
async fn files_are_refused() {
    let mut desk = Desk::started(&[]).await;
    desk.say_raw(message(&ClipboardPdu::LockData(LockDataId(7)))).unwrap();
    let mut request = vec![8, 0, 0, 0, 24, 0, 0, 0];
    request.extend([9_u32, 0, 1, 0, 0, 8].iter().flat_map(|field| field.to_le_bytes()));
    desk.say_raw(request).unwrap();
    let sent = std::mem::take(desk.pair.link.unsent());
    // [MS-RDPECLIP] 2.2.5.4, failed, of stream 9.
    assert!(sent.ends_with(&[9, 0, 2, 0, 4, 0, 0, 0, 9, 0, 0, 0]), "{sent:?}");
}

/// Messages that are nearly right.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(any::<u8>(), 0..80);
    (0_u16..14, any::<u16>(), prop::option::of(any::<u32>()), body).prop_map(|(kind, flags, length, body)| {
        let length = length.unwrap_or(u32::try_from(body.len()).unwrap());
        let mut message = kind.to_le_bytes().to_vec();
        message.extend(flags.to_le_bytes());
        message.extend(length.to_le_bytes());
        message.extend(body);
        message
    })
}

proptest! {
    #[test]
    fn no_message_of_a_servers_breaks_more_than_the_protocol(
        messages in prop::collection::vec(prop_oneof![nearly(), prop::collection::vec(any::<u8>(), 0..40)], 1..20)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut desk = Desk::open(&[]).await;
            desk.paste("text/plain", b"held").await;
            for message in messages {
                // An error ends a session.
                if desk.say_raw(message).is_err() {
                    return;
                }
                if desk.pair.link.unsent().len() > MAX_UNSENT_BYTES {
                    panic!("a short message had a long answer");
                }
            }
        });
    }
}
