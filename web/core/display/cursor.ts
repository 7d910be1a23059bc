/** A machine that hides its pointer for longer than this leaves the user without one: show a dot. */
const DOT_AFTER_MS = 3000;

/** Time the pointer of another person stays on the picture after its last move. */
const PEER_SHOWN_MS = 2000;

const DOT_IMAGE =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">' +
      '<circle cx="4.5" cy="4.5" r="3" fill="#fff" stroke="#000"/></svg>',
  );

/** The machine's pointer image. */
export interface CursorImage {
  /** Blob address, valid until the next one. */
  url: string;
  hotX: number;
  hotY: number;
}

/** Shows the machine's pointer as CSS cursor of an element, and another person's as an image. */
export class CursorView {
  readonly #element: HTMLElement;
  readonly #peer: HTMLImageElement;
  #image: CursorImage | null = null;
  #known = false;
  #shown = true;
  #scale = 1;
  #dotTimer: ReturnType<typeof setTimeout> | undefined;
  #peerTimer: ReturnType<typeof setTimeout> | undefined;
  #peerPosition = { x: 0, y: 0 };

  constructor(element: HTMLElement) {
    this.#element = element;
    this.#peer = element.ownerDocument.createElement("img");
    this.#peer.alt = "";
    this.#peer.hidden = true;
    this.#peer.style.position = "absolute";
    this.#peer.style.pointerEvents = "none";
    this.#peer.style.transformOrigin = "0 0";
    element.append(this.#peer);
  }

  get shown(): boolean {
    return this.#shown;
  }

  set shown(shown: boolean) {
    this.#shown = shown;
    this.#apply();
  }

  /** CSS pixels per picture pixel, for the size of the pointer. */
  set scale(scale: number) {
    this.#scale = scale;
    this.#apply();
    this.#placePeer();
  }

  /** Takes a new image; `null` hides the pointer. */
  set(image: { blob: Blob; hotX: number; hotY: number } | null): CursorImage | null {
    if (this.#image !== null) URL.revokeObjectURL(this.#image.url);
    this.#known = true;
    this.#image = image && { url: URL.createObjectURL(image.blob), hotX: image.hotX, hotY: image.hotY };
    clearTimeout(this.#dotTimer);
    if (this.#image === null) {
      this.#dotTimer = setTimeout(() => {
        if (this.#image === null && this.#shown) this.#element.style.cursor = 'url("' + DOT_IMAGE + '") 4 4, crosshair';
      }, DOT_AFTER_MS);
    } else {
      this.#peer.src = this.#image.url;
    }
    this.#apply();
    return this.#image;
  }

  /** Another person's pointer is at this picture pixel. */
  showPeer(x: number, y: number): void {
    if (this.#image === null) return;
    this.#peerPosition = { x, y };
    this.#peer.hidden = false;
    this.#placePeer();
    clearTimeout(this.#peerTimer);
    this.#peerTimer = setTimeout(() => (this.#peer.hidden = true), PEER_SHOWN_MS);
  }

  /** Back to how it was before the first image. */
  reset(): void {
    clearTimeout(this.#dotTimer);
    clearTimeout(this.#peerTimer);
    if (this.#image !== null) URL.revokeObjectURL(this.#image.url);
    this.#image = null;
    this.#known = false;
    this.#peer.hidden = true;
    this.#apply();
  }

  #apply(): void {
    const style = this.#element.style;
    const image = this.#image;
    if (!this.#shown || !this.#known) {
      style.cursor = "";
    } else if (image === null) {
      style.cursor = "none";
    } else {
      const hot = Math.round(image.hotX * this.#scale) + " " + Math.round(image.hotY * this.#scale);
      const url = 'url("' + image.url + '")';
      // Browsers without image-set for cursors keep the first, unscaled one.
      style.cursor = url + " " + image.hotX + " " + image.hotY + ", default";
      if (this.#scale !== 1) style.cursor = "image-set(" + url + " " + 1 / this.#scale + "x) " + hot + ", default";
    }
  }

  #placePeer(): void {
    const left = (this.#peerPosition.x - (this.#image?.hotX ?? 0)) * this.#scale;
    const top = (this.#peerPosition.y - (this.#image?.hotY ?? 0)) * this.#scale;
    this.#peer.style.left = left + "px";
    this.#peer.style.top = top + "px";
    this.#peer.style.transform = this.#scale === 1 ? "" : "scale(" + this.#scale + ")";
  }
}
