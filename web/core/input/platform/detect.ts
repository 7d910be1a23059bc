/** Operating systems whose keyboards behave differently in browsers. */
export type Platform = "windows" | "mac" | "linux" | "ios" | "android";

interface UserAgentData {
  readonly platform?: string;
}

/** The system this page runs on; `linux` for everything that behaves like it. */
export function detectPlatform(nav: Navigator = navigator): Platform {
  const hint = (nav as Navigator & { userAgentData?: UserAgentData }).userAgentData?.platform ?? "";
  const text = hint + " " + nav.platform + " " + nav.userAgent;
  if (/android/i.test(text)) return "android";
  if (/iphone|ipad|ipod/i.test(text)) return "ios";
  // An iPad that asks for desktop pages calls itself a Mac; Macs have no touch screen.
  if (/mac/i.test(text)) return nav.maxTouchPoints > 1 ? "ios" : "mac";
  if (/win/i.test(text)) return "windows";
  return "linux";
}

/** Whether Command and Option stand where other systems have Ctrl and Alt. */
export function isApple(platform: Platform): boolean {
  return platform === "mac" || platform === "ios";
}
