/** What is wrong with a change of the password before anybody is asked. The API's own rules hold anyway. */

import { LONGEST, SHORTEST, lengthOf } from "../login/passwords";

export interface Entries {
  password: string;
  next: string;
  again: string;
}

export function faultsOf({ password, next, again }: Entries): Partial<Entries> {
  const faults: Partial<Entries> = {};
  const length = lengthOf(next);
  if (!password) faults.password = "Type your password as it is: who only found this page open has none.";
  if (length < SHORTEST) faults.next = `It has ${length} characters; at least ${SHORTEST} are needed.`;
  else if (length > LONGEST) faults.next = `It has ${length} characters; at most ${LONGEST} are possible.`;
  else if (next === password) faults.next = "It is the password that you have.";
  if (next !== again) faults.again = "It is not the same as the new password.";
  return faults;
}
