/** How long a password is to be. The API's own rules hold anyway. */

export const SHORTEST = 12;
export const LONGEST = 256;

/** As the API counts: characters as people do, not the halves of which some are made here. */
export function lengthOf(password: string): number {
  return Array.from(password).length;
}
