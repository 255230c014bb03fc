// What the stacks promise, held on the templates that are synthesised without an account.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';

import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';

import { build } from '../lib/app';
import { KEPT } from '../lib/backup-job';
import { gridZones } from '../lib/settings';

const SNAPSHOTS = path.join(__dirname, 'snapshots');
// Without the chart's own files: these tests are about what surrounds it.
const CHART = path.join(__dirname, 'chart');

type Environment = Record<string, unknown>;

function context(environment: Environment = {}, name = 'production'): Record<string, unknown> {
  const file = JSON.parse(readFileSync(path.join(__dirname, '../cdk.json'), 'utf8'));
  const known = file.context.environments;
  const environments = { ...known, [name]: { ...known[name], ...environment } };
  return { ...file.context, environment: name, environments, chart: CHART };
}

function app(environment?: Environment, name?: string): App {
  const result = new App({ context: context(environment, name) });
  build(result);
  return result;
}

function template(of: App, part: string): Template {
  const name = of.node.children.map((child) => child.node.id).find((id) => id.endsWith(part));
  return Template.fromStack(of.node.findChild(name!) as Stack);
}

const production = app();
const network = template(production, 'primary-Network');
const cluster = template(production, 'primary-Cluster');
const identity = template(production, 'primary-Identity');
const backup = template(production, 'primary-Backup');
const monitoring = template(production, 'primary-Monitoring');
const release = template(production, 'primary-Release');
const development = app({}, 'development');

/** The statements that a role of ours is given, in one list. */
function statements(of: Template): { Action: string | string[]; Resource: unknown }[] {
  return Object.values(of.findResources('AWS::IAM::Policy')).flatMap((policy) => policy.Properties.PolicyDocument.Statement);
}

function actions(of: Template): string[] {
  return statements(of).flatMap((statement) => statement.Action).sort();
}

describe('the network', () => {
  it('has a public and a private subnet in each of three availability zones', () => {
    network.resourceCountIs('AWS::EC2::Subnet', 6);
  });

  it('gives no machine a public address', () => {
    network.allResourcesProperties('AWS::EC2::Subnet', { MapPublicIpOnLaunch: false });
  });

  it('writes down what passes, encrypted, for three months', () => {
    network.hasResourceProperties('AWS::EC2::FlowLog', { TrafficType: 'ALL', LogDestinationType: 'cloud-watch-logs' });
    network.hasResourceProperties('AWS::Logs::LogGroup', { KmsKeyId: Match.anyValue(), RetentionInDays: 90 });
  });

  it('reaches AWS without the Internet, and by HTTPS from inside of the VPC only', () => {
    const services = Object.values(network.findResources('AWS::EC2::VPCEndpoint')).map((endpoint) =>
      JSON.stringify(endpoint.Properties.ServiceName).replace(/.*\.([a-z0-9-]+(?:\.[a-z]+)?)"[^"]*$/, '$1'),
    );
    assert.equal(services.length, 9, services.join());
    network.hasResourceProperties('AWS::EC2::SecurityGroup', {
      GroupDescription: 'AWS services, from inside of the VPC',
      SecurityGroupIngress: [Match.objectLike({ CidrIp: '10.40.0.0/16', FromPort: 443, ToPort: 443, IpProtocol: 'tcp' })],
    });
  });

  it('empties the default security group', () => {
    network.resourceCountIs('Custom::VpcRestrictDefaultSG', 1);
  });
});

describe('the cluster', () => {
  it('has an API server that only the VPC reaches', () => {
    cluster.hasResourceProperties('AWS::EKS::Cluster', {
      ResourcesVpcConfig: { EndpointPrivateAccess: true, EndpointPublicAccess: false },
    });
  });

  it('opens the API server to named addresses only', () => {
    const open = template(app({ apiServerCidrs: ['203.0.113.0/24'] }), 'primary-Cluster');
    open.hasResourceProperties('AWS::EKS::Cluster', {
      ResourcesVpcConfig: { EndpointPublicAccess: true, PublicAccessCidrs: ['203.0.113.0/24'] },
    });
  });

  it('encrypts secrets with a key of its own that is rotated', () => {
    cluster.hasResourceProperties('AWS::EKS::Cluster', {
      EncryptionConfig: [{ Resources: ['secrets'], Provider: { KeyArn: Match.anyValue() } }],
    });
    cluster.allResourcesProperties('AWS::KMS::Key', { EnableKeyRotation: true });
  });

  it('keeps each of the five logs of the control plane', () => {
    const kinds = ['api', 'audit', 'authenticator', 'controllerManager', 'scheduler'];
    cluster.hasResourceProperties('AWS::EKS::Cluster', {
      Logging: { ClusterLogging: { EnabledTypes: kinds.map((Type) => ({ Type })) } },
    });
  });

  it('makes nobody an administrator by deploying it', () => {
    cluster.hasResourceProperties('AWS::EKS::Cluster', {
      AccessConfig: { AuthenticationMode: 'API', BootstrapClusterCreatorAdminPermissions: false },
    });
    const named = template(app({ adminRoleArns: ['arn:aws:iam::111122223333:role/platform'] }), 'primary-Cluster');
    named.hasResourceProperties('AWS::EKS::AccessEntry', { PrincipalArn: 'arn:aws:iam::111122223333:role/platform' });
  });

  it('keeps the rights of a node from its pods', () => {
    cluster.hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: { MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 } },
    });
  });

  it('encrypts the disks of nodes', () => {
    cluster.hasResourceProperties('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: { BlockDeviceMappings: [Match.objectLike({ Ebs: Match.objectLike({ Encrypted: true }) })] },
    });
  });

  it('gives nodes what EKS demands of them, and not the rights of the network', () => {
    const role = Object.values(cluster.findResources('AWS::IAM::Role')).find(
      ({ Properties }) => Properties.AssumeRolePolicyDocument.Statement[0].Principal.Service === 'ec2.amazonaws.com',
    );
    const policies = JSON.stringify(role!.Properties.ManagedPolicyArns);
    assert.match(policies, /AmazonEKSWorkerNodePolicy/);
    assert.match(policies, /AmazonEC2ContainerRegistryPullOnly/);
    assert.doesNotMatch(policies, /CNI|Administrator|FullAccess/);
  });

  it('enforces network policies', () => {
    cluster.hasResourceProperties('AWS::EKS::Addon', {
      AddonName: 'vpc-cni',
      ConfigurationValues: JSON.stringify({ enableNetworkPolicy: 'true' }),
      PodIdentityAssociations: [Match.objectLike({ ServiceAccount: 'aws-node' })],
    });
  });

  it('has nodes in private subnets only, of the size that the context says', () => {
    const small = template(app({ nodes: { instanceType: 'm7g.large', min: 2, max: 5, diskGib: 40 } }), 'primary-Cluster');
    small.hasResourceProperties('AWS::EKS::Nodegroup', {
      InstanceTypes: ['m7g.large'],
      AmiType: 'AL2023_ARM_64_STANDARD',
      ScalingConfig: { MinSize: 2, MaxSize: 5 },
    });
    const [nodes] = Object.values(cluster.findResources('AWS::EKS::Nodegroup'));
    assert.doesNotMatch(JSON.stringify(nodes!.Properties.Subnets), /public/i);
  });
});

describe('rights of components', () => {
  it('are for one service account each, whoever associates the role', () => {
    const expected = { Identity: ['external-secrets'], Backup: ['carbon-kube-backup'] };
    for (const [part, accounts] of Object.entries(expected)) {
      const of = template(production, `primary-${part}`);
      of.resourceCountIs('AWS::EKS::PodIdentityAssociation', accounts.length);
      for (const account of accounts) {
        of.hasResourceProperties('AWS::EKS::PodIdentityAssociation', { ServiceAccount: account });
        of.hasResourceProperties('AWS::IAM::Role', {
          AssumeRolePolicyDocument: Match.objectLike({
            Statement: Match.arrayWith([
              Match.objectLike({
                Principal: { Service: 'pods.eks.amazonaws.com' },
                Condition: {
                  StringEquals: Match.objectLike({ 'aws:RequestTag/kubernetes-service-account': account }),
                },
              }),
            ]),
          }),
        });
      }
    }
  });

  it('are these actions and no other', () => {
    assert.deepEqual(actions(identity), [
      'kms:Decrypt',
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
    ]);
    assert.deepEqual(actions(backup), ['kms:GenerateDataKey', 's3:PutObject']);
  });

  it('name what they are for', () => {
    const everything = [...statements(identity), ...statements(backup)].filter(({ Resource }) => Resource === '*');
    assert.deepEqual(everything, []);
  });

  it('end at the prefix of the own cluster in the backup', () => {
    const [put] = statements(backup).filter(({ Action }) => Action === 's3:PutObject');
    assert.match(JSON.stringify(put!.Resource), /carbon-kube-production-primary\/\*/);
  });
});

describe('the backup', () => {
  it('keeps versions, encrypted with a key that is rotated', () => {
    backup.hasResourceProperties('AWS::S3::Bucket', {
      VersioningConfiguration: { Status: 'Enabled' },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          Match.objectLike({ ServerSideEncryptionByDefault: Match.objectLike({ SSEAlgorithm: 'aws:kms' }) }),
        ],
      },
    });
    backup.allResourcesProperties('AWS::KMS::Key', { EnableKeyRotation: true });
  });

  it('is public in no way, and without TLS nobody gets in', () => {
    backup.allResourcesProperties('AWS::S3::Bucket', {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    });
    backup.resourcePropertiesCountIs(
      'AWS::S3::BucketPolicy',
      {
        PolicyDocument: Match.objectLike({
          Statement: Match.arrayWith([
            Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
          ]),
        }),
      },
      2,
    );
  });

  it('outlives its stack in production, and not in development', () => {
    const policies = (of: Template) => Object.values(of.findResources('AWS::S3::Bucket')).map((b) => b.DeletionPolicy);
    assert.deepEqual(policies(backup), ['Retain', 'Retain']);
    assert.deepEqual(policies(template(development, 'primary-Backup')), ['Delete', 'Delete']);
  });

  it('is emptied before it goes with its stack, and in production nothing can empty it', () => {
    const emptied = (of: Template) =>
      Object.values(of.findResources('Custom::S3AutoDeleteObjects')).map(({ Properties }) => Properties.BucketName.Ref);
    const temporary = template(development, 'primary-Backup');
    assert.deepEqual(emptied(temporary).sort(), Object.keys(temporary.findResources('AWS::S3::Bucket')).sort());
    assert.deepEqual(emptied(backup), []);
    assert.deepEqual(backup.findResources('AWS::Lambda::Function'), {});
    // Only the function of the stack itself may delete.
    const [handler] = Object.keys(temporary.findResources('AWS::IAM::Role')).filter((id) => id.includes('AutoDelete'));
    const deleting = Object.values(temporary.findResources('AWS::S3::BucketPolicy'))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
      .filter(({ Action, Effect }) => Effect === 'Allow' && JSON.stringify(Action).includes('s3:DeleteObject'));
    assert.deepEqual(
      deleting.map(({ Principal }) => Principal.AWS['Fn::GetAtt'][0]),
      [handler, handler],
    );
  });

  it('is made by a pod without rights in the cluster, which mounts what it copies', () => {
    const [manifest] = Object.values(release.findResources('Custom::AWSCDK-EKS-KubernetesResource'));
    const text = JSON.stringify(manifest!.Properties.Manifest);
    for (const name of KEPT) {
      assert.ok(text.includes(name), name);
    }
    for (const promise of ['runAsNonRoot', 'readOnlyRootFilesystem', 'automountServiceAccountToken']) {
      assert.ok(text.includes(promise), promise);
    }
  });
});

describe('the releases', () => {
  it('install the chart of this checkout, and take back what does not become ready', () => {
    release.hasResourceProperties('Custom::AWSCDK-EKS-HelmChart', {
      Release: 'carbon-kube',
      Namespace: 'carbon-kube',
      Atomic: true,
      ChartAssetURL: Match.anyValue(),
    });
  });

  it('know their grid, and begin by watching', () => {
    const [chart] = Object.values(release.findResources('Custom::AWSCDK-EKS-HelmChart'));
    const values = JSON.parse(chart!.Properties.Values);
    assert.deepEqual(Object.keys(values.poller.config.providers.zones), ['EU-FR']);
    assert.equal(values.extender.config.decisions.defaultMode, 'observe');
  });

  it('take values of the context over all others', () => {
    const own = template(app({ values: { extender: { replicas: 5 } } }), 'primary-Release');
    const [chart] = Object.values(own.findResources('Custom::AWSCDK-EKS-HelmChart'));
    const { extender } = JSON.parse(chart!.Properties.Values);
    assert.equal(extender.replicas, 5);
    assert.equal(extender.config.decisions.defaultMode, 'observe');
  });

  it('have a Grafana without a known password', () => {
    const [chart] = Object.values(monitoring.findResources('Custom::AWSCDK-EKS-HelmChart'));
    const values = JSON.parse(chart!.Properties.Values);
    assert.equal(values.grafana.adminPassword, '');
    assert.equal(values.grafana.service.type, 'ClusterIP');
  });
});

describe('both sites', () => {
  it('draw from different grids', () => {
    const zones = gridZones();
    assert.notEqual(zones.get('eu-west-3'), zones.get('eu-central-1'));
    assert.throws(() => app({ secondary: { region: 'eu-west-3', cidr: '10.9.0.0/16' } }), /both sites draw from the grid EU-FR/);
  });

  it('are in the regions that the context says, and tagged', () => {
    const stacks = production.node.children.filter((child) => child instanceof Stack);
    assert.equal(stacks.length, 12);
    for (const stack of stacks) {
      assert.equal(stack.region, stack.node.id.includes('primary') ? 'eu-west-3' : 'eu-central-1');
      assert.equal(stack.terminationProtection, true);
      assert.equal(stack.tags.tagValues()['carbon-kube.io/environment'], 'production');
    }
  });
});

describe('settings that make no sense', () => {
  const refusals: [string, Environment, RegExp][] = [
    ['an unknown key', { nodeCount: 3 }, /unknown key `nodeCount`/],
    ['an unknown key of the nodes', { nodes: { count: 3 } }, /production.nodes: unknown key `count`/],
    ['a region without a grid', { primary: { region: 'moon-west-1', cidr: '10.0.0.0/16' } }, /no grid zone is known/],
    ['an API server for everybody', { apiServerCidrs: ['0.0.0.0/0'] }, /open to everybody/],
    ['more nodes at least than at most', { nodes: { min: 5, max: 2 } }, /min <= max/],
    ['a mode that there is not', { mode: 'audit' }, /none of off, observe, enforce/],
    ['a range within the other', { secondary: { region: 'eu-central-1', cidr: '10.40.128.0/20' } }, /do not overlap/],
    ['the same addresses twice', { secondary: { region: 'eu-central-1', cidr: '10.40.0.0/16' } }, /do not overlap/],
  ];
  for (const [what, environment, message] of refusals) {
    it(`are refused: ${what}`, () => {
      assert.throws(() => app(environment), message);
    });
  }
});

describe('the templates', () => {
  const reviewed: [string, App, string][] = [
    ...['Network', 'Cluster', 'Identity', 'Backup', 'Monitoring', 'Release'].map(
      (part): [string, App, string] => [part, production, part.toLowerCase()],
    ),
    // What a stack that may be deleted has, and production has not.
    ['Backup', development, 'backup-development'],
  ];
  for (const [part, of, name] of reviewed) {
    it(`are those that were reviewed: ${name}`, () => {
      const file = path.join(SNAPSHOTS, `${name}.json`);
      const current = `${JSON.stringify(settled(template(of, `primary-${part}`).toJSON()), null, 1)}\n`;
      if (process.env.UPDATE_GOLDEN) {
        mkdirSync(SNAPSHOTS, { recursive: true });
        writeFileSync(file, current);
      }
      assert.equal(current, readFileSync(file, 'utf8'), `${file} is stale: run UPDATE_GOLDEN=1 npm test, and read the difference`);
    });
  }
});

/** Without the sums of files, which change with each version of the CDK's own functions. */
function settled(json: unknown): unknown {
  return JSON.parse(JSON.stringify(json).replace(/[0-9a-f]{64}/g, 'FILE'));
}
