// Which attachments can be looked at here, without anything of them running.
import type { Attachment } from '../wire/types.ts';

const pictures = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);
/** Octets of a picture, and of a text, that are shown. */
const PICTURE = 20_000_000;
const TEXT = 500_000;

/** How to show it: as a picture of dots (what is drawn may run), as text, or not at all. The server serves the same pictures in place. */
export function previewOf({ content_type, size }: Pick<Attachment, 'content_type' | 'size'>): 'picture' | 'text' | null {
  const type = content_type.toLowerCase();
  if (pictures.has(type)) return size <= PICTURE ? 'picture' : null;
  return size <= TEXT && (type.startsWith('text/') || type === 'application/json') ? 'text' : null;
}
