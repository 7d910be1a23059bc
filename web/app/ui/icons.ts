/**
 * Outlines on a grid of 24, drawn with a round stroke of 1.75. One path each, so that an icon
 * costs a string and unused ones are left out of the build.
 */
export const search = "M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13zM20 20l-4.8-4.8";
export const chevronRight = "M9.5 6.5L15 12l-5.5 5.5";
export const chevronDown = "M6.5 9.5L12 15l5.5-5.5";
export const close = "M6.5 6.5l11 11M17.5 6.5l-11 11";
export const sun =
  "M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4";
export const moon = "M20 14.5A8.5 8.5 0 1 1 9.5 4A7 7 0 0 0 20 14.5z";
export const user =
  "M12 4a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM4.5 20.5c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5";
export const sliders =
  "M4 7.5h10M18 7.5h2M4 16.5h2M10 16.5h10M16 5.5a2 2 0 1 0 0 4a2 2 0 0 0 0-4zM8 14.5a2 2 0 1 0 0 4a2 2 0 0 0 0-4z";
export const logOut = "M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4 4-4 4M19 12H9.5";
export const eye =
  "M2.5 12S6 5.5 12 5.5S21.5 12 21.5 12S18 18.5 12 18.5S2.5 12 2.5 12zM12 9.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 0 0 0-5.6z";
export const eyeOff =
  "M4 4l16 16M10 5.7a9.8 9.8 0 0 1 2-.2c6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-2.6 3.4M6.3 7.3A16 16 0 0 0 2.5 12s3.5 6.5 9.5 6.5c1.5 0 2.9-.4 4.1-1";
export const folder =
  "M3.5 7a2 2 0 0 1 2-2h4l2 2.5h7a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2z";
export const layers = "M12 3.5L20.5 8L12 12.5L3.5 8zM3.5 12.3L12 16.8l8.5-4.5M3.5 16.5L12 21l8.5-4.5";
export const terminal = "M5 7l5 5-5 5M12.5 17.5H19";
export const monitor =
  "M4.5 4.5h15A1.5 1.5 0 0 1 21 6v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15V6a1.5 1.5 0 0 1 1.5-1.5zM12 16.5V20M8 20h8";
export const keyboard =
  "M4 6h16a1.5 1.5 0 0 1 1.5 1.5v9A1.5 1.5 0 0 1 20 18H4a1.5 1.5 0 0 1-1.5-1.5v-9A1.5 1.5 0 0 1 4 6zM8 14.5h8M6.5 10h.01M10.2 10h.01M13.8 10h.01M17.5 10h.01";
export const clipboard =
  "M9 3.8h6v3.4H9zM9 5.5H7A1.5 1.5 0 0 0 5.5 7v12A1.5 1.5 0 0 0 7 20.5h10a1.5 1.5 0 0 0 1.5-1.5V7A1.5 1.5 0 0 0 17 5.5h-2";
export const maximize =
  "M4 9V5a1 1 0 0 1 1-1h4M15 4h4a1 1 0 0 1 1 1v4M20 15v4a1 1 0 0 1-1 1h-4M9 20H5a1 1 0 0 1-1-1v-4";
export const minimize =
  "M9 4v4a1 1 0 0 1-1 1H4M20 9h-4a1 1 0 0 1-1-1V4M15 20v-4a1 1 0 0 1 1-1h4M4 15h4a1 1 0 0 1 1 1v4";
export const panel =
  "M5 4.5h14A1.5 1.5 0 0 1 20.5 6v12a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 18V6A1.5 1.5 0 0 1 5 4.5zM14.5 4.5v15";
export const home = "M4 11l8-7l8 7v8a1 1 0 0 1-1 1h-4.5v-5.5h-5V20H5a1 1 0 0 1-1-1z";
export const power = "M12 3.5v8M6.8 6.8a7.5 7.5 0 1 0 10.4 0";
export const zoomIn = `${search}M10.5 8v5M8 10.5h5`;
export const alert = "M12 4.5L21 20H3zM12 10.5v4M12 17.2v.01";
export const info = "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.6v.01";
export const check = "M5 12.5L9.5 17L19 7.5";
export const refresh =
  "M20 11.5A8 8 0 0 0 6 6.3l-2 2M4 4v4.3h4.3M4 12.5a8 8 0 0 0 14 5.2l2-2M20 20v-4.3h-4.3";
export const minus = "M6 12h12";
export const plus = "M12 6v12M6 12h12";
export const mouse =
  "M12 3.5A5.5 5.5 0 0 1 17.5 9v6a5.5 5.5 0 0 1-11 0V9A5.5 5.5 0 0 1 12 3.5zM12 3.5V10";
export const play = "M8 5.5L18 12L8 18.5z";
export const wifiOff =
  "M4 4l16 16M2.5 9.5a14 14 0 0 1 4.2-2.7M10.3 5.7A14 14 0 0 1 21.5 9.5M6 13.2a9 9 0 0 1 4-2.2M14.7 11.2A9 9 0 0 1 18 13.2M9.3 16.6a4 4 0 0 1 5.4 0M12 19.8v.01";
export const copy =
  "M10 8.5h8.5A1.5 1.5 0 0 1 20 10v8.5a1.5 1.5 0 0 1-1.5 1.5H10a1.5 1.5 0 0 1-1.5-1.5V10A1.5 1.5 0 0 1 10 8.5zM15.5 8.5V5.5A1.5 1.5 0 0 0 14 4H5.5A1.5 1.5 0 0 0 4 5.5V14a1.5 1.5 0 0 0 1.5 1.5h3";
/** The keyboard with a sign that it comes up from below. */
export const keyboardUp = `${keyboard}M9.5 21.5L12 20l2.5 1.5`;
