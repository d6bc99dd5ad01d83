// Uploading a file with its progress, which fetch does not tell.
import { texts } from '../texts.ts';
import { Problem, problemFrom, reportSignedOut } from './http.ts';
import type { Upload } from './types.ts';

/** No progress for so long, in milliseconds, means that the connection is lost. */
const SILENCE = 60_000;

/** Sends `file` as the raw body of POST /v1/uploads; `progress` is told shares from 0 to 1. Throws `Problem`. */
export function upload(file: Blob, type: string, progress: (share: number) => void, signal: AbortSignal): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', '/v1/uploads');
    request.setRequestHeader('content-type', type);
    request.setRequestHeader('accept', 'application/json');
    // A connection that is cut says nothing for minutes: the device knows sooner, and silence is taken for it.
    let lost = false;
    const cut = (): void => { lost = true; request.abort(); };
    let silence = setTimeout(cut, SILENCE);
    addEventListener('offline', cut);
    request.onloadend = () => { clearTimeout(silence); removeEventListener('offline', cut); };
    request.upload.onprogress = (event) => {
      clearTimeout(silence);
      silence = setTimeout(cut, SILENCE);
      if (event.lengthComputable) progress(event.loaded / event.total);
    };
    request.onerror = () => reject(new Problem(0, 'offline', texts.error.offline));
    request.onabort = () => reject(lost ? new Problem(0, 'offline', texts.error.offline) : new Problem(0, 'aborted', texts.error.stopped));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) { resolve(JSON.parse(request.responseText) as Upload); return; }
      if (request.status === 401) reportSignedOut();
      reject(problemFrom(request.status, request.responseText, request.getResponseHeader('retry-after')));
    };
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}
