// Prints the values that the CDK installs the chart with, out of the templates of a synthesis.
//
//   node infra/checks/cdk-values.mjs CDK_OUT

import { readdirSync, readFileSync } from 'node:fs';
import * as path from 'node:path';

const [folder] = process.argv.slice(2);
const file = readdirSync(folder).find((name) => name.endsWith('primary-Release.template.json'));
const { Resources } = JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
const chart = Object.values(Resources).find(({ Type }) => Type === 'Custom::AWSCDK-EKS-HelmChart');
console.log(chart.Properties.Values);
