import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where programs are that `PATH` does not always have. */
const MORE_PLACES = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/lib/openssh", "/usr/libexec/openssh"];

/** Programs by the name the tests call them, each with the files that may be it. */
const ALIASES = {
  chromium: [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"],
  display: ["display-im6.q16", "display"],
  // The wrapper of the same name does not start servers for everyone.
  Xorg: ["/usr/lib/xorg/Xorg"],
  xorgxrdp: ["/etc/X11/xrdp/xorg.conf"],
  fusermount: ["fusermount", "fusermount3"],
  convert: ["convert-im6.q16", "convert"],
};

/** What a real desktop needs. */
export const DESKTOP = ["Xvnc", "vncpasswd", "openbox", "xterm", "xsetroot", "xdotool", "xwd", "xwininfo", "xprop", "display", "convert"];
/** What a real xrdp needs with a desktop of its own behind. */
export const XRDP = [
  ...DESKTOP.filter((program) => !["Xvnc", "vncpasswd"].includes(program)),
  ...["xrdp", "xrdp-chansrv", "openssl", "fusermount", "Xorg", "xorgxrdp"],
];
/** What FreeRDP's shadow server needs. */
export const SHADOW = [...DESKTOP, "freerdp-shadow-cli", "winpr-hash"];
/** What a real SSH server needs. */
export const SSH = ["sshd", "ssh-keygen"];
/** What a real SSH server needs that has files, too. */
export const SFTP = [...SSH, "sftp-server"];

/**
 * Path of an installed program.
 * @param {string} program
 * @returns {string | null}
 */
export function find(program) {
  const places = [...(process.env.PATH ?? "").split(delimiter), ...MORE_PLACES];
  for (const name of ALIASES[program] ?? [program]) {
    if (!name) continue;
    const candidates = name.includes("/") ? [name] : places.map((place) => join(place, name));
    const found = candidates.find((candidate) => existsSync(candidate));
    if (found) return found;
  }
  return null;
}

/**
 * Path of a program that {@link lacking} has found to be there.
 * @param {string} program
 */
export function need(program) {
  const path = find(program);
  if (path === null) throw new Error(`${program} is not installed`);
  return path;
}

/**
 * The `skip` option of a suite: false when everything is installed, else a reason, said loudly.
 * In CI a missing program is a failure.
 * @param {readonly string[]} programs
 * @returns {string | false}
 */
export function lacking(...programs) {
  const missing = ["chromium", ...programs].filter((program) => find(program) === null);
  if (missing.length === 0) return false;
  const reason = `not installed: ${missing.join(", ")}`;
  if (process.env.CI) throw new Error(reason);
  console.error(`SKIPPED, ${reason}`);
  return reason;
}
