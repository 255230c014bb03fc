// Carbon-Kube itself: the chart of this checkout by Helm, and a job that copies its state to the backup.

import * as path from 'node:path';
import { readFileSync } from 'node:fs';

import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';
import { parse } from 'yaml';

import type { BackupStack } from './backup';
import { backupJob } from './backup-job';
import { NAMESPACE, type Settings, type Site } from './settings';

export class ReleaseStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    settings: Settings,
    site: Site,
    cluster: eks.Cluster,
    backup: BackupStack,
    props: StackProps,
  ) {
    super(scope, id, props);
    const chart = new eks.HelmChart(this, 'Chart', {
      cluster,
      chartAsset: new Asset(this, 'ChartFiles', { path: settings.chart }),
      release: 'carbon-kube',
      namespace: NAMESPACE,
      createNamespace: true,
      // A release that does not become ready is taken back.
      atomic: true,
      wait: true,
      timeout: Duration.minutes(10),
      values: values(settings, site),
    });
    const job = new eks.KubernetesManifest(this, 'BackupJob', {
      cluster,
      manifest: backupJob(NAMESPACE, backup.destination, this.region),
    });
    job.node.addDependency(chart);
  }
}

/** The values of the file, then what the site says, then what the context says: the last one wins. */
export function values(settings: Settings, site: Site): Record<string, unknown> {
  const file = parse(readFileSync(path.join(__dirname, '../values.yaml'), 'utf8')) as Record<string, unknown>;
  return merge(merge(file, ofSite(settings, site)), settings.values);
}

function ofSite(settings: Settings, site: Site): Record<string, unknown> {
  return {
    commonLabels: { 'carbon-kube.io/environment': settings.environment },
    extender: {
      config: {
        decisions: { defaultMode: settings.mode },
        // The table that the extender is compiled with says the same; here it can be seen.
        grid: { regions: { [site.region]: site.gridZone } },
      },
    },
    poller: { config: { providers: { zones: { [site.gridZone]: {} } } } },
  };
}

/** Tables are merged key by key, as Helm does; anything else is replaced. */
function merge(below: Record<string, unknown>, above: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const old = merged[key];
    merged[key] = isTable(old) && isTable(value) ? merge(old, value) : value;
  }
  return merged;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
