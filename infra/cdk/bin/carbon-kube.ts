import { App } from 'aws-cdk-lib';

import { build } from '../lib/app';

const app = new App();
build(app);
app.synth();
