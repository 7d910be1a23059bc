/** What a display and its painter tell each other; the same whether a worker lies between or not. */

/** One drawing instruction. */
export type DrawOperation = readonly [opcode: string, args: readonly string[]];

/** From the display to the painter. */
export type PaintCommand =
  | { readonly type: "draw"; readonly operations: readonly DrawOperation[] }
  /** The frame is complete: show it, then answer with `frame`. */
  | { readonly type: "sync"; readonly frame: number }
  | { readonly type: "canvas"; readonly canvas: OffscreenCanvas | HTMLCanvasElement }
  | { readonly type: "visible"; readonly visible: boolean }
  | {
      readonly type: "screenshot";
      readonly id: number;
      readonly maxWidthPx: number;
      readonly maxHeightPx: number;
      readonly mimetype: string;
    }
  /** Forget the picture's layers; what was shown stays until the next frame. */
  | { readonly type: "reset" };

/** From the painter to the display. */
export type PaintEvent =
  /** The worker runs. */
  | { readonly type: "ready" }
  | { readonly type: "frame"; readonly frame: number }
  | { readonly type: "resize"; readonly widthPx: number; readonly heightPx: number }
  | { readonly type: "cursor"; readonly image: Blob | null; readonly hotX: number; readonly hotY: number }
  | { readonly type: "screenshot"; readonly id: number; readonly image: Blob | null }
  /** The picture cannot go on. */
  | { readonly type: "failed"; readonly code: number; readonly message: string };
