/** Numbers both sides of the protocol agree on, and bounds that keep a hostile peer harmless. */

/** Elements of one instruction, the opcode included. libguac refuses more. */
export const MAX_ELEMENTS = 128;

/**
 * Code points of one element we accept. libguac stops at 8192, but the old `png` and `jpeg`
 * instructions carry whole images in one element, so the bound here only guards memory.
 */
export const MAX_ELEMENT_CODE_POINTS = 1 << 20;

/** UTF-16 units one unfinished instruction may occupy. */
export const MAX_INSTRUCTION_UNITS = 1 << 22;

/** Decimal digits of a length: enough for {@link MAX_ELEMENT_CODE_POINTS}. */
export const MAX_LENGTH_DIGITS = 7;

/** Raw bytes of one `blob`: 8064 base64 characters, which fit every peer's parser. */
export const BLOB_BYTES = 6048;

/** Streams each side may have open at once: indices 0 to 511. */
export const MAX_STREAMS = 512;

/** Raw bytes of one parameter value in an `argv` stream. */
export const MAX_ARGV_BYTES = 16_384;

/** Bytes of a stream kept for a reader that has not come yet or is slower than the machine. */
export const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;

/** Device pixels on a side of a picture, the same as libguac. */
export const MAX_SIDE_PX = 8192;

/** Pixels over all layers and buffers: one picture of the largest size and as much again. */
export const MAX_TOTAL_PX = 2 * MAX_SIDE_PX * MAX_SIDE_PX;

/** Layers and buffers alive at once. */
export const MAX_LAYERS = 4096;

/** Drawing operations that may wait behind an image still being decoded. */
export const MAX_QUEUED_OPERATIONS = 1 << 17;
