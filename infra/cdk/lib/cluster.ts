// One EKS cluster: private API server, encrypted secrets, every control plane log, nodes without the
// metadata service for pods. Its add-ons are named one by one, so that their rights are ours to give.

import { CfnCondition, type CfnElement, Size, Stack, type StackProps, Token } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { CfnAddon } from 'aws-cdk-lib/aws-eks';
import * as eks from 'aws-cdk-lib/aws-eks-v2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import { KubectlV35Layer } from '@aws-cdk/lambda-layer-kubectl-v35';
import type { Construct } from 'constructs';

import { acknowledge, acknowledgeManagedPolicies, type Identity, podIdentityRole } from './permissions';
import type { Settings, Site } from './settings';

const NETWORK: Identity = { namespace: 'kube-system', serviceAccount: 'aws-node' };

export class ClusterStack extends Stack {
  readonly cluster: eks.Cluster;

  constructor(scope: Construct, id: string, settings: Settings, site: Site, vpc: ec2.Vpc, props: StackProps) {
    super(scope, id, props);
    this.cluster = this.controlPlane(settings, site, vpc);
    this.administrators(settings);
    const network = this.addon('vpc-cni', [], {
      role: podIdentityRole(this, 'NetworkRole', NETWORK, 'AmazonEKS_CNI_Policy'),
      serviceAccount: NETWORK.serviceAccount,
      // Without it the chart's NetworkPolicies are objects that nobody enforces.
      configuration: { enableNetworkPolicy: 'true' },
    });
    const identity = this.addon('eks-pod-identity-agent', []);
    const nodes = this.nodes(settings, vpc);
    // Nodes become ready only with a network, and the network's pods get their rights from the agent.
    nodes.node.addDependency(network, identity);
    this.addon('kube-proxy', [nodes]);
    this.addon('coredns', [nodes]);
    this.acknowledgeKubectlHandler();
  }

  private controlPlane(settings: Settings, site: Site, vpc: ec2.Vpc): eks.Cluster {
    const key = new kms.Key(this, 'SecretsKey', { enableKeyRotation: true, removalPolicy: settings.removal });
    const fromOutside = settings.apiServerCidrs.length > 0;
    const cluster = new eks.Cluster(this, 'Cluster', {
      clusterName: site.clusterName,
      version: eks.KubernetesVersion.of(settings.kubernetesVersion),
      vpc,
      vpcSubnets: [{ subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS }],
      endpointAccess: fromOutside
        ? eks.EndpointAccess.PUBLIC_AND_PRIVATE.onlyFrom(...settings.apiServerCidrs)
        : eks.EndpointAccess.PRIVATE,
      secretsEncryptionKey: key,
      clusterLogging: Object.values(eks.ClusterLoggingTypes),
      defaultCapacityType: eks.DefaultCapacityType.NODEGROUP,
      defaultCapacity: 0,
      // Whoever deploys is not an administrator by that alone: `adminRoleArns` names who is.
      bootstrapClusterCreatorAdminPermissions: false,
      bootstrapSelfManagedAddons: false,
      kubectlProviderOptions: {
        kubectlLayer: new KubectlV35Layer(this, 'Kubectl'),
        privateSubnets: vpc.privateSubnets,
        memory: Size.gibibytes(1),
      },
      // A kubeconfig command among the outputs would name a role that does not exist.
      outputConfigCommand: false,
      removalPolicy: settings.removal,
    });
    acknowledgeManagedPolicies(cluster, {
      AmazonEKSClusterPolicy: 'The policy that EKS requires of the role of a control plane.',
    });
    acknowledge(cluster, 'CloudFormation-Validate::W9009', 'The CDK writes which resources are encrypted; so does the documentation.');
    return cluster;
  }

  private administrators(settings: Settings): void {
    settings.adminRoleArns.forEach((principal, index) => {
      const everywhere = { accessScopeType: eks.AccessScopeType.CLUSTER };
      new eks.AccessEntry(this, `Administrator${index}`, {
        cluster: this.cluster,
        principal,
        accessPolicies: [eks.AccessPolicy.fromAccessPolicyName('AmazonEKSClusterAdminPolicy', everywhere)],
      });
    });
  }

  private nodes(settings: Settings, vpc: ec2.Vpc): eks.Nodegroup {
    const template = new ec2.LaunchTemplate(this, 'NodeTemplate', {
      requireImdsv2: true,
      // One hop: the node itself, and no pod, which would otherwise have the node's rights.
      httpPutResponseHopLimit: 1,
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: ec2.BlockDeviceVolume.ebs(settings.nodes.diskGib, {
            encrypted: true,
            volumeType: ec2.EbsDeviceVolumeType.GP3,
          }),
        },
      ],
    });
    const role = new iam.Role(this, 'NodeRole', {
      assumedBy: new iam.ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: ['AmazonEKSWorkerNodePolicy', 'AmazonEC2ContainerRegistryPullOnly'].map((name) =>
        iam.ManagedPolicy.fromAwsManagedPolicyName(name),
      ),
    });
    acknowledgeManagedPolicies(role, {
      AmazonEKSWorkerNodePolicy: 'The policy that EKS requires of a node; pods cannot reach it (one hop).',
      AmazonEC2ContainerRegistryPullOnly: 'Images are pulled, and nothing else is done with the registry.',
    });
    return new eks.Nodegroup(this, 'Nodes', {
      cluster: this.cluster,
      subnets: { subnets: vpc.privateSubnets },
      instanceTypes: [new ec2.InstanceType(settings.nodes.instanceType)],
      amiType: settings.nodes.instanceType.match(/^\w+g[a-z]*\./)
        ? eks.NodegroupAmiType.AL2023_ARM_64_STANDARD
        : eks.NodegroupAmiType.AL2023_X86_64_STANDARD,
      minSize: settings.nodes.min,
      maxSize: settings.nodes.max,
      nodeRole: role,
      launchTemplateSpec: { id: template.launchTemplateId!, version: template.latestVersionNumber },
      enableNodeAutoRepair: true,
    });
  }

  /** The function that runs kubectl and helm: the CDK chooses its runtime and its rights. */
  private acknowledgeKubectlHandler(): void {
    const provider = this.cluster.node.findChild('KubectlProvider');
    const handler = this.getLogicalId(provider.node.findChild('Handler').node.defaultChild as CfnElement);
    acknowledgeManagedPolicies(provider, {
      'service-role/AWSLambdaBasicExecutionRole': 'To write its log.',
      'service-role/AWSLambdaVPCAccessExecutionRole': 'To run inside of the VPC, where the API server is.',
      AmazonEC2ContainerRegistryReadOnly: 'To read charts out of a registry.',
    });
    const account = Token.isUnresolved(this.account) ? '<AWS::AccountId>' : this.account;
    const assets = `arn:<AWS::Partition>:s3:::cdk-hnb659fds-assets-${account}-${this.region}/*`;
    const reading = ['Action::s3:GetBucket*', 'Action::s3:GetObject*', 'Action::s3:List*', `Resource::${assets}`];
    for (const finding of reading) {
      acknowledge(provider, `AwsSolutions-IAM5[${finding}]`, 'To read the chart of this checkout out of the bucket of assets.');
    }
    acknowledge(provider, `AwsSolutions-IAM5[Resource::<${handler}.Arn>:*]`, 'To call any version of that one function.');
    acknowledge(provider, 'AwsSolutions-L1', 'The runtime is the one that the CDK tests its code with.');
    const condition = provider.node.findAll().find((child) => child instanceof CfnCondition)!;
    const policy = 'AmazonElasticContainerRegistryPublicReadOnly';
    const arn = { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, `:iam::aws:policy/${policy}`]] };
    const choice = { 'Fn::If': [this.getLogicalId(condition), arn, { Ref: 'AWS::NoValue' }] };
    acknowledge(provider, `AwsSolutions-IAM4[Policy::${JSON.stringify(choice)}]`, 'To read charts out of a public registry.');
  }

  private addon(name: string, after: Construct[], rights?: AddonRights): CfnAddon {
    const addon = new CfnAddon(this, `Addon-${name}`, {
      addonName: name,
      clusterName: this.cluster.clusterName,
      resolveConflicts: 'OVERWRITE',
      configurationValues: rights && JSON.stringify(rights.configuration),
      podIdentityAssociations: rights && [{ roleArn: rights.role.roleArn, serviceAccount: rights.serviceAccount }],
    });
    addon.node.addDependency(...after);
    return addon;
  }
}

interface AddonRights {
  readonly role: iam.Role;
  readonly serviceAccount: string;
  readonly configuration: Record<string, unknown>;
}
