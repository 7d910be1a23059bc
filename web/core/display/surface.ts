/** Something to draw on: off-screen where the browser has it, else a canvas outside the page. */
export type Surface = OffscreenCanvas | HTMLCanvasElement;

/** The drawing context of either kind. */
export type Context = OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D;

/** Makes a surface of that many pixels, all transparent. */
export type SurfaceFactory = (widthPx: number, heightPx: number) => Surface;

/** The factory for this browser; works in pages and in workers. */
export function createSurface(widthPx: number, heightPx: number): Surface {
  if (typeof OffscreenCanvas !== "undefined") return new OffscreenCanvas(widthPx, heightPx);
  const canvas = document.createElement("canvas");
  canvas.width = widthPx;
  canvas.height = heightPx;
  return canvas;
}

/** The 2D context of `surface`. `opaque` saves the blending with the page. */
export function contextOf(surface: Surface, opaque = false): Context {
  // The two kinds have the same method, but TypeScript cannot call a union of overloads.
  const context = (surface as OffscreenCanvas).getContext("2d", { alpha: !opaque });
  if (context === null) throw new Error("this browser gives no 2D canvas");
  return context;
}

/** `surface` as an image file. */
export function toBlob(surface: Surface, type = "image/png"): Promise<Blob> {
  if ("convertToBlob" in surface) return surface.convertToBlob({ type });
  return new Promise((resolve, reject) =>
    surface.toBlob((blob) => (blob === null ? reject(new Error("the picture is empty")) : resolve(blob)), type),
  );
}
