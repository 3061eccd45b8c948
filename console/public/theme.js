// Runs before the first paint, so that a dark page never flashes white. The rest of the theme's life is src/shell/theme.ts.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("groundplane.theme");
  } catch {
    // Storage may be forbidden; then the system decides.
  }
  var dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
