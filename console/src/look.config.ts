/**
 * Groundplane's look: what of Cloudscape's tokens is ours. `vite.config.ts` makes a style sheet of it while building, since a page
 * under our Content-Security-Policy cannot add styles to itself.
 */

import { type Theme, generateThemeStylesheet } from "@cloudscape-design/components/theming";

const theme: Theme = {
  referenceTokens: { color: { primary: "#0b7a75" } },
  tokens: {
    borderRadiusButton: "8px",
    colorBackgroundLayoutMain: { light: "#fbfcfc", dark: "#11181d" },
  },
};

export const stylesheet = generateThemeStylesheet({ theme });
