// A bucket that keeps every version of configuration and policies, and the right to add to it.

import { type CfnElement, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';

import { acknowledge, grantPods } from './permissions';
import { NAMESPACE, type Settings, type Site } from './settings';

export class BackupStack extends Stack {
  readonly bucket: s3.Bucket;
  readonly key: kms.Key;
  /** Where the files of this cluster go. */
  readonly destination: string;

  constructor(scope: Construct, id: string, settings: Settings, site: Site, cluster: eks.Cluster, props: StackProps) {
    super(scope, id, props);
    this.key = new kms.Key(this, 'Key', { enableKeyRotation: true, removalPolicy: settings.removal });
    const shared: s3.BucketProps = {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: settings.removal,
      // CloudFormation removes no bucket that holds anything, so what goes with its stack is emptied first.
      autoDeleteObjects: settings.removal === RemovalPolicy.DESTROY,
    };
    const access = new s3.Bucket(this, 'AccessLog', {
      ...shared,
      // Server access logs can only be written with keys of S3.
      encryption: s3.BucketEncryption.S3_MANAGED,
      lifecycleRules: [{ expiration: Duration.days(400) }],
    });
    acknowledge(access, 'AwsSolutions-S1', 'The log of accesses itself: a log of its own accesses would never end.');
    this.bucket = new s3.Bucket(this, 'Backup', {
      ...shared,
      encryption: s3.BucketEncryption.KMS,
      encryptionKey: this.key,
      bucketKeyEnabled: true,
      versioned: true,
      serverAccessLogsBucket: access,
      lifecycleRules: [
        {
          noncurrentVersionExpiration: Duration.days(400),
          noncurrentVersionsToRetain: 30,
          abortIncompleteMultipartUploadAfter: Duration.days(2),
        },
      ],
    });
    this.destination = `s3://${this.bucket.bucketName}/${site.clusterName}`;
    this.writer(site, cluster);
  }

  /** New versions of this cluster's own files, and nothing of another's; no reading, no deleting. */
  private writer(site: Site, cluster: eks.Cluster): void {
    const role = grantPods(this, 'Backup', cluster, { namespace: NAMESPACE, serviceAccount: 'carbon-kube-backup' });
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['s3:PutObject'],
        resources: [this.bucket.arnForObjects(`${site.clusterName}/*`)],
      }),
    );
    role.addToPolicy(new iam.PolicyStatement({ actions: ['kms:GenerateDataKey'], resources: [this.key.keyArn] }));
    const bucket = this.getLogicalId(this.bucket.node.defaultChild as CfnElement);
    acknowledge(
      role,
      `AwsSolutions-IAM5[Resource::<${bucket}.Arn>/${site.clusterName}/*]`,
      'Files below the prefix of this cluster.',
    );
  }
}
