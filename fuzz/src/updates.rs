//! What an RDP server draws: bitmaps change their place only and the same whatever was drawn before, updates are drawn
//! the same however they are cut into fragments, and pipeline commands the same however they are put into messages.

use guac_rdp::fuzzing::Screen;

/// Update code of bitmaps, and fragment marks, of fast-path parts.
const BITMAP: u8 = 1;
const SINGLE: u8 = 0;
const LAST: u8 = 1;
const FIRST: u8 = 2;
const NEXT: u8 = 3;

/// Bytes of a pipeline command's header.
const HEADER: usize = 8;

/// The first byte chooses.
pub fn check(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind % 5 {
        0 => bitmap(rest),
        1 => fragments(rest),
        2 => commands(rest),
        3 => messages(rest),
        _ => {
            let mut screen = screen();
            screen.slow_path(rest, kind & 0x80 != 0);
            screen.fast_path(rest);
        }
    }
}

fn screen() -> Screen {
    Screen::new().expect("its size is a constant")
}

/// A PDU of one part of at most 64 KiB.
fn part(code: u8, mark: u8, data: &[u8]) -> Vec<u8> {
    let data = &data[..data.len().min(0x3000)];
    let len = u16::try_from(data.len()).unwrap_or_default();
    let whole = len + 6;
    let mut pdu = vec![0];
    pdu.extend_from_slice(&(whole | 0x8000).to_be_bytes());
    pdu.push(code | mark << 4);
    pdu.extend_from_slice(&len.to_le_bytes());
    pdu.extend_from_slice(data);
    pdu
}

/// Place, size, depth and flags by eight bytes, the rest is pixels: nothing outside of the place changes, and a decoder
/// that has drawn before draws the same.
fn bitmap(data: &[u8]) {
    let Some((&[left, top, right, bottom, width, height, depth, flags], pixels)) = data.split_first_chunk() else {
        return;
    };
    let place = [left, top, right, bottom].map(|edge| u16::from(edge % 110));
    let depth = [8, 15, 16, 24, 32, 32, 9][usize::from(depth % 7)];
    let flags = if flags % 3 == 0 { 0 } else { 0x0401 };
    let pixels = &pixels[..pixels.len().min(0x2000)];
    let len = u16::try_from(pixels.len()).unwrap_or_default();
    let size = [u16::from(width), u16::from(height)];
    let mut update = vec![1, 0, 1, 0];
    for number in place.into_iter().chain(size).chain([depth, flags, len]) {
        update.extend_from_slice(&number.to_le_bytes());
    }
    update.extend_from_slice(pixels);
    let pdu = part(BITMAP, SINGLE, &update);

    let mut fresh = screen();
    let accepted = fresh.fast_path(&pdu);
    let drawn = fresh.pixels();
    for (index, &pixel) in drawn.iter().enumerate() {
        let (x, y) = (index % Screen::WIDTH, index / Screen::WIDTH);
        let within = |at: usize, from: u16, to: u16| (usize::from(from)..=usize::from(to)).contains(&at);
        let inside = within(x, place[0], place[2]) && within(y, place[1], place[3]);
        assert!(inside || pixel == 0, "pixel at {x}, {y} is not the bitmap's");
    }
    assert_eq!(fresh.fast_path(&pdu), accepted);
    if accepted {
        assert_eq!(fresh.pixels(), drawn, "the second time looks different");
    }
}

/// An update of any kind, whole and in fragments.
fn fragments(data: &[u8]) {
    let Some((&code, rest)) = data.split_first() else { return };
    let code = code & 0x0F;
    let (pieces, whole) = crate::pieces(rest);
    if pieces.is_empty() {
        return;
    }
    let (mut one, mut many) = (screen(), screen());
    let accepted = one.fast_path(&part(code, SINGLE, whole));
    let mut taken = whole.len() < 0x3000;
    for (index, piece) in pieces.iter().enumerate() {
        let mark = match (index, pieces.len() - index) {
            (0, 1) => SINGLE,
            (0, _) => FIRST,
            (_, 1) => LAST,
            _ => NEXT,
        };
        taken &= many.fast_path(&part(code, mark, piece));
    }
    if whole.len() < 0x3000 {
        assert_eq!(taken, accepted);
        assert_eq!(many.pixels(), one.pixels());
    }
}

/// Commands of the pipeline, in one message and in one each.
fn commands(data: &[u8]) {
    let desktop = desktop();
    let (mut one, mut each) = (screen(), screen());
    assert!(one.pipeline(&message(&desktop)) && each.pipeline(&message(&desktop)));
    let accepted = one.pipeline(&message(data));
    let mut rest = data;
    let mut taken = true;
    while taken && !rest.is_empty() {
        let len = rest.get(4..HEADER).and_then(|len| len.try_into().ok()).map_or(HEADER, u32_len);
        let (command, behind) = rest.split_at(len.max(HEADER).min(rest.len()));
        taken = each.pipeline(&message(command));
        rest = behind;
    }
    assert_eq!(taken, accepted);
    assert_eq!(each.pixels(), one.pixels());
}

fn u32_len(len: [u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX)
}

/// Messages of the pipeline, a length byte before each. A message that is refused leaves the picture's size alone.
fn messages(data: &[u8]) {
    let mut screen = screen();
    screen.pipeline(&message(&desktop()));
    let mut rest = data;
    while let Some((&len, behind)) = rest.split_first() {
        let (message, behind) = behind.split_at(usize::from(len).min(behind.len()));
        if !screen.pipeline(message) {
            break;
        }
        rest = behind;
    }
}

/// One segment, not compressed.
fn message(commands: &[u8]) -> Vec<u8> {
    [&[0xE0, 0x04], commands].concat()
}

/// A surface 1 as large as the picture, and shown.
fn desktop() -> Vec<u8> {
    let (width, height) = (u16::try_from(Screen::WIDTH), u16::try_from(Screen::HEIGHT));
    let (width, height) = (width.unwrap_or_default().to_le_bytes(), height.unwrap_or_default().to_le_bytes());
    let mut commands = vec![0x09, 0, 0, 0, 15, 0, 0, 0, 1, 0];
    commands.extend_from_slice(&width);
    commands.extend_from_slice(&height);
    commands.push(0x20);
    commands.extend_from_slice(&[0x0F, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    commands
}
