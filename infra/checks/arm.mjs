// Holds an ARM template to the shapes of the resources as Azure's own clients carry them: unknown keys,
// missing ones, wrong types, values that only Azure may set, versions of the API. And to itself:
// parameters, variables and dependencies that are named exist, and those that exist are used.
//
// What this cannot know: whether an expression comes to the right value, values that a client takes as any
// text (sizes, SKUs), limits of a region or a subscription. `az deployment group validate` knows, and wants an account.
//
//   node infra/checks/arm.mjs TEMPLATE PARAMETERS

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// Type of a resource -> package, its version of the API, the shape's name.
const SHAPES = {
  'Microsoft.Authorization/roleAssignments': ['authorization', '2022-04-01', 'RoleAssignmentCreateParameters'],
  'Microsoft.ContainerService/managedClusters': ['containerservice', '2025-10-01', 'ManagedCluster'],
  'Microsoft.Insights/diagnosticSettings': ['monitor', '2017-05-01-preview', 'DiagnosticSettingsResource'],
  'Microsoft.KeyVault/vaults': ['keyvault', '2025-05-01', 'VaultCreateOrUpdateParameters'],
  'Microsoft.ManagedIdentity/userAssignedIdentities': ['msi', '2024-11-30', 'Identity'],
  'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials': [
    'msi', '2024-11-30', 'FederatedIdentityCredential',
  ],
  'Microsoft.Network/natGateways': ['network', '2025-05-01', 'NatGateway'],
  'Microsoft.Network/publicIPAddresses': ['network', '2025-05-01', 'PublicIPAddress'],
  'Microsoft.Network/virtualNetworks': ['network', '2025-05-01', 'VirtualNetwork'],
  'Microsoft.OperationalInsights/workspaces': ['operationalinsights', '2022-10-01', 'Workspace'],
  'Microsoft.Storage/storageAccounts': ['storage', '2024-01-01', 'StorageAccountCreateParameters'],
  'Microsoft.Storage/storageAccounts/blobServices': ['storage', '2024-01-01', 'BlobServiceProperties'],
  'Microsoft.Storage/storageAccounts/blobServices/containers': ['storage', '2024-01-01', 'BlobContainer'],
};

// Keys that belong to the template and not to the resource.
const OF_THE_TEMPLATE = ['type', 'apiVersion', 'name', 'dependsOn', 'scope', 'condition', 'comments', 'copy'];

const problems = [];
const say = (where, what) => problems.push(`${where}: ${what}`);

function mappers(client) {
  const root = require.resolve(`@azure/arm-${client}`).replace(/(@azure\/arm-[a-z]+)\/.*/, '$1');
  for (const folder of ['dist/commonjs', 'dist-esm/src']) {
    try {
      return readMappers(`${root}/${folder}/models/mappers.js`);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  throw new Error(`no mappers in ${root}`);
}

/** Some packages have only modules; the file is one long list of constants either way. */
function readMappers(file) {
  const text = readFileSync(file, 'utf8').replace(/^export (?:const|let) (\w+) =/gm, 'const $1 = exports.$1 =');
  const exports = {};
  new Function('exports', text)(exports);
  return exports;
}

const isExpression = (value) => typeof value === 'string' && value.startsWith('[') && value.endsWith(']');

function check(where, value, mapper, shapes) {
  if (isExpression(value)) return;
  const { type, constraints } = mapper;
  switch (type.name) {
    case 'Composite':
      return checkComposite(where, value, shapes[type.className], shapes);
    case 'Sequence':
      if (!Array.isArray(value)) return say(where, 'is not an array');
      return value.forEach((item, index) => check(`${where}[${index}]`, item, type.element, shapes));
    case 'Dictionary':
      if (typeof value !== 'object' || Array.isArray(value)) return say(where, 'is not an object');
      return Object.entries(value).forEach(([key, item]) => check(`${where}.${key}`, item, type.value, shapes));
    case 'Enum':
      if (!type.allowedValues.some((allowed) => `${allowed}`.toLowerCase() === `${value}`.toLowerCase())) {
        say(where, `\`${value}\` is none of ${type.allowedValues.join(', ')}`);
      }
      return;
    case 'Boolean':
      return typeof value === 'boolean' || say(where, 'is not a boolean');
    case 'Number':
      if (typeof value !== 'number') return say(where, 'is not a number');
      if (value < constraints?.InclusiveMinimum || value > constraints?.InclusiveMaximum) say(where, `${value} is out of range`);
      return;
    case 'String':
    case 'Uuid':
      if (typeof value !== 'string') return say(where, 'is not a text');
      if (constraints?.Pattern && !new RegExp(constraints.Pattern).test(value)) say(where, `does not match ${constraints.Pattern}`);
      return;
    default:
  }
}

/** Properties of a shape may lie deeper in the file: `properties.agentPoolProfiles`. */
function checkComposite(where, value, shape, shapes) {
  if (typeof value !== 'object' || Array.isArray(value)) return say(where, 'is not an object');
  const seen = new Set();
  for (const property of properties(shape, shapes)) {
    const path = property.serializedName.split(/(?<!\\)\./).map((part) => part.replaceAll('\\.', '.'));
    const found = path.reduce((at, key) => at?.[key], value);
    if (found === undefined || found === null) {
      if (property.required && !property.readOnly && !property.isConstant) say(where, `lacks ${path.join('.')}`);
      continue;
    }
    if (property.readOnly) say(where, `${path.join('.')} is for Azure to set`);
    seen.add(path.join('.'));
    check(`${where}.${path.join('.')}`, found, property, shapes);
  }
  refuseUnknown(where, value, [], seen, shape);
}

function properties(shape, shapes) {
  const parent = shape.type.uberParent && shapes[shape.type.uberParent];
  return Object.values({ ...(parent ? parent.type.modelProperties : {}), ...shape.type.modelProperties });
}

function refuseUnknown(where, value, path, seen, shape) {
  for (const [key, item] of Object.entries(value)) {
    const full = [...path, key].join('.');
    if (seen.has(full)) continue;
    const isWay = [...seen].some((known) => known.startsWith(`${full}.`));
    if (isWay) refuseUnknown(where, item, [...path, key], seen, shape);
    else say(where, `unknown key ${full} of ${shape.type.className}`);
  }
}

function checkResource(resource) {
  const where = `${resource.type} ${resource.name}`;
  const known = SHAPES[resource.type];
  if (known === undefined) return say(where, 'no shape is known: add its package');
  const [client, version, name] = known;
  if (resource.apiVersion !== version) say(where, `has the version ${resource.apiVersion}, and the shape is that of ${version}`);
  const shapes = mappers(client);
  const body = Object.fromEntries(Object.entries(resource).filter(([key]) => !OF_THE_TEMPLATE.includes(key)));
  checkComposite(where, body, shapes[name], shapes);
}

/** Every `parameters('x')` and `variables('x')` exists, every one that exists is used. */
function checkNames(template, text) {
  for (const kind of ['parameters', 'variables']) {
    const used = new Set([...text.matchAll(new RegExp(`${kind}\\('(\\w+)'\\)`, 'g'))].map((match) => match[1]));
    const there = Object.keys(template[kind] ?? {});
    used.forEach((name) => there.includes(name) || say(kind, `\`${name}\` is used and not there`));
    there.forEach((name) => used.has(name) || say(kind, `\`${name}\` is there and not used`));
  }
}

/** What a resource waits for is in the template, too: by type, since names are expressions. */
function checkDependencies(template) {
  const types = new Set(template.resources.map(({ type }) => type));
  for (const { type, name, dependsOn = [] } of template.resources) {
    for (const dependency of dependsOn) {
      const named = [...dependency.matchAll(/'(Microsoft\.[^']+)'/g)].map((match) => match[1]);
      // An extension names what it extends first.
      const wanted = dependency.startsWith('[extensionResourceId') ? named[1] : named[0];
      if (!types.has(wanted)) say(`${type} ${name}`, `waits for ${dependency}, which is not in the template`);
    }
    if (new Set(dependsOn).size !== dependsOn.length) say(`${type} ${name}`, 'waits for the same twice');
  }
}

/** Brackets and quotes of every expression close. */
function checkExpressions(value, where = 'template') {
  if (typeof value === 'object' && value !== null) {
    Object.entries(value).forEach(([key, item]) => {
      if (key.startsWith('[')) checkExpressions(key, where);
      checkExpressions(item, `${where}.${key}`);
    });
  } else if (typeof value === 'string' && value.startsWith('[')) {
    const outside = value.replace(/'(?:[^']|'')*'/g, '');
    const balanced = [...outside].reduce((depth, c) => (depth < 0 ? depth : depth + (c === '(') - (c === ')')), 0);
    if (!value.endsWith(']') || balanced !== 0 || outside.includes("'")) say(where, `is no whole expression: ${value}`);
  }
}

function checkParameters(template, given) {
  for (const [name, { value }] of Object.entries(given.parameters)) {
    const declared = template.parameters[name];
    if (declared === undefined) {
      say('parameters file', `\`${name}\` is no parameter of the template`);
    } else {
      const type = Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'int' : typeof value;
      if (type !== declared.type.replace('boolean', 'bool')) say('parameters file', `\`${name}\` is ${type}, not ${declared.type}`);
    }
  }
  for (const [name, { defaultValue }] of Object.entries(template.parameters)) {
    if (defaultValue === undefined && !(name in given.parameters)) say('parameters file', `lacks \`${name}\`, which has no default`);
  }
}

const [templateFile, parametersFile] = process.argv.slice(2);
const text = readFileSync(templateFile, 'utf8');
const template = JSON.parse(text);
template.resources.forEach(checkResource);
checkNames(template, text);
checkDependencies(template);
checkExpressions(template.resources);
checkExpressions(template.outputs);
checkParameters(template, JSON.parse(readFileSync(parametersFile, 'utf8')));
if (problems.length > 0) {
  console.error(problems.map((problem) => `${templateFile}: ${problem}`).join('\n'));
  process.exit(1);
}
console.log(`${templateFile}: ${template.resources.length} resources have the shape that Azure's clients know`);
