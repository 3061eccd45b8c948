/** What is wrong with a change of the password before anybody is asked. The API's own rules hold anyway. */

export interface Entries {
  password: string;
  next: string;
  again: string;
}

const SHORTEST = 12;
const LONGEST = 256;

export function faultsOf({ password, next, again }: Entries): Partial<Entries> {
  const faults: Partial<Entries> = {};
  // The API counts characters as people do, not the halves of which some are made here.
  const length = Array.from(next).length;
  if (!password) faults.password = "Type your password as it is: who only found this page open has none.";
  if (length < SHORTEST) faults.next = `It has ${length} characters; at least ${SHORTEST} are needed.`;
  else if (length > LONGEST) faults.next = `It has ${length} characters; at most ${LONGEST} are possible.`;
  else if (next === password) faults.next = "It is the password that you have.";
  if (next !== again) faults.again = "It is not the same as the new password.";
  return faults;
}
