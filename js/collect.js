// Gathers the package's files before packing. The one source is the gateway's static directory;
// what this writes is never committed.
import { cpSync, mkdirSync, rmSync } from "node:fs";

const here = (path) => new URL(path, import.meta.url);
const source = (path) => here(`../pycawamp/web/static/${path}`);

rmSync(here("lib"), { recursive: true, force: true });
mkdirSync(here("lib"));
for (const path of ["pycaserver.js", "pycaserver-elements.js", "pycaserver-html.js", "client", "elements", "html", "plot", "view"]) {
  cpSync(source(path), here(`lib/${path}`), { recursive: true });
}
cpSync(here("../LICENSE"), here("LICENSE"));
