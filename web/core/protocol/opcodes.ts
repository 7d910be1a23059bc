/** Instructions that draw or arrange layers: they go to the display, in order. */
export const DRAWING_OPCODES: ReadonlySet<string> = new Set([
  "arc", "cfill", "clip", "close", "copy", "cstroke", "cursor", "curve", "dispose", "distort",
  "identity", "img", "jpeg", "lfill", "line", "lstroke", "move", "png", "pop", "push", "rect",
  "reset", "set", "shade", "size", "start", "transfer", "transform",
]);

/** Opcode of messages between the two ends of a tunnel; never an instruction of the session. */
export const TUNNEL_OPCODE = "";
