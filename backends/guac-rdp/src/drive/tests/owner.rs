//! What the owner may do, and what he may not, in a session of his.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Mutex;

use guac_display::Size;
use guac_protocol::{ClientInfo, Decoder, Status};
use guac_session::{Backend, Hub, Params, SessionEnd, Start, UserReceiver, UserSender};
use ironrdp_rdpdr::pdu::efs::{
    DeviceCloseRequest, DeviceCreateRequest, DeviceIoRequest, DeviceWriteRequest, FileAttributes, MajorFunction,
    MinorFunction, PrinterIoRequest, SharedAccess,
};
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::drive::filesystem::{FILE_MIMETYPE as FILE, INDEX_MIMETYPE as INDEX};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server does in a test.
#[derive(Debug)]
enum Deed {
    /// Creates a file and closes it.
    Write(&'static str, Vec<u8>),
    /// Renames one.
    Move(&'static str, &'static str),
    /// Prints a document, and ends it if that is wanted. The session goes on meanwhile.
    Print(Vec<Vec<u8>>, bool),
}

/// A session whose machine is a [`Pair`].
struct Machine(Mutex<Option<(Pair, mpsc::Receiver<Order>)>>);

/// A deed, and who waits for it to be done.
type Order = (Deed, oneshot::Sender<()>);

impl Backend for Machine {
    fn protocol(&self) -> &'static str {
        "drive"
    }

    fn parameters(&self) -> &'static [&'static str] {
        &["read-only"]
    }

    fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>> {
        let (mut pair, mut deeds) = self.0.lock().unwrap().take().unwrap();
        Box::pin(async move {
            let (_, mut stage) = start.stage(Surface::new(Size::new(64, 64).unwrap()));
            stage.picture();
            pair.share.show(&mut stage);
            loop {
                tokio::select! {
                    event = stage.next() => match event {
                        Event::Ended => return Ok(()),
                        event => drop(pair.share.handle(event)),
                    },
                    () = pair.share.wake() => {}
                    () = async { pair.printer.as_mut().unwrap().wake().await }, if pair.printer.is_some() => {}
                    Some((deed, done)) = deeds.recv() => {
                        pair.does(deed, &mut stage).await;
                        let _ = done.send(());
                    }
                }
                pair.share.turn(Vec::new(), false, true);
                if let Some(printer) = &mut pair.printer {
                    printer.turn(Vec::new(), &mut stage);
                }
                pair.share.offer(&mut stage);
            }
        })
    }
}

impl Pair {
    async fn does(&mut self, deed: Deed, stage: &mut Stage<Surface>) {
        match deed {
            Deed::Write(path, content) => {
                let file = self.create(path).await;
                for (number, chunk) in (0_u64..).zip(content.chunks(1 << 16)) {
                    self.write(file, number << 16, chunk).await.unwrap();
                }
                self.close(file).await.unwrap();
            }
            Deed::Move(from, to) => {
                let file = self.open(from).await.unwrap();
                assert_eq!(self.rename(file, to, false).await, NtStatus::SUCCESS);
                self.close(file).await.unwrap();
            }
            Deed::Print(parts, ends) => self.prints(parts, ends, stage).await,
        }
    }

    async fn prints(&mut self, parts: Vec<Vec<u8>>, ends: bool, stage: &mut Stage<Surface>) {
        let printer = self.printer.as_mut().unwrap();
        let io = |file_id, major_function| DeviceIoRequest {
            device_id: requests::PRINTER_ID,
            file_id,
            completion_id: 0,
            major_function,
            minor_function: MinorFunction::from(0),
        };
        let create = PrinterIoRequest::Create(DeviceCreateRequest {
            device_io_request: io(0, MajorFunction::Create),
            desired_access: WRITE,
            allocation_size: 0,
            file_attributes: FileAttributes::empty(),
            shared_access: SharedAccess::empty(),
            create_disposition: CreateDisposition::FILE_OPEN,
            create_options: CreateOptions::empty(),
            path: String::new(),
        });
        let created = printer.turn(vec![create], stage).remove(0);
        let RdpdrPdu::DeviceCreateResponse(created) = created else { panic!() };
        success(&created.device_io_reply).unwrap();
        for part in parts {
            let device_io_request = io(created.file_id, MajorFunction::Write);
            let write = DeviceWriteRequest { device_io_request, offset: 0, write_data: part };
            let mut replies = printer.turn(vec![PrinterIoRequest::Write(write)], stage);
            while replies.is_empty() {
                tokio::select! {
                    () = printer.wake() => replies = printer.turn(Vec::new(), stage),
                    _ = stage.next() => {}
                }
            }
        }
        if ends {
            let close = DeviceCloseRequest { device_io_request: io(created.file_id, MajorFunction::Close) };
            assert_eq!(printer.turn(vec![PrinterIoRequest::Close(close)], stage).len(), 1);
        }
    }
}

/// The owner at his browser.
struct Person {
    hub: Hub,
    receiver: UserReceiver,
    sender: UserSender,
    decoder: Decoder,
    deeds: mpsc::Sender<Order>,
    drive: PathBuf,
    filesystem: Option<(String, String)>,
    /// Streams that were opened and are not begun: stream, type, name.
    opened: VecDeque<(String, String, String)>,
    arriving: HashMap<String, Vec<u8>>,
    whole: HashMap<String, Vec<u8>>,
    answers: VecDeque<u32>,
    log: Vec<String>,
}

impl Person {
    async fn open(change: impl FnOnce(&mut Share)) -> Self {
        let mut pair = Pair::new().await;
        change(&mut pair.share);
        Self::with(pair).await
    }

    /// One whose server has a printer; none if this machine cannot have one.
    async fn with_printer() -> Option<Self> {
        let Some(programs) = Programs::find() else {
            eprintln!("SKIPPED: Ghostscript is not installed");
            assert!(std::env::var_os("CI").is_none(), "Ghostscript is missing");
            return None;
        };
        let mut pair = Pair::new().await;
        pair.printer = Some(Printer::new("Printer".to_owned(), programs));
        Some(Self::with(pair).await)
    }

    async fn with(pair: Pair) -> Self {
        let drive = pair.path("");
        let (deeds, done) = mpsc::channel(1);
        let hub = Hub::new(vec![Box::new(Machine(Mutex::new(Some((pair, done)))))], 1);
        let (_, user) = hub.open("drive", Params::default(), ClientInfo::default()).unwrap();
        let (receiver, sender) = user.split();
        let mut person = Self {
            hub,
            receiver,
            sender,
            decoder: Decoder::new(),
            deeds,
            drive,
            filesystem: None,
            opened: VecDeque::new(),
            arriving: HashMap::new(),
            whole: HashMap::new(),
            answers: VecDeque::new(),
            log: Vec::new(),
        };
        while person.filesystem.is_none() {
            person.hear().await;
        }
        person
    }

    async fn server(&self, deed: Deed) {
        let (done, waiting) = oneshot::channel();
        self.deeds.send((deed, done)).await.unwrap();
        waiting.await.unwrap();
    }

    async fn say(&mut self, elements: &[&str]) {
        let text: Vec<String> = elements.iter().map(|e| format!("{}.{e}", e.chars().count())).collect();
        let mut decoder = Decoder::new();
        decoder.feed((text.join(",") + ";").as_bytes()).unwrap();
        self.sender.handle_instruction(&decoder.next_instruction().unwrap().unwrap()).await.unwrap();
    }

    async fn hear(&mut self) {
        let bytes = tokio::time::timeout(PATIENCE, self.receiver.recv()).await.expect("something is said").unwrap();
        let mut replies = Vec::new();
        for chunk in bytes.chunks(4096) {
            self.decoder.feed(chunk).unwrap();
            while let Some(heard) = self.decoder.next_instruction().unwrap() {
                let arg = |index: usize| heard.arg(index).unwrap_or_default().to_owned();
                match heard.opcode() {
                    "filesystem" => self.filesystem = Some((arg(0), arg(1))),
                    "body" => self.opened.push_back((arg(1), arg(2), arg(3))),
                    "file" => self.opened.push_back((arg(0), arg(1), arg(2))),
                    "ack" => self.answers.push_back(arg(2).parse().unwrap()),
                    "log" => self.log.push(arg(0)),
                    "sync" => replies.push(("sync", arg(0))),
                    "blob" => {
                        if let Some(data) = self.arriving.get_mut(&arg(0)) {
                            data.extend(base64_simd::STANDARD.decode_to_vec(arg(1)).unwrap());
                            replies.push(("ack", arg(0)));
                        }
                    }
                    "end" => {
                        if let Some(data) = self.arriving.remove(&arg(0)) {
                            self.whole.insert(arg(0), data);
                        }
                    }
                    _ => {}
                }
            }
        }
        for (opcode, of) in replies {
            match opcode {
                "sync" => self.say(&["sync", &of]).await,
                _ => self.say(&["ack", &of, "OK", "0"]).await,
            }
        }
    }

    /// Waits for a stream to be opened; gives stream, type and name, or why none is.
    async fn offered(&mut self) -> Result<(String, String, String), String> {
        loop {
            if let Some(opened) = self.opened.pop_front() {
                return Ok(opened);
            }
            if let Some(line) = self.log.pop() {
                return Err(line);
            }
            self.hear().await;
        }
    }

    async fn take(&mut self, stream: &str) -> Vec<u8> {
        self.arriving.insert(stream.to_owned(), Vec::new());
        self.say(&["ack", stream, "OK", "0"]).await;
        loop {
            if let Some(data) = self.whole.remove(stream) {
                return data;
            }
            self.hear().await;
        }
    }

    fn object(&self) -> String {
        self.filesystem.as_ref().unwrap().0.clone()
    }

    async fn get(&mut self, name: &str) -> Result<(String, Vec<u8>), String> {
        self.say(&["get", &self.object(), name]).await;
        let (stream, mimetype, of) = self.offered().await?;
        assert_eq!(of, name);
        Ok((mimetype, self.take(&stream).await))
    }

    async fn answer(&mut self) -> u32 {
        loop {
            if let Some(status) = self.answers.pop_front() {
                return status;
            }
            self.hear().await;
        }
    }

    /// Uploads on a stream whose opening was said; gives the first status that is no success, or that of the end.
    async fn upload(&mut self, stream: &str, data: &[u8]) -> u32 {
        let status = self.answer().await;
        if status != 0 {
            return status;
        }
        for chunk in data.chunks(6144) {
            self.say(&["blob", stream, &base64_simd::STANDARD.encode_to_string(chunk)]).await;
            let status = self.answer().await;
            if status != 0 {
                return status;
            }
        }
        self.say(&["end", stream]).await;
        self.answer().await
    }

    async fn put(&mut self, name: &str, data: &[u8]) -> u32 {
        self.say(&["put", &self.object(), "7", FILE, name]).await;
        self.upload("7", data).await
    }

    async fn drop_file(&mut self, name: &str, data: &[u8]) -> u32 {
        self.say(&["file", "8", FILE, name]).await;
        self.upload("8", data).await
    }

    /// Waits until the drive has no such file.
    async fn sees_gone(&self, name: &str) {
        let gone = async {
            while self.drive.join(name).exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("it is removed");
    }
}

/// What no compression and no mistake in order would survive.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .flatten()
    .take(len)
    .collect()
}

fn code(status: Status) -> u32 {
    u32::from(status.code())
}

#[tokio::test]
async fn the_owner_lists_the_drive() {
    let mut owner = Person::open(|_| {}).await;
    assert_eq!(owner.filesystem.as_ref().unwrap().1, "Shared Drive");
    fs::create_dir(owner.drive.join("d")).unwrap();
    fs::write(owner.drive.join("d/a \"b\".txt"), "x").unwrap();
    symlink("/etc", owner.drive.join("out")).unwrap();
    let (mimetype, index) = owner.get("/").await.unwrap();
    assert_eq!(mimetype, INDEX);
    let index: HashMap<String, String> = serde_json::from_slice(&index).unwrap();
    let expected = [("/d", INDEX), ("/Download", INDEX)].map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(index, HashMap::from(expected));
    let (_, index) = owner.get("/d").await.unwrap();
    assert_eq!(String::from_utf8(index).unwrap(), format!(r#"{{"/d/a \"b\".txt":"{FILE}"}}"#));
}

#[tokio::test]
async fn what_the_owner_uploads_he_downloads_again() {
    let mut owner = Person::open(|_| {}).await;
    let data = noise(3_000_001);
    assert_eq!(owner.put("/a.bin", &data).await, 0);
    assert!(fs::read(owner.drive.join("a.bin")).unwrap() == data);
    let (mimetype, got) = owner.get("/a.bin").await.unwrap();
    assert_eq!(mimetype, FILE);
    assert!(got == data);
    // A shorter one replaces it whole, and one without content is one.
    assert_eq!(owner.put("/a.bin", b"short").await, 0);
    assert_eq!(fs::read(owner.drive.join("a.bin")).unwrap(), b"short");
    assert_eq!(owner.put("/empty", b"").await, 0);
    assert_eq!(owner.get("/empty").await.unwrap().1, b"");
}

#[tokio::test]
async fn dropped_files_go_to_the_root_of_the_drive() {
    let mut owner = Person::open(|_| {}).await;
    assert_eq!(owner.drop_file("my file.txt", b"mine").await, 0);
    assert_eq!(fs::read(owner.drive.join("my file.txt")).unwrap(), b"mine");
    assert_eq!(owner.drop_file("../../up", b"mine").await, 0);
    assert_eq!(fs::read(owner.drive.join(".._.._up")).unwrap(), b"mine");
}

#[tokio::test]
async fn the_owner_does_not_leave_the_drive() {
    let mut owner = Person::open(|_| {}).await;
    symlink("../secret", owner.drive.join("link")).unwrap();
    symlink("..", owner.drive.join("up")).unwrap();
    for name in ["/link", "/../secret", "..", "/up/secret", "/up", "/none", "/a:b"] {
        assert!(owner.get(name).await.is_err(), "{name}");
    }
    for name in ["/link", "/../new", "/up/new", "/", "/Download", "/none/new", "/a:b"] {
        assert_ne!(owner.put(name, b"x").await, 0, "{name}");
    }
    let host = owner.drive.parent().unwrap();
    assert_eq!(fs::read(host.join("secret")).unwrap(), b"secret");
    assert!(!host.join("new").exists());
}

#[tokio::test]
async fn downloads_that_are_off_are_refused_and_the_drive_is_still_shown() {
    let mut owner = Person::open(|share| share.rules.download = false).await;
    fs::write(owner.drive.join("f"), "x").unwrap();
    assert!(owner.get("/").await.is_ok());
    assert!(owner.get("/f").await.unwrap_err().contains("\"/f\""));
    assert_eq!(owner.put("/g", b"x").await, 0);
}

#[tokio::test]
async fn uploads_that_are_off_are_refused() {
    let mut owner = Person::open(|share| share.rules.upload = false).await;
    assert_eq!(owner.put("/f", b"x").await, code(Status::ClientForbidden));
    assert_eq!(owner.drop_file("f", b"x").await, code(Status::ClientForbidden));
    assert!(!owner.drive.join("f").exists());
}

#[tokio::test]
async fn dropped_files_are_not_for_the_drive_where_sftp_takes_them() {
    let mut owner = Person::open(|share| share.takes_dropped = false).await;
    assert_ne!(owner.drop_file("f", b"x").await, 0);
    assert!(!owner.drive.join("f").exists());
}

#[tokio::test]
async fn a_directory_is_not_overwritten() {
    let mut owner = Person::open(|_| {}).await;
    assert_eq!(owner.put("/Download", b"x").await, code(Status::ResourceConflict));
    assert_eq!(owner.put("/none/f", b"x").await, code(Status::ResourceNotFound));
}

#[tokio::test]
async fn files_in_download_reach_the_owner_and_leave_the_drive() {
    let mut owner = Person::open(|_| {}).await;
    let data = noise(700_001);
    owner.server(Deed::Write("\\Download\\report.pdf", data.clone())).await;
    let (stream, mimetype, name) = owner.offered().await.unwrap();
    assert_eq!((mimetype.as_str(), name.as_str()), (FILE, "report.pdf"));
    assert!(owner.drive.join("Download/report.pdf").exists());
    assert!(owner.take(&stream).await == data);
    owner.sees_gone("Download/report.pdf").await;

    owner.server(Deed::Write("\\notes.txt", b"notes".to_vec())).await;
    owner.server(Deed::Move("\\notes.txt", "\\Download\\notes.txt")).await;
    let (stream, _, name) = owner.offered().await.unwrap();
    assert_eq!(name, "notes.txt");
    assert_eq!(owner.take(&stream).await, b"notes");
    owner.sees_gone("Download/notes.txt").await;
}

#[tokio::test]
async fn what_the_owner_refuses_stays() {
    let mut owner = Person::open(|_| {}).await;
    owner.server(Deed::Write("\\Download\\a", b"a".to_vec())).await;
    let (stream, _, _) = owner.offered().await.unwrap();
    owner.say(&["ack", &stream, "no", &code(Status::ClientForbidden).to_string()]).await;
    // The next one is sent, so the first was seen to.
    owner.server(Deed::Write("\\Download\\b", b"b".to_vec())).await;
    let (stream, _, _) = owner.offered().await.unwrap();
    assert_eq!(owner.take(&stream).await, b"b");
    owner.sees_gone("Download/b").await;
    assert_eq!(fs::read(owner.drive.join("Download/a")).unwrap(), b"a");
    assert_eq!(owner.get("/Download/a").await.unwrap().1, b"a");
}

#[tokio::test]
async fn a_file_that_was_replaced_while_it_was_sent_is_sent_again() {
    let mut owner = Person::open(|_| {}).await;
    owner.server(Deed::Write("\\Download\\a", b"first".to_vec())).await;
    let (stream, _, _) = owner.offered().await.unwrap();
    owner.server(Deed::Write("\\b", b"second".to_vec())).await;
    fs::remove_file(owner.drive.join("Download/a")).unwrap();
    owner.server(Deed::Move("\\b", "\\Download\\a")).await;
    assert_eq!(owner.take(&stream).await, b"first");
    let (stream, _, _) = owner.offered().await.unwrap();
    assert_eq!(owner.take(&stream).await, b"second");
    owner.sees_gone("Download/a").await;
}

#[tokio::test]
async fn many_files_wait_for_their_turn() {
    let mut owner = Person::open(|_| {}).await;
    let names = ["\\Download\\1", "\\Download\\2", "\\Download\\3", "\\Download\\4", "\\Download\\5", "\\Download\\6"];
    for name in names {
        owner.server(Deed::Write(name, name.into())).await;
    }
    for name in names {
        let (stream, _, offered) = owner.offered().await.unwrap();
        assert!(name.ends_with(&offered));
        assert_eq!(owner.take(&stream).await, name.as_bytes());
    }
    owner.sees_gone("Download/6").await;
}

#[tokio::test]
async fn transfers_end_with_the_session() {
    let mut owner = Person::open(|_| {}).await;
    assert_eq!(owner.put("/big", &noise(2_000_000)).await, 0);
    owner.say(&["get", &owner.object(), "/big"]).await;
    owner.offered().await.unwrap();
    owner.say(&["put", &owner.object(), "7", FILE, "/half"]).await;
    assert_eq!(owner.answer().await, 0);
    let Person { hub, receiver, sender, .. } = owner;
    drop((receiver, sender));
    let ended = async {
        while hub.task_count() > 0 || tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("no task is left");
}

#[tokio::test]
async fn what_the_server_prints_the_owner_gets_as_pdf() {
    let Some(mut owner) = Person::with_printer().await else { return };
    let page = "/Helvetica findfont 24 scalefont setfont 72 72 moveto (Hello) show showpage\n";
    let mut document = vec![b"%!PS-Adobe-3.0\n%%Title: (Report 7)\n%%EndComments\n".to_vec()];
    document.extend(std::iter::repeat_n(page.as_bytes().to_vec(), 100));
    owner.server(Deed::Print(document, true)).await;
    let (stream, mimetype, name) = owner.offered().await.unwrap();
    assert_eq!((mimetype.as_str(), name.as_str()), ("application/pdf", "Report 7.pdf"));
    let pdf = owner.take(&stream).await;
    assert!(pdf.starts_with(b"%PDF-"));
    assert!(pdf.ends_with(b"%%EOF\n"), "{}", String::from_utf8_lossy(&pdf));
    let pages = String::from_utf8_lossy(&pdf).matches("/Type/Page/").count();
    assert_eq!(pages, 100);
}

#[tokio::test]
async fn a_document_cannot_read_files_of_the_host() {
    let Some(mut owner) = Person::with_printer().await else { return };
    let secret = owner.drive.parent().unwrap().join("secret");
    let document = format!(
        "%!PS\n/Helvetica findfont 24 scalefont setfont 72 72 moveto ({}) (r) file 100 string readstring pop show showpage",
        secret.display()
    );
    owner.server(Deed::Print(vec![document.into_bytes()], true)).await;
    let (stream, _, name) = owner.offered().await.unwrap();
    assert_eq!(name, "guacamole-print.pdf");
    fs::write(owner.drive.join("pdf"), owner.take(&stream).await).unwrap();
    let mut reader = std::process::Command::new("gs");
    reader.args(["-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=txtwrite", "-sOutputFile=-"]).arg(owner.drive.join("pdf"));
    let text = String::from_utf8(reader.output().unwrap().stdout).unwrap();
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_job_that_is_not_ended_ends_with_the_session() {
    let Some(mut owner) = Person::with_printer().await else { return };
    owner.server(Deed::Print(vec![vec![b' '; 4096], b"{} loop ".to_vec()], false)).await;
    let (stream, _, _) = owner.offered().await.unwrap();
    owner.say(&["ack", &stream, "OK", "0"]).await;
    let Person { hub, receiver, sender, .. } = owner;
    drop((receiver, sender));
    let ended = async {
        while hub.task_count() > 0 || tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("no task is left");
}

#[tokio::test]
async fn what_the_server_prints_after_the_owner_said_no_is_refused() {
    let Some(mut owner) = Person::with_printer().await else { return };
    owner.server(Deed::Print(vec![vec![b' '; 4096]], false)).await;
    let (stream, _, _) = owner.offered().await.unwrap();
    owner.say(&["ack", &stream, "no", &code(Status::ClientForbidden).to_string()]).await;
    // The job's place is free again once the server ended it; a second one has a place all the same.
    owner.server(Deed::Print(vec![b"%!PS\nshowpage".to_vec()], true)).await;
    let (stream, _, _) = owner.offered().await.unwrap();
    assert!(owner.take(&stream).await.starts_with(b"%PDF-"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn two_hundred_megabytes() {
    let mut owner = Person::open(|_| {}).await;
    let data = noise(200_000_000);
    let begin = std::time::Instant::now();
    assert_eq!(owner.put("/a.bin", &data).await, 0);
    let up = begin.elapsed();
    assert!(fs::read(owner.drive.join("a.bin")).unwrap() == data);
    let begin = std::time::Instant::now();
    let got = owner.get("/a.bin").await.unwrap().1;
    println!("up {} MB/s, down {} MB/s", 200.0 / up.as_secs_f64(), 200.0 / begin.elapsed().as_secs_f64());
    assert!(got == data);
}
