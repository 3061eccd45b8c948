import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import typescript from "typescript-eslint";

export default defineConfig(
  { ignores: ["src/api/*.d.ts", "node_modules", "test-results"] },
  js.configs.recommended,
  typescript.configs.strictTypeChecked,
  hooks.configs.flat["recommended-latest"],
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js", "public/*.js"] } },
    },
  },
  {
    files: ["public/*.js"],
    languageOptions: { globals: { localStorage: "readonly", matchMedia: "readonly", document: "readonly" } },
  },
  {
    rules: {
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/no-unused-vars": ["error", { ignoreRestSiblings: true }],
      // Numbers in sentences are meant.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // Cloudscape's handlers answer nothing; an arrow that passes a call on is how they are written.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
);
