/** English messages for those who follow a link to somebody's session. */
export const visit = {
  "visit.over": "This link is no longer valid. Ask for a new one.",
} as const;
