// Run from the project's root: `npm run lint`.
import js from "@eslint/js";
import globals from "globals";

const MODULES = ["pycawamp/web/static/**/*.js"];
const JOINED = "pycawamp/web/modules.py joins modules, and does not know this form";

export default [
  { ignores: ["js/lib/**", "js/examples/*/dist/**"] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-shadow": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  {
    files: MODULES,
    languageOptions: { globals: globals.browser },
    rules: {
      "no-console": ["error", { allow: ["error"] }],
      "no-restricted-syntax": [
        "error",
        ...[
          "ImportDefaultSpecifier",
          "ImportNamespaceSpecifier",
          "ImportDeclaration[specifiers.length=0]",
          "ImportExpression",
          "MetaProperty[meta.name='import']",
          "ExportAllDeclaration",
          "ExportDefaultDeclaration",
          "ExportNamedDeclaration[source=null][specifiers.length>0]",
          "ExportNamedDeclaration > VariableDeclaration[kind='let']",
          "ExportNamedDeclaration > VariableDeclaration > VariableDeclarator > :not(Identifier).id",
        ].map((selector) => ({ selector, message: JOINED })),
      ],
    },
  },
  {
    // Scripts that share their globals, as old pages load them.
    files: ["pycawamp/web/displays/**/*.js"],
    languageOptions: { globals: globals.browser, sourceType: "script" },
    rules: { "no-unused-vars": ["error", { vars: "local" }] },
  },
  { files: ["js/**/*.js"], languageOptions: { globals: globals.nodeBuiltin } },
  { files: ["js/**/*.cjs"], languageOptions: { globals: globals.node, sourceType: "commonjs" } },
];
