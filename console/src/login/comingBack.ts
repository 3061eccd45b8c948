/** Single sign-on leads away and back to the beginning: the address that was asked for waits in this tab until then. */

const KEY = "groundplane.comeBack";
const BEGINNING = "/console/";

/** Called where the way leads away. */
export function comeBack(): void {
  sessionStorage.setItem(KEY, location.pathname + location.search + location.hash);
}

/** Called once there is a session, before the first page is chosen: only the beginning gives way, and only once. */
export function goBack(): void {
  const asked = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  if (asked?.startsWith(BEGINNING) && location.pathname === BEGINNING) history.replaceState(null, "", asked);
}
