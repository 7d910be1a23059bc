/** English messages of the client page that may be needed before the first picture. */
export const client = {
  "client.screen": "{name}, remote screen",
  "client.screen.help": "All keys go to the machine. Press Ctrl, Alt and Shift together to come back to this page.",
  "client.screen.help.mac": "All keys go to the machine. Press Control, Option and Shift together to come back to this page.",
  "client.state.connecting": "Connecting",
  "client.state.waiting": "Connecting",
  "client.state.connected": "Connected",
  "client.state.unstable": "Connection unstable",
  "client.state.frozen": "Waiting for the gateway",
  "client.state.reconnecting": "Reconnecting",
  "client.state.ended": "Ended",

  "client.step.heading": "Connecting to {name}",
  "client.step.gateway": "Gateway",
  "client.step.machine": "Machine",
  "client.step.signin": "Sign-in",
  "client.step.done": "{step}, done",
  "client.step.now": "{step}, in progress",
  "client.step.todo": "{step}, still to come",

  "chip.unstable": "Connection unstable",
  "chip.frozen": "Waiting for the gateway… {seconds} s",
  "chip.refused": "Keys do not arrive now",
  "chip.slow": "Slow network, {ms} ms",
  "chip.behind": "Picture {seconds} s behind",

  "bar.lockHint": "In this browser Alt+Tab and the Windows key stay with your own computer. The Keys menu sends them.",
  "bar.fullscreenRefused": "The browser refused full screen.",
  "keys.sent": "Sent {keys}",

  "clipboard.copyHere": "The machine copied text.",
  "clipboard.failed": "The machine did not take the clipboard.",

  "overlay.newSession": "This is a new session: the gateway does not hold the earlier one.",
} as const;
