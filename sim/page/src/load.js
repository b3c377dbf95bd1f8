// How a run gets out of the page: base64 of JSON that zlib has compressed.

/**
 * The bytes that a text in base64 stands for.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function fromBase64(text) {
  const clean = text.replace(/\s+/g, '');
  const binary = atob(clean);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/**
 * What zlib has compressed, as text.
 * @param {Uint8Array} bytes
 * @returns {Promise<string>}
 */
export async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Response(stream).text();
}

/**
 * The document in a block of the page.
 * @param {string} text base64
 * @returns {Promise<object>} a document of the form `blockjob-view`
 * @throws {Error} with a sentence for the reader, if it is none
 */
export async function readDocument(text) {
  return checkDocument(JSON.parse(await inflate(fromBase64(text))));
}

/**
 * Returns `document` if this page can show it.
 * @param {any} document
 * @returns {object}
 * @throws {Error} with a sentence for the reader
 */
export function checkDocument(document) {
  if (document?.format !== 'blockjob-view') {
    throw new Error('This is no run that was recorded for this page.');
  }
  if (document.version !== 1) {
    throw new Error(`This run has version ${document.version} of the form; this page reads version 1.`);
  }
  return document;
}
