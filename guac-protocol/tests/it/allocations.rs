//! Decoding and encoding allocate nothing per instruction: counted, not believed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use guac_protocol::{Decoder, Encode, InstructionWriter, LayerIndex, Mask, Parser, ServerInstruction, StreamIndex};

/// The system's allocator, counting per thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.with(|allocations| allocations.set(allocations.get() + 1));
}

#[expect(unsafe_code, reason = "the trait is unsafe; everything is passed on to the system's allocator")]
// SAFETY: each method passes its arguments on unchanged, so the contract is the system allocator's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promised.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn stream() -> Vec<u8> {
    let mut out = Vec::new();
    for round in 0..200_i32 {
        InstructionWriter::new(&mut out, "mouse").arg(&round).arg(&768_i32).arg(&0_i32).end();
        InstructionWriter::new(&mut out, "name").text("Zoë Müller 中文 😀").end();
        InstructionWriter::new(&mut out, "blob").arg(&round).base64(&[7; 600]).end();
        InstructionWriter::new(&mut out, "msg").text(&"х".repeat(500)).end();
    }
    out
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_of(|| drop(std::hint::black_box(vec![1_u8; 100]))), 1);
}

#[test]
fn parsing_allocates_nothing() {
    let bytes = stream();
    let mut instructions = 0;
    let allocations = allocations_of(|| {
        let mut parser = Parser::new();
        let (mut start, mut end) = (0, 0);
        while end < bytes.len() {
            end = (end + 8192).min(bytes.len());
            let mut batch = parser.instructions(&bytes[start..end]);
            while let Some(instruction) = batch.next_instruction().unwrap() {
                instructions += usize::from(!instruction.opcode().is_empty());
                assert!(instruction.args().all(|argument| !argument.is_empty()));
            }
            start += batch.consumed();
        }
    });
    assert_eq!((allocations, instructions), (0, 800));
}

#[test]
fn a_decoder_allocates_its_buffer_and_nothing_per_instruction() {
    let bytes = stream();
    let mut decoder = Decoder::new();
    // The buffer grows to its working size: one read and one partial instruction.
    let feed = |decoder: &mut Decoder| {
        let mut instructions = 0;
        for read in bytes.chunks(8192) {
            decoder.feed(read).unwrap();
            while let Some(instruction) = decoder.next_instruction().unwrap() {
                instructions += 1;
                assert!(instruction.args().all(|argument| !argument.is_empty()));
            }
        }
        instructions
    };
    feed(&mut decoder);
    let mut instructions = 0;
    assert_eq!(allocations_of(|| instructions = feed(&mut decoder)), 0);
    assert_eq!(instructions, 800);
}

#[test]
fn encoding_into_a_buffer_with_room_allocates_nothing() {
    let mut out = Vec::with_capacity(1 << 20);
    let data = vec![9_u8; 6048];
    let allocations = allocations_of(|| {
        for round in 0..64_u32 {
            ServerInstruction::Cfill { mask: Mask::OVER, layer: LayerIndex(-3), r: 255, g: 9, b: 10, a: 255 }
                .encode(&mut out);
            ServerInstruction::Sync { timestamp_ms: 1_790_000_000_000, frames: Some(round) }.encode(&mut out);
            ServerInstruction::Name { name: "Zoë 😀" }.encode(&mut out);
            InstructionWriter::new(&mut out, "blob").arg(&StreamIndex(0)).base64(&data).end();
            InstructionWriter::new(&mut out, "touch").arg(&0.1_f64).arg(&1e-7_f64).arg(&-1234.5_f64).end();
        }
    });
    assert_eq!(allocations, 0);
}
