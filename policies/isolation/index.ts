import { PolicyPack } from "@pulumi/policy";

import { loadRules, policiesOf } from "../pack";

new PolicyPack("shadownet-isolation", { policies: policiesOf(loadRules(__dirname)) });
