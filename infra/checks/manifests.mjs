// Holds manifests of Argo CD, Flux and Istio to the schemas that those projects publish: values by the
// schema, and keys by the types that are made from it, since a schema of Kubernetes lets unknown keys pass.
//
//   node infra/checks/manifests.mjs FILE...

import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

const PACKAGES = { 'argoproj.io': 'argo-cd', 'fluxcd.io': 'flux-cd', 'istio.io': 'istio' };

/** Where a manifest's model is, and the manifest. */
function read(files) {
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
      const manifest = document.toJS();
      const { apiVersion, kind, metadata } = manifest;
      const group = Object.keys(PACKAGES).find((name) => apiVersion.split('/')[0].endsWith(name));
      if (group === undefined) throw new Error(`${file}: no schema is known for ${apiVersion}`);
      const module = `@kubernetes-models/${PACKAGES[group]}/${apiVersion}/${kind}`;
      return { where: `${file}: ${kind} ${metadata?.name}`, kind, module, manifest };
    }),
  );
}

async function wrongValues({ where, kind, module, manifest }) {
  const model = (await import(module))[kind];
  try {
    new model(manifest).validate();
    return [];
  } catch (error) {
    return [`${where}: ${error.message}`];
  }
}

/** As if somebody had written the manifests in TypeScript: a line of the one file each. */
function wrongKeys(manifests) {
  const file = path.join(path.dirname(fileURLToPath(import.meta.url)), 'manifests-as-code.ts');
  const lines = manifests.map(({ kind, module, manifest }) => `((x: import('${module}').I${kind}) => x)(${JSON.stringify(manifest)});`);
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, noEmit: true, skipLibCheck: true, strict: true, types: [] };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(file, lines.join('\n'), rest[0]) : getSourceFile.call(host, name, ...rest);
  return ts.getPreEmitDiagnostics(ts.createProgram([file], options, host)).map((diagnostic) => {
    const line = diagnostic.file?.fileName === file ? diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start).line : undefined;
    return `${manifests[line]?.where ?? ''}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')}`;
  });
}

const manifests = read(process.argv.slice(2));
const problems = [...(await Promise.all(manifests.map(wrongValues))).flat(), ...wrongKeys(manifests)];
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
console.log(`${manifests.length} manifests fit the schemas of Argo CD, Flux and Istio`);
