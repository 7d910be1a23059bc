import { search } from "./icons-home";

/** Outlines of the session's bar and panel; see `icons.ts`. */
export const keyboard =
  "M4 6h16a1.5 1.5 0 0 1 1.5 1.5v9A1.5 1.5 0 0 1 20 18H4a1.5 1.5 0 0 1-1.5-1.5v-9A1.5 1.5 0 0 1 4 6zM8 14.5h8M6.5 10h.01M10.2 10h.01M13.8 10h.01M17.5 10h.01";
/** The keyboard with a sign that it comes up from below. */
export const keyboardUp = `${keyboard}M9.5 21.5L12 20l2.5 1.5`;
export const clipboard =
  "M9 3.8h6v3.4H9zM9 5.5H7A1.5 1.5 0 0 0 5.5 7v12A1.5 1.5 0 0 0 7 20.5h10a1.5 1.5 0 0 0 1.5-1.5V7A1.5 1.5 0 0 0 17 5.5h-2";
export const maximize =
  "M4 9V5a1 1 0 0 1 1-1h4M15 4h4a1 1 0 0 1 1 1v4M20 15v4a1 1 0 0 1-1 1h-4M9 20H5a1 1 0 0 1-1-1v-4";
export const minimize =
  "M9 4v4a1 1 0 0 1-1 1H4M20 9h-4a1 1 0 0 1-1-1V4M15 20v-4a1 1 0 0 1 1-1h4M4 15h4a1 1 0 0 1 1 1v4";
export const panel =
  "M5 4.5h14A1.5 1.5 0 0 1 20.5 6v12a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 18V6A1.5 1.5 0 0 1 5 4.5zM14.5 4.5v15";
export const power = "M12 3.5v8M6.8 6.8a7.5 7.5 0 1 0 10.4 0";
export const zoomIn = `${search}M10.5 8v5M8 10.5h5`;
export const minus = "M6 12h12";
export const plus = "M12 6v12M6 12h12";
export const copy =
  "M10 8.5h8.5A1.5 1.5 0 0 1 20 10v8.5a1.5 1.5 0 0 1-1.5 1.5H10a1.5 1.5 0 0 1-1.5-1.5V10A1.5 1.5 0 0 1 10 8.5zM15.5 8.5V5.5A1.5 1.5 0 0 0 14 4H5.5A1.5 1.5 0 0 0 4 5.5V14a1.5 1.5 0 0 0 1.5 1.5h3";
