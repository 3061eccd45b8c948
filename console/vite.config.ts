/** How the console is built: below /console/, with compressed copies beside what is text; and how it is developed. */

import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

import react from "@vitejs/plugin-react";
import { type Plugin, defineConfig, runnerImport } from "vite";

const OUTPUT = "../src/groundplane/console";
/** The installation that `npm run dev` speaks to. */
const INSTALLATION = process.env["GROUNDPLANE_URL"] ?? "http://127.0.0.1:8700";

/** Compresses once, as well as can be, what the api would otherwise compress for each browser. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    apply: "build",
    async closeBundle() {
      const names = (await readdir(OUTPUT, { recursive: true })).filter((name) =>
        /\.(js|css|html|svg|json)$/.test(name),
      );
      await Promise.all(names.map((name) => compress(join(OUTPUT, name))));
    },
  };
}

async function compress(path: string): Promise<void> {
  const bytes = await readFile(path);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, { params }));
  await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
}

/** `virtual:look.css`: the style sheet of src/look.config.ts. */
function look(): Plugin {
  const id = "virtual:look.css";
  return {
    name: "look",
    resolveId: (asked) => (asked === id ? `\0${id}` : undefined),
    async load(asked) {
      if (asked !== `\0${id}`) return undefined;
      const { module } = await runnerImport<{ stylesheet: string }>("./src/look.config.ts", {
        configFile: false,
        resolve: { noExternal: [/@cloudscape-design/] },
      });
      return module.stylesheet;
    },
  };
}

export default defineConfig({
  base: "/console/",
  plugins: [react(), look(), precompressed()],
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    target: "es2022",
    // Nothing inline: the Content-Security-Policy allows what comes from here, as files.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
  },
  // The api lets cookies in from its own pages only: it has to see the address that the browser sees.
  server: { proxy: { "^/(api|docs)": { target: INSTALLATION, changeOrigin: false } } },
});
