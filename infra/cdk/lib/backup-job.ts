// The job that copies the state of a release to its bucket. It mounts the ConfigMaps, so it needs no
// right in the cluster; and it may only write to the bucket, so it cannot destroy what is there.

/** What is worth keeping: the rest is the chart's, or is written anew by the poller within minutes. */
export const KEPT = ['carbon-kube-policy', 'carbon-kube-status', 'carbon-kube-threshold'];

const IMAGE = 'public.ecr.aws/aws-cli/aws-cli:2.31.0';

/** A service account and a CronJob that runs each hour. */
export function backupJob(namespace: string, destination: string, region: string): Record<string, unknown>[] {
  const labels = { 'app.kubernetes.io/name': 'carbon-kube', 'app.kubernetes.io/component': 'backup' };
  const metadata = { name: 'carbon-kube-backup', namespace, labels };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false },
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata,
      spec: {
        schedule: '17 * * * *',
        timeZone: 'Etc/UTC',
        concurrencyPolicy: 'Forbid',
        startingDeadlineSeconds: 600,
        successfulJobsHistoryLimit: 1,
        failedJobsHistoryLimit: 3,
        jobTemplate: {
          spec: {
            backoffLimit: 2,
            activeDeadlineSeconds: 240,
            template: { metadata: { labels }, spec: pod(destination, region) },
          },
        },
      },
    },
  ];
}

function pod(destination: string, region: string): Record<string, unknown> {
  return {
    serviceAccountName: 'carbon-kube-backup',
    automountServiceAccountToken: false,
    restartPolicy: 'Never',
    securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'copy',
        image: IMAGE,
        // `--follow-symlinks` is the default, and a mounted ConfigMap is symlinks; its `..data` folder is
        // the same files once more.
        args: ['s3', 'cp', '/state', destination, '--recursive', '--exclude', '*/..*', '--only-show-errors'],
        env: [
          { name: 'AWS_REGION', value: region },
          { name: 'HOME', value: '/tmp' },
        ],
        resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '256Mi' } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        volumeMounts: [
          { name: 'scratch', mountPath: '/tmp' },
          ...KEPT.map((name) => ({ name, mountPath: `/state/${name}`, readOnly: true })),
        ],
      },
    ],
    volumes: [
      { name: 'scratch', emptyDir: { sizeLimit: '16Mi' } },
      ...KEPT.map((name) => ({ name, configMap: { name, optional: true } })),
    ],
  };
}
