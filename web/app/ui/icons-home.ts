/** Outlines of the header and the home page; see `icons.ts`. */
export const search = "M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13zM20 20l-4.8-4.8";
export const chevronRight = "M9.5 6.5L15 12l-5.5 5.5";
export const sun =
  "M12 8a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4";
export const moon = "M20 14.5A8.5 8.5 0 1 1 9.5 4A7 7 0 0 0 20 14.5z";
export const user =
  "M12 4a4 4 0 1 0 0 8a4 4 0 0 0 0-8zM4.5 20.5c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5";
export const sliders =
  "M4 7.5h10M18 7.5h2M4 16.5h2M10 16.5h10M16 5.5a2 2 0 1 0 0 4a2 2 0 0 0 0-4zM8 14.5a2 2 0 1 0 0 4a2 2 0 0 0 0-4z";
export const logOut = "M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4 4-4 4M19 12H9.5";
export const folder =
  "M3.5 7a2 2 0 0 1 2-2h4l2 2.5h7a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2z";
export const layers = "M12 3.5L20.5 8L12 12.5L3.5 8zM3.5 12.3L12 16.8l8.5-4.5M3.5 16.5L12 21l8.5-4.5";
export const terminal = "M5 7l5 5-5 5M12.5 17.5H19";
export const monitor =
  "M4.5 4.5h15A1.5 1.5 0 0 1 21 6v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15V6a1.5 1.5 0 0 1 1.5-1.5zM12 16.5V20M8 20h8";
export const home = "M4 11l8-7l8 7v8a1 1 0 0 1-1 1h-4.5v-5.5h-5V20H5a1 1 0 0 1-1-1z";
