/** Codes that devices show (RFC 8628): eight letters, with a hyphen in the middle when they are read. */

const LENGTH = 8;

/** A code as devices show it, however it was typed: "bcdf ghjk" → "BCDF-GHJK". */
export function asCode(text: string): string {
  const letters = text.toUpperCase().replace(/[^A-Z]/g, "");
  return letters.length === LENGTH ? `${letters.slice(0, LENGTH / 2)}-${letters.slice(LENGTH / 2)}` : letters;
}

export function isCode(code: string): boolean {
  return /^[A-Z]{4}-[A-Z]{4}$/.test(code);
}
