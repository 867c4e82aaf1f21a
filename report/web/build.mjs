// Bundles src/main.js and the libraries it uses into one script that runs without a network.
//   node build.mjs --out FILE [--modules DIR]     DIR: a node_modules folder; default: the one beside this file
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({ options: { out: { type: 'string' }, modules: { type: 'string' } } });
const modules = resolve(values.modules ?? join(here, 'node_modules'));
const out = resolve(values.out ?? join(here, 'dist', 'bundle.js'));

const esbuild = createRequire(join(modules, 'esbuild', 'package.json'))('esbuild');
const result = await esbuild.build({
  entryPoints: [join(here, 'src', 'main.js')],
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2020',
  charset: 'ascii',
  legalComments: 'none',
  nodePaths: [modules],
  logLevel: 'warning',
  write: false,
});

const packages = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')).dependencies;
const notice = `/* Orrery's report page. Bundled: ${Object.entries(packages)
  .map(([name, version]) => `${name} ${version}`)
  .join(', ')} (Copyright Mike Bostock, ISC License). */\n`;
const script = notice + result.outputFiles[0].text;
if (/<\/script/i.test(script)) throw new Error('the bundle holds "</script", which would end its element');
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, script);
