import type { Zoom } from "../../state/prefs.svelte";
import type { Size } from "../../state/size";

export const ZOOM_STEP = 0.1;
export const MIN_ZOOM = 0.1;
export const MAX_ZOOM = 4;

/** A picture this close to sharp is shown sharp: a size asked for is not always met to the pixel. */
const SNAP = 0.02;

/**
 * CSS pixels per picture pixel. "fit" shows the whole picture as large as the place allows; a
 * number is device pixels per picture pixel.
 */
export function scaleOf(zoom: Zoom, picture: Size, placeCss: { width: number; height: number }, ratio: number): number {
  if (zoom !== "fit") return zoom / ratio;
  if (picture.widthPx < 1 || picture.heightPx < 1 || placeCss.width < 1 || placeCss.height < 1) return 1 / ratio;
  const fit = Math.min(placeCss.width / picture.widthPx, placeCss.height / picture.heightPx);
  const sharp = 1 / ratio;
  return fit >= sharp * (1 - 1e-6) && fit <= sharp * (1 + SNAP) ? sharp : fit;
}

/** The next zoom up or down, from what is shown now (device pixels per picture pixel). */
export function stepZoom(shown: number, direction: 1 | -1): number {
  const steps = Math.round(shown / ZOOM_STEP) + direction;
  return Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, Number((steps * ZOOM_STEP).toFixed(2))));
}

/** Whole factors are drawn as blocks, not blurred. */
export function isPixelated(scale: number, ratio: number): boolean {
  const factor = scale * ratio;
  return factor >= 1 && Math.abs(factor - Math.round(factor)) < 1e-3;
}
