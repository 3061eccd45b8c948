/** The beginning: the look, the session, and then either the login or the console. */

import "@cloudscape-design/global-styles/index.css";
import "virtual:look.css";
import "./look.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { session } from "./api/session";
import { Entrance } from "./login/Entrance";
import { startTheme } from "./shell/theme";

startTheme();
// The version that this page came from may be gone: its parts are then not found, and the new version's page is read.
addEventListener("vite:preloadError", () => {
  if (sessionStorage.getItem("groundplane.reloaded") === location.href) return;
  sessionStorage.setItem("groundplane.reloaded", location.href);
  location.reload();
});
session.renew().catch(() => undefined);

const root = document.getElementById("console");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Entrance />
    </StrictMode>,
  );
}
