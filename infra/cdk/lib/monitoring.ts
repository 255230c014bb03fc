// Prometheus and Grafana. Our dashboards, recording rules and alerts are in the chart, which labels them
// so that these find them; nothing is copied here.

import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import type { Construct } from 'constructs';

import type { Site } from './settings';

export const MONITORING_NAMESPACE = 'monitoring';

export class MonitoringStack extends Stack {
  constructor(scope: Construct, id: string, site: Site, cluster: eks.Cluster, props: StackProps) {
    super(scope, id, props);
    new eks.HelmChart(this, 'Stack', {
      cluster,
      repository: 'https://prometheus-community.github.io/helm-charts',
      chart: 'kube-prometheus-stack',
      version: '79.0.0',
      release: 'monitoring',
      namespace: MONITORING_NAMESPACE,
      createNamespace: true,
      atomic: true,
      wait: true,
      timeout: Duration.minutes(15),
      values: {
        prometheus: {
          prometheusSpec: {
            // Which of the clusters, and which grid: for one Grafana over both.
            externalLabels: { cluster: site.name, region: site.region, grid_zone: site.gridZone },
            retention: '30d',
            // Monitors and rules of every release, not only of this one.
            serviceMonitorSelectorNilUsesHelmValues: false,
            podMonitorSelectorNilUsesHelmValues: false,
            ruleSelectorNilUsesHelmValues: false,
          },
        },
        grafana: {
          // Empty: Grafana's chart draws one and keeps it in a Secret. Its parent has a well-known one.
          adminPassword: '',
          service: { type: 'ClusterIP' },
          sidecar: { dashboards: { enabled: true, label: 'grafana_dashboard', searchNamespace: 'ALL' } },
        },
        // EKS runs these; there is nothing to scrape.
        kubeEtcd: { enabled: false },
        kubeControllerManager: { enabled: false },
        kubeScheduler: { enabled: false },
      },
    });
  }
}
