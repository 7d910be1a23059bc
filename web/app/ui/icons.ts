/**
 * Outlines on a grid of 24, drawn with a round stroke of 1.75. One path each, so that an icon
 * costs a string. These are needed before the login; others are beside, by the page that needs them.
 */
export const eye =
  "M2.5 12S6 5.5 12 5.5S21.5 12 21.5 12S18 18.5 12 18.5S2.5 12 2.5 12zM12 9.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 0 0 0-5.6z";
export const eyeOff =
  "M4 4l16 16M10 5.7a9.8 9.8 0 0 1 2-.2c6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-2.6 3.4M6.3 7.3A16 16 0 0 0 2.5 12s3.5 6.5 9.5 6.5c1.5 0 2.9-.4 4.1-1";
export const alert = "M12 4.5L21 20H3zM12 10.5v4M12 17.2v.01";
export const info = "M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.6v.01";
export const close = "M6.5 6.5l11 11M17.5 6.5l-11 11";
export const refresh =
  "M20 11.5A8 8 0 0 0 6 6.3l-2 2M4 4v4.3h4.3M4 12.5a8 8 0 0 0 14 5.2l2-2M20 20v-4.3h-4.3";
export const wifiOff =
  "M4 4l16 16M2.5 9.5a14 14 0 0 1 4.2-2.7M10.3 5.7A14 14 0 0 1 21.5 9.5M6 13.2a9 9 0 0 1 4-2.2M14.7 11.2A9 9 0 0 1 18 13.2M9.3 16.6a4 4 0 0 1 5.4 0M12 19.8v.01";
export const check = "M5 12.5L9.5 17L19 7.5";
