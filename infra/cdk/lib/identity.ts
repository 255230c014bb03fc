// What each component may do in AWS. Extender, poller and tuner: nothing, so they have no role.

import { Stack, type StackProps } from 'aws-cdk-lib';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as secrets from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';

import { acknowledge, grantPods } from './permissions';
import type { Settings } from './settings';

export class IdentityStack extends Stack {
  constructor(scope: Construct, id: string, settings: Settings, cluster: eks.Cluster, props: StackProps) {
    super(scope, id, props);
    this.externalSecrets(settings, cluster);
  }

  /** One secret with the keys of data providers, for the External Secrets operator, where there is one. */
  private externalSecrets(settings: Settings, cluster: eks.Cluster): void {
    const key = new kms.Key(this, 'SecretKey', { enableKeyRotation: true, removalPolicy: settings.removal });
    const secret = new secrets.Secret(this, 'ProviderKeys', {
      description: 'Keys of grid data providers, by the name that the poller knows. Filled in by hand.',
      encryptionKey: key,
      removalPolicy: settings.removal,
    });
    acknowledge(secret, 'AwsSolutions-SMG4', 'The keys are issued by the providers; AWS cannot rotate them.');
    const operator = { namespace: 'external-secrets', serviceAccount: 'external-secrets' };
    const role = grantPods(this, 'Secrets', cluster, operator);
    role.addToPolicy(
      new iam.PolicyStatement({
        actions: ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'],
        resources: [secret.secretArn],
      }),
    );
    role.addToPolicy(new iam.PolicyStatement({ actions: ['kms:Decrypt'], resources: [key.keyArn] }));
  }
}
