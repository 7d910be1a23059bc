/** A rectangle by its edges; empty when an edge is not before its opposite. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The empty box every union starts from. */
export function emptyBox(): Box {
  return { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
}

export function isEmpty(box: Box): boolean {
  return box.left >= box.right || box.top >= box.bottom;
}

/** Makes `box` cover `other` too. */
export function include(box: Box, other: Box): void {
  if (isEmpty(other)) return;
  box.left = Math.min(box.left, other.left);
  box.top = Math.min(box.top, other.top);
  box.right = Math.max(box.right, other.right);
  box.bottom = Math.max(box.bottom, other.bottom);
}

export function boxOf(x: number, y: number, width: number, height: number): Box {
  return { left: x, top: y, right: x + width, bottom: y + height };
}
