// The stacks of both sites, and what they are checked for as they are synthesised.

import { type App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';

import { BackupStack } from './backup';
import { ClusterStack } from './cluster';
import { IdentityStack } from './identity';
import { MonitoringStack } from './monitoring';
import { NetworkStack } from './network';
import { ReleaseStack } from './release';
import { type Settings, type Site, read } from './settings';

/** Adds every stack to the app; the settings are those of its context. */
export function build(app: App): Settings {
  const settings = read(app.node);
  for (const site of settings.sites) {
    addSite(app, settings, site);
  }
  for (const [key, value] of Object.entries(settings.tags)) {
    Tags.of(app).add(key, value);
  }
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  return settings;
}

function addSite(app: App, settings: Settings, site: Site): void {
  const name = (part: string) => `CarbonKube-${settings.environment}-${site.name}-${part}`;
  const props = {
    env: { account: process.env.CDK_DEFAULT_ACCOUNT, region: site.region },
    // Whoever deletes a cluster by mistake does it twice.
    terminationProtection: settings.environment === 'production',
  };
  const { vpc } = new NetworkStack(app, name('Network'), settings, site, props);
  const { cluster } = new ClusterStack(app, name('Cluster'), settings, site, vpc, props);
  const backup = new BackupStack(app, name('Backup'), settings, site, cluster, props);
  const identity = new IdentityStack(app, name('Identity'), settings, cluster, props);
  const monitoring = new MonitoringStack(app, name('Monitoring'), site, cluster, props);
  const release = new ReleaseStack(app, name('Release'), settings, site, cluster, backup, props);
  // The pods of the release want their roles, and its monitors and rules want the kinds of Prometheus.
  release.addStackDependency(identity);
  release.addStackDependency(monitoring);
}
