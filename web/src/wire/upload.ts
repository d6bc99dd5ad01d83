// Uploading a file with its progress, which fetch does not tell.
import { Problem, problemFrom, reportSignedOut } from './http.ts';
import type { Upload } from './types.ts';

/** Sends `file` as the raw body of POST /v1/uploads; `progress` is told shares from 0 to 1. Throws `Problem`. */
export function upload(file: Blob, type: string, progress: (share: number) => void, signal: AbortSignal): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', '/v1/uploads');
    request.setRequestHeader('content-type', type);
    request.setRequestHeader('accept', 'application/json');
    request.upload.onprogress = (event) => { if (event.lengthComputable) progress(event.loaded / event.total); };
    request.onerror = () => reject(new Problem(0, 'offline', 'The server could not be reached.'));
    request.onabort = () => reject(new Problem(0, 'aborted', 'The upload was stopped.'));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) { resolve(JSON.parse(request.responseText) as Upload); return; }
      if (request.status === 401) reportSignedOut();
      reject(problemFrom(request.status, request.responseText, request.getResponseHeader('retry-after')));
    };
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}
