import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

/** `vite react` and `vite vue` serve an example, `vite build react` and `vite build vue` bundle it. */
export default defineConfig({
  // Relative addresses: the gateway, or a proxy before it, may serve them at any path.
  base: "./",
  esbuild: { jsx: "automatic" },
  plugins: [vue({ template: { compilerOptions: { isCustomElement: (tag) => tag.startsWith("pv-") } } })],
});
