// Roles of pods, and the findings of cdk-nag that we know of: each is named with its reason, so that a
// new one fails the synthesis.

import { Validations } from 'aws-cdk-lib';
import { CfnPodIdentityAssociation } from 'aws-cdk-lib/aws-eks';
import type * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct, IConstruct } from 'constructs';

/** The service account that a role is for. */
export interface Identity {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/**
 * A role that EKS Pod Identity gives to the pods of one service account. The condition holds also where
 * somebody associates the role with another one.
 */
export function podIdentityRole(scope: Construct, id: string, identity: Identity, ...managed: string[]): iam.Role {
  const principal = new iam.ServicePrincipal('pods.eks.amazonaws.com', {
    conditions: {
      StringEquals: {
        'aws:RequestTag/kubernetes-namespace': identity.namespace,
        'aws:RequestTag/kubernetes-service-account': identity.serviceAccount,
      },
    },
  });
  const role = new iam.Role(scope, id, {
    assumedBy: new iam.SessionTagsPrincipal(principal),
    managedPolicies: managed.map((name) => iam.ManagedPolicy.fromAwsManagedPolicyName(name)),
  });
  const reason = 'The policy that AWS publishes for exactly this add-on.';
  acknowledgeManagedPolicies(role, Object.fromEntries(managed.map((name) => [name, reason])));
  return role;
}

/** A role as by `podIdentityRole`, and its association with the service account. */
export function grantPods(scope: Construct, name: string, cluster: eks.Cluster, identity: Identity): iam.Role {
  const role = podIdentityRole(scope, `${name}Role`, identity);
  new CfnPodIdentityAssociation(scope, `${name}Association`, {
    clusterName: cluster.clusterName,
    namespace: identity.namespace,
    serviceAccount: identity.serviceAccount,
    roleArn: role.roleArn,
  });
  return role;
}

/** Says why each of AWS' own policies is used below `scope`. */
export function acknowledgeManagedPolicies(scope: IConstruct, reasons: Record<string, string>): void {
  for (const [name, reason] of Object.entries(reasons)) {
    acknowledge(scope, `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/${name}]`, reason);
  }
}

/** Says why a finding below `scope` is none. */
export function acknowledge(scope: IConstruct, id: string, reason: string): void {
  Validations.of(scope).acknowledge({ id, reason });
}
