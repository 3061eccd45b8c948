/** The invitation that the address carries: behind the #, which browsers send to nobody. */

export const JOIN_PATH = "/console/join";

export function isInvited(): boolean {
  return location.pathname === JOIN_PATH && invitationToken() !== "";
}

export function invitationToken(): string {
  return location.hash.slice(1);
}

/** The link to be passed on. */
export function invitationLink(token: string): string {
  return `${location.origin}${JOIN_PATH}#${token}`;
}
