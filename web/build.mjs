// Bundles the scripts and styles of the site: hashed files and manifest.json into marketplace/web/static/build/.
//
// The manifest maps the name that a template asks for to its file. Where a plain file of that name is served when
// nothing was built, `source` is the SHA-256 of it: a plain file that changed since is served instead of its bundle.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const plainFolder = join(here, "..", "marketplace", "web", "static");
const outFolder = join(plainFolder, "build");

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/app.ts", join(plainFolder, "card.js"), join(plainFolder, "app.css")],
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "iife",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  entryNames: "[name].[hash]",
  outdir: outFolder,
  metafile: true,
  write: false,
  logLevel: "warning",
});

const entries = {};
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  const file = basename(path);
  const name = file.replace(/\.[A-Z0-9]{8}\./, ".");
  const source = join(here, output.entryPoint);
  const isPlain = dirname(source) === plainFolder;
  entries[name] = { file, source: isPlain ? createHash("sha256").update(await readFile(source)).digest("hex") : null };
}

// Files first, then the manifest in one step, then what nothing names any more: a running site never misses a file.
await mkdir(outFolder, { recursive: true });
for (const file of result.outputFiles) await writeFile(join(outFolder, basename(file.path)), file.contents);
const manifest = { inputs: process.env.SFA_INPUTS_DIGEST ?? "", entries };
await writeFile(join(outFolder, "manifest.json.new"), `${JSON.stringify(manifest, null, 1)}\n`);
await rename(join(outFolder, "manifest.json.new"), join(outFolder, "manifest.json"));
const kept = new Set(["manifest.json", ...Object.values(entries).map((entry) => entry.file)]);
for (const file of await readdir(outFolder)) if (!kept.has(file)) await rm(join(outFolder, file));
