// Every icon the views may name; build/icons.ts lays exactly these into the page.
/** Names as lucide has them. */
export const iconNames = [
  'archive', 'arrow-left', 'bot', 'check', 'check-check', 'chevron-down', 'chevron-up', 'circle-check', 'circle-question-mark',
  'clock', 'clock-alert', 'cloud-check', 'cloud-off', 'download', 'file-pen-line', 'folder', 'folder-input', 'forward', 'hourglass',
  'image-off', 'inbox', 'info', 'list-checks', 'mail', 'mail-open', 'menu', 'paperclip', 'reply', 'reply-all', 'rotate-cw', 'search',
  'send', 'settings', 'shield-alert', 'square-pen', 'bell', 'bell-off', 'image', 'star', 'trash', 'triangle-alert', 'undo-2', 'x', 'calendar-clock', 'log-out', 'tag', 'users',
] as const;

/** The name of an icon in the sprite. */
export type IconName = (typeof iconNames)[number];
