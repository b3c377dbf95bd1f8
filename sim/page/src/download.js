// Hands a file to the reader.

/** The name of a file about this run, and about event `number` of it: `blockjob-MIR-02-mirror-event211.svg`. */
export function fileName(document, number, ending) {
  const parts = ['blockjob', document.bug, document.scenario, number === null ? null : `event${number}`];
  const name = parts.filter(Boolean).join('-').replace(/[^A-Za-z0-9.-]+/g, '-');
  return `${name}.${ending}`;
}

/**
 * @param {string} name
 * @param {Blob|string} content
 * @param {string} [type]
 */
export function download(name, content, type = 'text/plain') {
  const blob = typeof content === 'string' ? new Blob([content], { type }) : content;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads the file after the click: it is let go of later.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
