/** A serial console's bytes as text that can be read and searched. */

// eslint-disable-next-line no-control-regex -- escape sequences are what is looked for
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
// eslint-disable-next-line no-control-regex -- all but tab and line feed
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** Without colours and cursor movements; a carriage return begins the line anew, as terminals do. */
export function readable(text: string): string {
  return text
    .replace(ESCAPES, "")
    .replace(/\r+\n/g, "\n")
    .replace(/[^\n]*\r(?=[^\n])/g, "")
    .replace(CONTROLS, "");
}

export interface Piece {
  text: string;
  /** Which match it is, from 0; null for what is between. */
  match: number | null;
}

/** The text cut at the matches of a search, letter case aside. Stops marking after `most`. */
export function cut(text: string, wanted: string, most = 1000): Piece[] {
  if (!wanted) return [{ text, match: null }];
  const low = text.toLowerCase();
  const needle = wanted.toLowerCase();
  const pieces: Piece[] = [];
  let from = 0;
  for (let match = 0; match < most; match++) {
    const at = low.indexOf(needle, from);
    if (at < 0) break;
    if (at > from) pieces.push({ text: text.slice(from, at), match: null });
    pieces.push({ text: text.slice(at, at + needle.length), match });
    from = at + needle.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), match: null });
  return pieces;
}
