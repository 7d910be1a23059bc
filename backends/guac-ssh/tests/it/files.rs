//! Files of a real OpenSSH, beside its shell.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use guac_protocol::Instruction;

use crate::person::{Person, open};
use crate::sshd::{self, Sshd};

const INDEX: &str = "application/vnd.glyptodon.guacamole.stream-index+json";
const FILE: &str = "application/octet-stream";

/// What a person heard about files.
#[derive(Default)]
pub(crate) struct Heard {
    filesystem: Option<(String, String)>,
    undefined: bool,
    /// Streams that were opened and are not begun: stream, type, name.
    opened: VecDeque<(String, String, String)>,
    arriving: HashMap<String, Vec<u8>>,
    whole: HashMap<String, Vec<u8>>,
    answers: VecDeque<(String, u32)>,
    log: Vec<String>,
}

impl Heard {
    /// Takes an instruction in; gives the stream whose blob has to be acknowledged.
    pub(crate) fn hear(&mut self, heard: &Instruction<'_>) -> Option<String> {
        let arg = |index: usize| heard.arg(index).unwrap_or_default().to_owned();
        match heard.opcode() {
            "filesystem" => self.filesystem = Some((arg(0), arg(1))),
            "undefine" => self.undefined = true,
            "body" => self.opened.push_back((arg(1), arg(2), arg(3))),
            "file" => self.opened.push_back((arg(0), arg(1), arg(2))),
            "ack" => self.answers.push_back((arg(0), arg(2).parse().unwrap())),
            "log" => self.log.push(arg(0)),
            "blob" => {
                let data = self.arriving.get_mut(&arg(0))?;
                data.extend(base64_simd::STANDARD.decode_to_vec(arg(1)).unwrap());
                return Some(arg(0));
            }
            "end" => {
                if let Some(data) = self.arriving.remove(&arg(0)) {
                    self.whole.insert(arg(0), data);
                }
            }
            _ => {}
        }
        None
    }
}

impl Person {
    async fn file_system(&mut self) -> (String, String) {
        while self.files.filesystem.is_none() && !self.ended {
            self.hear().await;
        }
        self.files.filesystem.clone().unwrap()
    }

    /// Waits for a stream to be opened; gives stream, type and name.
    async fn offered(&mut self) -> Result<(String, String, String), String> {
        loop {
            if let Some(opened) = self.files.opened.pop_front() {
                return Ok(opened);
            }
            if let Some(line) = self.files.log.pop() {
                return Err(line);
            }
            self.hear().await;
        }
    }

    /// Begins to take a stream.
    async fn take(&mut self, stream: &str) {
        self.files.arriving.insert(stream.to_owned(), Vec::new());
        self.say(&["ack", stream, "OK", "0"]).await;
    }

    async fn taken(&mut self, stream: &str) -> Vec<u8> {
        loop {
            if let Some(data) = self.files.whole.remove(stream) {
                return data;
            }
            assert!(!self.ended);
            self.hear().await;
        }
    }

    async fn get(&mut self, name: &str) -> Result<(String, Vec<u8>), String> {
        let (object, _) = self.file_system().await;
        self.say(&["get", &object, name]).await;
        let (stream, mimetype, _) = self.offered().await?;
        self.take(&stream).await;
        Ok((mimetype, self.taken(&stream).await))
    }

    async fn answer(&mut self) -> u32 {
        loop {
            if let Some((_, status)) = self.files.answers.pop_front() {
                return status;
            }
            assert!(!self.ended);
            self.hear().await;
        }
    }

    /// Uploads on a stream whose opening was said; gives the first status that is no success, or that of the end.
    async fn upload(&mut self, stream: &str, data: &[u8]) -> u32 {
        let status = self.answer().await;
        if status != 0 {
            return status;
        }
        for chunk in data.chunks(6048) {
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
        let (object, _) = self.file_system().await;
        self.say(&["put", &object, "7", FILE, name]).await;
        self.upload("7", data).await
    }

    async fn drop_file(&mut self, name: &str, data: &[u8]) -> u32 {
        self.file_system().await;
        self.say(&["file", "8", FILE, name]).await;
        self.upload("8", data).await
    }
}

/// A server, and a directory below its home that is the root of what is shown.
fn machine() -> Option<(Sshd, PathBuf)> {
    let sshd = sshd::start()?;
    let root = sshd.home.path().join("root");
    fs::create_dir(&root).unwrap();
    Some((sshd, root))
}

fn visit(sshd: &Sshd, root: &Path, more: &[(&str, &str)]) -> Person {
    let (key, root) = (sshd.file("user"), root.display().to_string());
    let mut settings = vec![("enable-sftp", "true"), ("sftp-root-directory", root.as_str())];
    settings.extend_from_slice(more);
    open(&sshd.params(&key, &settings))
}

/// Bytes that no two places of a file share by chance.
fn noise(len: usize) -> Vec<u8> {
    let mut x = 0x2545_F491_4F6C_DD1D_u64;
    let mut data = Vec::with_capacity(len + 8);
    while data.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data.extend_from_slice(&x.to_le_bytes());
    }
    data.truncate(len);
    data
}

#[tokio::test]
async fn directories_are_listed_with_types_and_full_names() {
    let Some((sshd, root)) = machine() else { return };
    fs::create_dir(root.join("dir")).unwrap();
    fs::write(root.join("dir/in \"quotes\" ä"), "x").unwrap();
    fs::write(root.join("a.txt"), "x").unwrap();
    symlink("dir", root.join("to dir")).unwrap();
    symlink("nowhere", root.join("to nothing")).unwrap();
    let mut person = visit(&sshd, &root, &[]);
    assert_eq!(person.file_system().await.1, root.display().to_string());
    let (mimetype, body) = person.get("/").await.unwrap();
    let index: HashMap<String, String> = serde_json::from_slice(&body).unwrap();
    let expected = [("/a.txt", FILE), ("/dir", INDEX), ("/to dir", INDEX), ("/to nothing", FILE)];
    let expected: HashMap<String, String> =
        expected.into_iter().map(|(name, mimetype)| (name.to_owned(), mimetype.to_owned())).collect();
    assert_eq!((mimetype.as_str(), index), (INDEX, expected));
    let (_, body) = person.get("/dir").await.unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), format!(r#"{{"/dir/in \"quotes\" ä":"{FILE}"}}"#));
    fs::create_dir(root.join("empty")).unwrap();
    assert_eq!(person.get("/empty").await.unwrap().1, b"{}");
}

#[tokio::test]
async fn a_directory_of_thousands_is_listed_whole() {
    let Some((sshd, root)) = machine() else { return };
    for number in 0..3000 {
        fs::write(root.join(format!("file {number}")), "").unwrap();
    }
    let mut person = visit(&sshd, &root, &[]);
    let (_, body) = person.get("/").await.unwrap();
    assert_eq!(serde_json::from_slice::<HashMap<String, String>>(&body).unwrap().len(), 3000);
}

#[tokio::test]
async fn files_go_down_and_up_byte_by_byte_and_are_overwritten() {
    let Some((sshd, root)) = machine() else { return };
    let mut person = visit(&sshd, &root, &[]);
    for len in [0, 1, 6048, 30_240, 30_241, 500_000] {
        let data = noise(len);
        fs::write(root.join("down"), &data).unwrap();
        assert!(person.get("/down").await.unwrap() == (FILE.to_owned(), data.clone()), "{len} bytes down");
        assert_eq!(person.put("/up", &data).await, 0);
        assert!(fs::read(root.join("up")).unwrap() == data, "{len} bytes up");
    }
    assert_eq!(person.put("/up", b"short").await, 0);
    assert_eq!(fs::read(root.join("up")).unwrap(), b"short");
}

#[tokio::test]
async fn a_big_file_comes_whole_while_the_terminal_answers() {
    let Some((sshd, root)) = machine() else { return };
    let data = noise(24 << 20);
    fs::write(root.join("big"), &data).unwrap();
    let mut person = visit(&sshd, &root, &[]);
    let (object, _) = person.file_system().await;
    person.say(&["get", &object, "/big"]).await;
    let (stream, _, _) = person.offered().await.unwrap();
    person.take(&stream).await;
    person.write("echo $((6*7))\n").await;
    person.sees("\n42").await;
    assert!(!person.files.whole.contains_key(&stream), "the terminal waited for the file");
    assert!(person.taken(&stream).await == data);
}

#[tokio::test]
async fn a_download_that_nobody_takes_does_not_stop_the_terminal() {
    let Some((sshd, root)) = machine() else { return };
    fs::write(root.join("big"), noise(8 << 20)).unwrap();
    let mut person = visit(&sshd, &root, &[]);
    let (object, _) = person.file_system().await;
    for _ in 0..8 {
        person.say(&["get", &object, "/big"]).await;
        person.offered().await.unwrap();
    }
    person.write("echo $((6*7))\n").await;
    person.sees("\n42").await;
    person.write("exit\n").await;
    assert_eq!(person.end().await, 0);
    assert!(person.files.undefined);
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_refused_with_its_status() {
    let Some((sshd, root)) = machine() else { return };
    fs::create_dir(root.join("dir")).unwrap();
    let fifo = root.join("fifo").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut person = visit(&sshd, &root, &[]);
    assert!(person.get("/none").await.unwrap_err().contains("RESOURCE_NOT_FOUND"));
    assert!(person.get("/fifo").await.unwrap_err().contains("CLIENT_FORBIDDEN"));
    assert_eq!(person.put("/none/file", b"x").await, 0x0204);
    assert_eq!(person.put("/dir", b"x").await, 0x0205);
    assert_eq!(person.put("/fifo", b"x").await, 0x0303);
    assert_eq!(person.put("/file", b"x").await, 0);
}

#[tokio::test]
async fn what_the_account_may_not_do_is_forbidden() {
    let Some((sshd, _)) = machine() else { return };
    // Not even the administrator may write this one.
    let mut person = visit(&sshd, Path::new("/proc/sys/kernel"), &[]);
    assert_eq!(person.put("/osrelease", b"x").await, 0x0303);
    assert!(person.get("/osrelease").await.is_ok_and(|(_, data)| !data.is_empty()));
}

#[tokio::test]
async fn no_name_leads_above_the_root() {
    let Some((sshd, root)) = machine() else { return };
    let mut person = visit(&sshd, &root, &[]);
    for name in ["/../host", "..", "/a/../../host"] {
        assert!(person.get(name).await.unwrap_err().contains("CLIENT_FORBIDDEN"), "{name}");
        assert_eq!(person.put(name, b"x").await, 0x0303, "{name}");
    }
    for name in ["../x", "..", "a/b", "a\\b", ""] {
        assert_eq!(person.drop_file(name, b"x").await, 0x0300, "{name}");
    }
}

#[tokio::test]
async fn dropped_files_go_home_or_where_the_shell_says() {
    let Some((sshd, root)) = machine() else { return };
    let mut person = visit(&sshd, &root, &[]);
    // Where a login starts is the system's word, so only the directory that is set can be looked into.
    person.write(&format!("printf '\\033]482201;{}\\007'; echo $((6*7))\n", root.display())).await;
    person.sees("\n42").await;
    assert_eq!(person.drop_file("a b.txt", b"dropped").await, 0);
    assert_eq!(fs::read(root.join("a b.txt")).unwrap(), b"dropped");
}

#[tokio::test]
async fn wishes_of_start_up_files_are_kept_until_file_transfer_is_there() {
    let Some((sshd, root)) = machine() else { return };
    fs::write(root.join("news"), "x").unwrap();
    // The terminal shows these before the machine has opened SFTP, or just after: it must not matter.
    let wishes = format!("printf '\\033]482201;{0}\\007\\033]482200;{0}/news\\007'; cat", root.display());
    let mut person = visit(&sshd, &root, &[("command", &wishes)]);
    let (stream, _, name) = person.offered().await.unwrap();
    assert_eq!(name, "news");
    person.take(&stream).await;
    assert_eq!(person.taken(&stream).await, b"x");
    assert_eq!(person.drop_file("dropped", b"y").await, 0);
    assert_eq!(fs::read(root.join("dropped")).unwrap(), b"y");
}

#[tokio::test]
async fn a_machine_that_ends_file_transfer_keeps_its_shell() {
    let program = Path::new("/usr/lib/openssh/sftp-server");
    if !program.exists() {
        assert!(std::env::var_os("CI").is_none(), "sftp-server is missing");
        eprintln!("SKIPPED: sftp-server is not installed");
        return;
    }
    let Some(sshd) = sshd::start_with(&program.display().to_string()) else { return };
    let root = sshd.home.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("big"), noise(8 << 20)).unwrap();
    let mut person = visit(&sshd, &root, &[]);
    let (object, _) = person.file_system().await;
    // One transfer waits for the user, one for the machine.
    person.say(&["get", &object, "/big"]).await;
    person.offered().await.unwrap();
    person.say(&["put", &object, "7", FILE, "/up"]).await;
    assert_eq!(person.answer().await, 0);
    let server = sshd.process("sftp-server").expect("the server of files runs").to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &server]).status().unwrap().success());
    while !person.files.undefined {
        assert!(!person.ended);
        person.hear().await;
    }
    assert_ne!(person.answer().await, 0, "what was under way has failed");
    person.write("echo $((6*7))\n").await;
    person.sees("\n42").await;
    person.say(&["file", "8", FILE, "a"]).await;
    assert_eq!(person.answer().await, 0x0100, "files are off now");
    person.write("exit\n").await;
    assert_eq!(person.end().await, 0);
}

#[tokio::test]
async fn the_shell_sends_files_to_the_browser() {
    let Some((sshd, root)) = machine() else { return };
    let data = noise(100_000);
    fs::write(root.join("report.pdf"), &data).unwrap();
    let mut person = visit(&sshd, &root, &[]);
    person.file_system().await;
    person.write(&format!("printf '\\033]482200;{}/report.pdf\\007'\n", root.display())).await;
    let (stream, mimetype, name) = person.offered().await.unwrap();
    assert_eq!((mimetype.as_str(), name.as_str()), (FILE, "report.pdf"));
    person.take(&stream).await;
    assert!(person.taken(&stream).await == data);
}

#[tokio::test]
async fn each_direction_can_be_switched_off() {
    let Some((sshd, root)) = machine() else { return };
    fs::write(root.join("a"), "x").unwrap();
    let mut person = visit(&sshd, &root, &[("sftp-disable-download", "true")]);
    assert!(person.get("/a").await.unwrap_err().contains("CLIENT_FORBIDDEN"));
    assert!(person.get("/").await.is_ok(), "what is there may be seen");
    assert_eq!(person.put("/b", b"x").await, 0);
    let mut person = visit(&sshd, &root, &[("sftp-disable-upload", "true")]);
    assert_eq!(person.put("/c", b"x").await, 0x0303);
    assert_eq!(person.drop_file("c", b"x").await, 0x0303);
    assert_eq!(person.get("/a").await.unwrap().1, b"x");
    assert!(!root.join("c").exists());
}

#[tokio::test]
async fn without_the_parameter_there_are_no_files() {
    let Some(sshd) = sshd::start() else { return };
    let mut person = open(&sshd.params(&sshd.file("user"), &[]));
    person.say(&["file", "8", FILE, "a"]).await;
    assert_eq!(person.answer().await, 0x0100);
    person.write("echo $((6*7))\n").await;
    person.sees("\n42").await;
    assert!(person.files.filesystem.is_none());
}

#[tokio::test]
async fn giving_up_in_the_middle_leaves_nothing_behind() {
    let Some((sshd, root)) = machine() else { return };
    fs::write(root.join("big"), noise(8 << 20)).unwrap();
    let mut person = visit(&sshd, &root, &[]);
    let (object, _) = person.file_system().await;
    // One download refused in its middle, one upload begun anew, and the session ended during another of each.
    person.say(&["get", &object, "/big"]).await;
    let (stream, _, _) = person.offered().await.unwrap();
    person.say(&["ack", &stream, "OK", "0"]).await;
    person.hear().await;
    person.say(&["ack", &stream, "no more", "768"]).await;
    person.say(&["put", &object, "7", FILE, "/half"]).await;
    assert_eq!(person.answer().await, 0);
    assert_eq!(person.put("/whole", b"x").await, 0);
    person.say(&["get", &object, "/big"]).await;
    person.offered().await.unwrap();
    person.say(&["put", &object, "7", FILE, "/half"]).await;
    assert_eq!(person.answer().await, 0);
    person.write("exit\n").await;
    assert_eq!(person.end().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long unless it is built with optimisations"]
async fn two_hundred_megabytes_go_both_ways_while_the_terminal_answers() {
    let Some((sshd, root)) = machine() else { return };
    let data = noise(200 << 20);
    fs::write(root.join("big"), &data).unwrap();
    let mut person = visit(&sshd, &root, &[]);
    let (object, _) = person.file_system().await;
    let start = std::time::Instant::now();
    person.say(&["get", &object, "/big"]).await;
    let (stream, _, _) = person.offered().await.unwrap();
    person.take(&stream).await;
    person.write("echo $((6*7))\n").await;
    person.sees("\n42").await;
    assert!(!person.files.whole.contains_key(&stream), "the terminal waited for the file");
    assert!(person.taken(&stream).await == data);
    let down = start.elapsed();
    let start = std::time::Instant::now();
    assert_eq!(person.put("/up", &data).await, 0);
    let up = start.elapsed();
    assert!(fs::read(root.join("up")).unwrap() == data);
    eprintln!("200 MiB: {:.1} MB/s down, {:.1} MB/s up", 209.7 / down.as_secs_f64(), 209.7 / up.as_secs_f64());
}
