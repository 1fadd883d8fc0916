// Sets the theme before anything is painted. Without a choice of the reader the system's own counts.
(() => {
  "use strict";
  const root = document.documentElement;
  const stored = () => {
    try {
      return localStorage.getItem("bakeoff-theme");
    } catch {
      return null; // storage can be forbidden for files
    }
  };
  const chosen = stored();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      root.dataset.theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("bakeoff-theme", root.dataset.theme);
      } catch {
        // the choice then holds for this page only
      }
      document.dispatchEvent(new Event("themechange"));
    });
  });
})();
