// The network of one site: nodes have no public address, AWS is reached without the Internet where it
// has an endpoint, and what passes is written down. The Internet is for the poller (grid data) and for images.

import { Fn, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

import type { Settings, Site } from './settings';

const ENDPOINTS: Record<string, ec2.InterfaceVpcEndpointAwsService> = {
  Ec2: ec2.InterfaceVpcEndpointAwsService.EC2,
  EcrApi: ec2.InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Eks: ec2.InterfaceVpcEndpointAwsService.EKS,
  // Pod Identity asks here for credentials.
  EksAuth: ec2.InterfaceVpcEndpointAwsService.EKS_AUTH,
  Logs: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  SecretsManager: ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
  Sts: ec2.InterfaceVpcEndpointAwsService.STS,
};

export class NetworkStack extends Stack {
  readonly vpc: ec2.Vpc;

  constructor(scope: Construct, id: string, settings: Settings, site: Site, props: StackProps) {
    super(scope, id, props);
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      ipAddresses: ec2.IpAddresses.cidr(site.cidr),
      natGateways: settings.natGateways,
      // The default group of a VPC lets its members talk to each other: empty it.
      restrictDefaultSecurityGroup: true,
      subnetConfiguration: [
        { name: 'public', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 24, mapPublicIpOnLaunch: false },
        { name: 'private', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
      ],
    });
    this.flowLogs(settings);
    this.vpc.addGatewayEndpoint('S3', { service: ec2.GatewayVpcEndpointAwsService.S3 });
    this.interfaceEndpoints(site);
  }

  /** Chosen at deployment and not by look-up, so that the templates need neither an account nor the network. */
  override get availabilityZones(): string[] {
    return [0, 1, 2].map((index) => Fn.select(index, Fn.getAzs()));
  }

  private flowLogs(settings: Settings): void {
    const key = new kms.Key(this, 'LogKey', { enableKeyRotation: true, removalPolicy: settings.removal });
    const service = new iam.ServicePrincipal(`logs.${this.region}.amazonaws.com`);
    key.grantEncryptDecrypt(service);
    const group = new logs.LogGroup(this, 'FlowLogs', {
      encryptionKey: key,
      retention: logs.RetentionDays.THREE_MONTHS,
      removalPolicy: settings.removal,
    });
    this.vpc.addFlowLog('All', {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(group),
      trafficType: ec2.FlowLogTrafficType.ALL,
    });
  }

  private interfaceEndpoints(site: Site): void {
    const group = new ec2.SecurityGroup(this, 'Endpoints', {
      vpc: this.vpc,
      description: 'AWS services, from inside of the VPC',
      allowAllOutbound: false,
    });
    group.addIngressRule(ec2.Peer.ipv4(site.cidr), ec2.Port.tcp(443), 'HTTPS from the VPC');
    for (const [name, service] of Object.entries(ENDPOINTS)) {
      this.vpc.addInterfaceEndpoint(name, { service, securityGroups: [group], open: false });
    }
  }
}
