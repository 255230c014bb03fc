// What is installed where: read from the context of `cdk.json` or of `-c`, and refused as a whole
// where it makes no sense, before anything is synthesised.

import { existsSync, readFileSync } from 'node:fs';
import * as path from 'node:path';

import { RemovalPolicy } from 'aws-cdk-lib';
import type { Node } from 'constructs';

/** Where the chart is installed. */
export const NAMESPACE = 'carbon-kube';

const ROOT = path.resolve(__dirname, '../../..');

/** One region with one cluster. */
export interface Site {
  readonly name: 'primary' | 'secondary';
  readonly clusterName: string;
  readonly region: string;
  /** The grid that the region draws from, by `core/data/cloud_regions.csv`. */
  readonly gridZone: string;
  /** Address range of the VPC; the two must not overlap, or they can never be peered. */
  readonly cidr: string;
}

export interface Settings {
  readonly environment: string;
  readonly sites: readonly [Site, Site];
  readonly kubernetesVersion: string;
  readonly nodes: { readonly instanceType: string; readonly min: number; readonly max: number; readonly diskGib: number };
  readonly natGateways: number;
  /** Who may reach the API server from outside of the VPC. Empty: nobody. */
  readonly apiServerCidrs: readonly string[];
  /** IAM roles that administer the cluster. Empty: only the stacks themselves. */
  readonly adminRoleArns: readonly string[];
  readonly mode: 'off' | 'observe' | 'enforce';
  readonly removal: RemovalPolicy;
  /** Folder of the Helm chart. */
  readonly chart: string;
  /** Values over those of `infra/cdk/values.yaml`. */
  readonly values: Record<string, unknown>;
  readonly tags: Record<string, string>;
}

/** The keys of an environment, and what each is where it is left out. */
const DEFAULTS = {
  primary: undefined,
  secondary: undefined,
  kubernetesVersion: '1.35',
  nodes: { instanceType: 'm7i.large', min: 3, max: 12, diskGib: 80 },
  natGateways: 3,
  apiServerCidrs: [] as string[],
  adminRoleArns: [] as string[],
  mode: 'observe',
  retain: true,
  values: {},
  tags: {} as Record<string, string>,
};

/**
 * Reads the environment that the context names.
 *
 * @throws Error where a key is unknown, a region has no grid zone, both sites are on one grid, or a number is absurd.
 */
export function read(node: Node): Settings {
  const environment: string = node.tryGetContext('environment') ?? 'production';
  const environments: Record<string, object> = node.tryGetContext('environments') ?? {};
  const given = environments[environment];
  if (given === undefined) {
    throw new Error(`no environment \`${environment}\` in the context: there is ${Object.keys(environments).join(', ')}`);
  }
  refuseUnknown(given, Object.keys(DEFAULTS), environment);
  const all = { ...DEFAULTS, ...given } as typeof DEFAULTS;
  refuseUnknown(all.nodes, Object.keys(DEFAULTS.nodes), `${environment}.nodes`);
  const nodes = { ...DEFAULTS.nodes, ...all.nodes };
  if (!(nodes.min >= 1 && nodes.max >= nodes.min && nodes.diskGib >= 20)) {
    throw new Error(`${environment}.nodes: give 1 <= min <= max and a disk of at least 20 GiB`);
  }
  if (!['off', 'observe', 'enforce'].includes(all.mode)) {
    throw new Error(`${environment}.mode: \`${all.mode}\` is none of off, observe, enforce`);
  }
  if (all.apiServerCidrs.some((cidr) => cidr.endsWith('/0'))) {
    throw new Error(`${environment}.apiServerCidrs: an API server that is open to everybody is refused`);
  }
  const sites = [site(environment, 'primary', all.primary), site(environment, 'secondary', all.secondary)] as const;
  if (sites[0].gridZone === sites[1].gridZone) {
    throw new Error(`both sites draw from the grid ${sites[0].gridZone}: choose regions with different grids`);
  }
  if (overlap(sites[0].cidr, sites[1].cidr)) {
    throw new Error(`the sites have the addresses ${sites[0].cidr} and ${sites[1].cidr}: choose ranges that do not overlap`);
  }
  return {
    environment,
    sites,
    kubernetesVersion: all.kubernetesVersion,
    nodes,
    natGateways: all.natGateways,
    apiServerCidrs: all.apiServerCidrs,
    adminRoleArns: all.adminRoleArns,
    mode: all.mode as Settings['mode'],
    removal: all.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    chart: chartFolder(node.tryGetContext('chart')),
    values: all.values,
    tags: { 'carbon-kube.io/environment': environment, ...all.tags },
  };
}

/** Whether two ranges of IPv4 addresses, such as 10.40.0.0/16, have an address in common. */
function overlap(a: string, b: string): boolean {
  const bits = (cidr: string) => Number(cidr.split('/')[1]);
  const number = (cidr: string) => cidr.split('/')[0]!.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  // The same leading bits, as many as the larger range has.
  const size = 2 ** (32 - Math.min(bits(a), bits(b)));
  return Math.floor(number(a) / size) === Math.floor(number(b) / size);
}

function site(environment: string, name: Site['name'], given: unknown): Site {
  const { region, cidr } = (given ?? {}) as Partial<Site>;
  if (!region || !cidr) {
    throw new Error(`${environment}.${name}: give a region and a cidr`);
  }
  refuseUnknown(given as object, ['region', 'cidr'], `${environment}.${name}`);
  const gridZone = gridZones().get(region);
  if (gridZone === undefined) {
    throw new Error(`${environment}.${name}: no grid zone is known for the region \`${region}\` (core/data/cloud_regions.csv)`);
  }
  return { name, clusterName: `carbon-kube-${environment}-${name}`, region, gridZone, cidr };
}

/** Region of AWS to grid zone: the table that the extender and the poller are compiled with. */
export function gridZones(): Map<string, string> {
  const rows = readFileSync(path.join(ROOT, 'core/data/cloud_regions.csv'), 'utf8').trim().split('\n').slice(1);
  const columns = rows.map((row) => row.split(','));
  return new Map(columns.filter(([provider]) => provider === 'aws').map(([, region, zone]) => [region!, zone!]));
}

function chartFolder(given: string | undefined): string {
  const folder = path.resolve(given ?? path.join(ROOT, 'charts/carbon-kube'));
  if (!existsSync(path.join(folder, 'Chart.yaml'))) {
    throw new Error(`no Helm chart in ${folder}: give its folder with -c chart=FOLDER`);
  }
  return folder;
}

function refuseUnknown(given: object, known: readonly string[], where: string): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new Error(`${where}: unknown key \`${unknown}\`; known are ${known.join(', ')}`);
  }
}
